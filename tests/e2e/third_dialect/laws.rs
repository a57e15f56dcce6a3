//! The promises that Acme's adapter keeps, told by the same laws as those of the others.

use std::sync::LazyLock;

use interlingua_core::{
    Adapter, Command, Outcome, Scope, ScopeId, Text, User, UserId, UserPatch, Validator,
    laws::{self, strategy, strategy::Vocabulary},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{acme::Acme, server::Directory};

static ACME: LazyLock<Acme> = LazyLock::new(Acme::new);
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(ACME.dialect()).unwrap());

fn words() -> Vocabulary {
    Vocabulary {
        users: "[a-z0-9]{1,4}".prop_map(UserId::new).boxed(),
        scopes: prop::sample::select(vec!["hq", "desk", "moon"]).prop_map(|id| Scope::new(ScopeId::new(id))).boxed(),
        grant_ids: Just(None).boxed(),
        preferences: any::<bool>().prop_map(|on| (Text::from("notifications.email"), on.into())).boxed(),
    }
}

fn documents() -> Vec<Value> {
    vec![
        json!({"who": "a1"}),
        json!({"who": "a1", "name": "Ada Lovely"}),
        json!({"who": "a1", "mail": "ada@example.com"}),
        json!({"who": "a1", "rights": [{"place": "desk", "may": "look"}]}),
        json!({"who": "a1", "name": "Ada", "mail": "ada@example.com", "rights": [{"place": "hq", "may": "manage"}]}),
    ]
}

fn update(patch: UserPatch) -> Command {
    Command::UpdateUser { user: UserId::new("a1"), patch }
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_it_writes_is_valid_and_no_more_than_it_was_given(user in strategy::users(&words())) {
        for operation in &ACME.dialect().operations {
            laws::valid_answers(&*ACME, &VALIDATOR, operation.name, &Outcome::User(Box::new(user.clone())))?;
        }
        laws::idempotent(&*ACME, "look-up", &user)?;
        laws::no_escalation_in_documents(&*ACME, "look-up", &user)?;
    }

    #[test]
    fn its_plans_are_lists_of_valid_calls(patch in strategy::patches(&words())) {
        let command = update(patch);
        laws::plan_is_a_list(&*ACME, &command, &mut vendor())?;
        laws::valid_calls(&*ACME, &VALIDATOR, &command, &mut vendor())?;
        laws::no_escalation_in_plans(&*ACME, &command, &mut vendor())?;
    }

    #[test]
    fn reading_shows_what_was_written(patch in strategy::patches(&words())) {
        laws::put_get(&*ACME, &UserId::new("a1"), &patch, &mut vendor())?;
    }

    #[test]
    fn it_answers_anything(
        request in strategy::requests(Acme::new().dialect(), documents()),
        patch in strategy::patches(&words()),
        replies in strategy::replies(documents()),
    ) {
        laws::total_requests(&*ACME, &request)?;
        laws::strict(&*ACME, &VALIDATOR, &request)?;
        laws::total_replies(&*ACME, &update(patch), &replies)?;
    }
}

fn vendor() -> impl FnMut(&interlingua_core::Call) -> interlingua_core::Reply {
    let mut directory = Directory::new();
    move |call| directory.reply(call)
}

#[test]
fn writing_back_changes_nothing() {
    laws::get_put(&*ACME, &UserId::new("a1"), &mut vendor()).unwrap();
}

#[test]
fn its_errors_are_valid() {
    for error in laws::every_error() {
        laws::valid_errors(&*ACME, &VALIDATOR, &error).unwrap();
    }
}

#[test]
fn the_user_that_nobody_knows_is_one() {
    laws::valid_answers(&*ACME, &VALIDATOR, "look-up", &Outcome::User(Box::new(User::new(UserId::new("a1"))))).unwrap();
}
