//! The two dialects, as an operator configures them.

use std::sync::LazyLock;

use interlingua_core::{
    Adapter, Mapping, NOTIFY_AUDIO, NOTIFY_EMAIL, Scope, Text, UserId, Validator, laws::strategy::Vocabulary,
};
use interlingua_ecgrid::Ecgrid;
use interlingua_textus::Textus;
use proptest::prelude::*;
use serde_json::{Value, json};

/// One of the dialects, and what the targets have to know of it.
pub struct Side {
    pub(crate) adapter: Box<dyn Adapter>,
    pub(crate) validator: Validator,
    /// A user's id.
    pub(crate) user: fn() -> UserId,
    /// An id of a scope for each number.
    scope: fn(usize) -> Value,
    /// The operations whose answers show a user, a list of users, and nothing.
    pub(crate) shows: [&'static str; 3],
}

impl Side {
    fn new(adapter: impl Adapter, user: fn() -> UserId, scope: fn(usize) -> Value, shows: [&'static str; 3]) -> Self {
        const CELL_PHONE: &str = "/textus/user_schema/cell_phone";
        let preferences =
            [("cellPhone", CELL_PHONE), ("emailNotification", NOTIFY_EMAIL), ("audioNotification", NOTIFY_AUDIO)];
        let preferences = preferences.map(|(field, key)| (field.into(), key.into())).into();
        let mapping = Mapping { preferences, ..Mapping::default() };
        let adapter = adapter.configured(&mapping).expect("the adapter knows these fields");
        let validator = Validator::new(adapter.dialect()).expect("the schemas are the adapter's own");
        Self { adapter, validator, user, scope, shows }
    }

    /// The other dialect.
    pub(crate) fn other(&self) -> &'static Self {
        if self.adapter.dialect().name == "ecgrid" { textus() } else { ecgrid() }
    }

    /// A scope of the dialect, another for each number.
    pub(crate) fn scope(&self, number: usize) -> Scope {
        self.adapter.scope(&(self.scope)(number)).expect("the id is the dialect's")
    }

    /// What the law suite's strategies make users and changes of.
    pub(crate) fn words(&'static self) -> Vocabulary {
        let preference = |key: &str, value| Just((Text::from(key), value));
        Vocabulary {
            users: Just((self.user)()).boxed(),
            scopes: (0..4usize).prop_map(|number| self.scope(number)).boxed(),
            grant_ids: Just(None).boxed(),
            preferences: prop_oneof![
                preference("/textus/user_schema/cell_phone", json!("+13035550199")),
                preference(NOTIFY_EMAIL, json!(true)),
                preference("/textus/user_schema/plain", json!("https://example.com")),
            ]
            .boxed(),
        }
    }
}

/// ECGrid, with names for three preferences.
pub fn ecgrid() -> &'static Side {
    static SIDE: LazyLock<Side> = LazyLock::new(|| {
        let scope = |number| match number {
            0 => json!({"network": 1}),
            _ => json!({"network": 1, "mailbox": 100 + number}),
        };
        Side::new(Ecgrid::new(), || UserId::new("1042"), scope, ["get-user", "list-users", "terminate-user"])
    });
    &SIDE
}

/// TextUs.
pub fn textus() -> &'static Side {
    static SIDE: LazyLock<Side> = LazyLock::new(|| {
        let scope = |number| json!(format!("account_{number}"));
        Side::new(Textus::new(), || UserId::new("wqyODPA"), scope, ["get-user", "list-users", "delete-user"])
    });
    &SIDE
}
