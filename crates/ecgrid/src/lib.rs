#![doc = include_str!("../README.md")]

mod codes;
mod plan;
mod read;
mod routes;
mod sessions;
mod wire;
mod write;

use std::{borrow::Cow, collections::BTreeMap};

use interlingua_core::{
    Adapter, Call, Command, Dialect, Document, Error, Field, Mapping, Outcome, Place, Problem, Reading, Reply, Request,
    Response, Result, RoleTable, Scope, ScopeId, Sessions, Step, Text, UserId, Writing,
};
use serde_json::Value;

use plan::effect;

/// The ECGrid REST v2 dialect.
#[derive(Debug)]
pub struct Ecgrid {
    dialect: Dialect,
    /// The vendor's name for a preference, and the canonical key.
    preferences: BTreeMap<Text, Text>,
    roles: RoleTable,
}

impl Ecgrid {
    /// The dialect as the vendor speaks it, without names for preferences, for which the vendor documents none.
    pub fn new() -> Self {
        Self { dialect: routes::dialect(), preferences: BTreeMap::new(), roles: codes::roles() }
    }
}

impl Default for Ecgrid {
    fn default() -> Self {
        Self::new()
    }
}

impl Adapter for Ecgrid {
    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn configured(&self, mapping: &Mapping) -> Result<Box<dyn Adapter>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut keys = BTreeMap::new();
        for (field, key) in &mapping.preferences {
            let pointer = || Place::request(format!("/mapping/preferences/{}", interlingua_core::pointer_token(field)));
            if field == "userId" {
                problems.push(Problem::new(pointer(), "`userId` says whose configuration it is, and is no preference"));
            }
            if !interlingua_core::is_preference_key(key) {
                let expected = "expected `notifications.email`, `notifications.audio`, or a custom value's key, which \
                                starts with `/`";
                problems.push(Problem::new(pointer(), expected));
            }
            if let Some(other) = keys.insert(key, field) {
                problems.push(Problem::new(pointer(), format!("`{key}` is mapped from `{other}` already")));
            }
        }
        match codes::roles().lowered(&mapping.roles, "/roles/ecgrid") {
            Ok(roles) if problems.is_empty() => {
                Ok(Box::new(Self { dialect: routes::dialect(), preferences: mapping.preferences.clone(), roles }))
            }
            Ok(_) => Err(problems),
            Err(others) => Err(problems.into_iter().chain(others).collect()),
        }
    }

    fn user_id(&self, id: &Value) -> Result<UserId, Cow<'static, str>> {
        let number = id.as_i64().filter(|&id| is_id(id)).ok_or("expected an integer between 1 and 2147483647")?;
        Ok(UserId::new(number.to_string()))
    }

    fn scope(&self, id: &Value) -> Result<Scope, Cow<'static, str>> {
        let expected =
            "expected { network = N } or { network = N, mailbox = M }, with integers between 1 and 2147483647";
        let table = id.as_object().ok_or(expected)?;
        let number =
            |name: &str| table.get(name).map(|id| id.as_i64().filter(|&id| is_id(id)).ok_or(expected)).transpose();
        let (network, mailbox) = (number("network")?.ok_or(expected)?, number("mailbox")?);
        if table.len() > 1 + usize::from(mailbox.is_some()) {
            return Err(expected.into());
        }
        Ok(wire::canonical_scope(codes::NetworkMailbox { network, mailbox }))
    }

    fn fresh_user_id(&self, number: u64) -> UserId {
        UserId::new(number.to_string())
    }

    fn covers(&self, scope: &ScopeId, other: &ScopeId) -> bool {
        codes::covers(scope, other)
    }

    fn pointer(&self, field: &Field, document: Document) -> String {
        write::pointer(self, field, document)
    }

    fn in_list(&self, pointer: &str, index: usize) -> String {
        wire::in_list(pointer, index)
    }

    fn read(&self, request: &Request) -> Result<Reading> {
        read::request(self, request)
    }

    fn read_valid(&self, request: &Request) -> Option<Reading> {
        read::valid_request(self, request)
    }

    fn write(&self, operation: &str, outcome: &Outcome) -> Result<Writing> {
        write::outcome(operation, outcome)
    }

    fn write_error(&self, error: &Error) -> Response {
        write::error(self, error)
    }

    fn plan(&self, command: &Command, replies: &[Reply]) -> Result<Step> {
        plan::plan(self, command, replies)
    }

    fn accepted(&self, write: &Call, reply: &Reply) -> Result<()> {
        effect::accepted(self, write, reply)
    }

    fn shows(&self, write: &Call, user: &[Reply]) -> Option<bool> {
        effect::shows(self, write, user)
    }

    fn undo(&self, writes: &[Call], before: &[Reply]) -> Vec<Option<Call>> {
        effect::undo(self, writes, before)
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        Some(self)
    }
}

fn is_id(id: i64) -> bool {
    (1..=i64::from(i32::MAX)).contains(&id)
}
