//! The promises of an adapter, each as one function that tests any adapter.
//!
//! An adapter's tests are the list of the laws that it keeps. Each law takes the adapter and something to feed it, from
//! a fixture or from [`strategy`], and returns the [`Violation`] that it found, if any:
//!
//! | promise | law |
//! |---|---|
//! | round trip | [`round_trip`], [`request_round_trip`] |
//! | no invention | [`no_invention`] |
//! | get-put, put-get | [`get_put`], [`put_get`] |
//! | idempotence | [`idempotent`] |
//! | no escalation | [`no_escalation_in_documents`], [`no_escalation_in_plans`] |
//! | closure | [`valid_answers`], [`valid_errors`], [`valid_calls`] |
//! | totality | [`total_requests`], [`total_replies`], [`strict`] |
//! | a plan is a list | [`plan_is_a_list`] |
//! | a write can be repeated, recognised and taken back as told | [`repeats_as_told`], [`shows_what_was_written`], [`takes_back`] |
//! | the declared fields are the shown ones | [`fields_as_declared`] |
//! | the declared operations are the carried ones | [`operation_as_declared`] |
//!
//! What a law cannot know of a dialect is a parameter: [`Declared`] for its constants and synonyms,
//! [`strategy::Vocabulary`] for the form of its ids, a [`Vendor`] for laws that need somebody to answer.
//!
//! A violation shows documents whole, personal data included: feed the laws people who do not exist.

mod closure;
mod declared;
mod drive;
mod escalation;
mod fields;
mod idempotence;
mod invention;
mod lens;
mod operations;
mod plan;
pub mod readme;
mod round_trip;
mod show;
pub mod strategy;
mod totality;
mod tree;
mod writes;

use std::fmt;

pub use closure::{every_error, valid_answers, valid_calls, valid_errors};
pub use declared::Declared;
pub use drive::{Run, Vendor, carry_out, read_reply};
pub use escalation::{no_escalation_in_documents, no_escalation_in_plans};
pub use fields::fields_as_declared;
pub use idempotence::idempotent;
pub use invention::no_invention;
pub use lens::{get_put, put_get, writing_back};
pub use operations::operation_as_declared;
pub use plan::plan_is_a_list;
pub use round_trip::{request_round_trip, round_trip};
pub use totality::{strict, total_replies, total_requests};
pub use writes::{repeats_as_told, shows_what_was_written, takes_back};

/// What a law returns.
pub type Kept = Result<(), Violation>;

/// A promise that is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    law: &'static str,
    fed: String,
    found: String,
}

impl Violation {
    fn new(law: &'static str, fed: impl Into<String>, found: impl Into<String>) -> Self {
        Self { law, fed: fed.into(), found: found.into() }
    }

    /// The law.
    pub fn law(&self) -> &'static str {
        self.law
    }

    /// What the adapter was given.
    pub fn fed(&self) -> &str {
        &self.fed
    }

    /// What came out of it, and what is wrong with that.
    pub fn found(&self) -> &str {
        &self.found
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is broken: {}\n  fed: {}", self.law, self.found, self.fed)
    }
}

impl std::error::Error for Violation {}
