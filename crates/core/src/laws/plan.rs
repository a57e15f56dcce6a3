//! A plan is a list of calls that is known before the first of its writes is sent.

use super::{Kept, Violation, drive::Vendor, show};
use crate::{
    adapter::{Adapter, Step},
    command::{Access, Command},
    error::Result,
    message::Call,
    note::Note,
};

const LAW: &str = "a plan is a list";

/// More steps than any plan has.
const ENDLESS: usize = 64;

/// The same command and replies give the same step; a step that sends has a call to send; once a write was named, the
/// calls of later steps are the rest of the same list, after which only reads may follow; notes only grow. Carries the
/// command out.
///
/// # Errors
///
/// The violation.
pub fn plan_is_a_list(adapter: &dyn Adapter, command: &Command, vendor: &mut Vendor<'_>) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::command(command), found);
    let mut replies = Vec::new();
    let mut so_far = SoFar::default();
    while replies.len() < ENDLESS {
        let step = adapter.plan(command, &replies);
        let again = adapter.plan(command, &replies);
        if !same(&step, &again) {
            return Err(broken(format!("it changes its mind: {step:?}, then {again:?}")));
        }
        let Ok(step) = step else { return Ok(()) };
        so_far.take(&step).map_err(broken)?;
        let Step::Send { calls, .. } = step else { return Ok(()) };
        replies.extend(calls.first().map(&mut *vendor));
    }
    Err(broken(format!("it has no end after {ENDLESS} calls")))
}

fn same(one: &Result<Step>, other: &Result<Step>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one == other,
        (one, other) => format!("{one:?}") == format!("{other:?}"),
    }
}

/// What the steps so far have promised.
#[derive(Default)]
struct SoFar {
    /// The calls that remain, once a write was named.
    rest: Option<Vec<Call>>,
    notes: Vec<Note>,
}

impl SoFar {
    fn take(&mut self, step: &Step) -> Result<(), String> {
        let (calls, notes) = match step {
            Step::Send { calls, notes } => (calls.as_slice(), notes),
            Step::Done { notes, .. } => (&[][..], notes),
        };
        if calls.is_empty() && matches!(step, Step::Send { .. }) {
            return Err("a step sends nothing".into());
        }
        if calls.iter().any(|call| call.access == Access::Read && !call.fields.is_empty()) {
            return Err(format!("a call that carries fields says that it only reads: {}", show::calls(calls)));
        }
        if !notes.starts_with(&self.notes) {
            return Err(format!("notes are taken back: {} became {}", show::notes(&self.notes), show::notes(notes)));
        }
        self.notes.clone_from(notes);
        if let Some(rest) = &self.rest {
            let added = calls.strip_prefix(rest.as_slice());
            if added.is_none_or(|added| added.iter().any(|call| call.access == Access::Write)) {
                return Err(format!("the list changed: {} became {}", show::calls(rest), show::calls(calls)));
            }
        }
        if self.rest.is_some() || calls.iter().any(|call| call.access == Access::Write) {
            self.rest = Some(calls.iter().skip(1).cloned().collect());
        }
        Ok(())
    }
}
