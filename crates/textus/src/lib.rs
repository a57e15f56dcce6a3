#![doc = include_str!("../README.md")]

mod codes;
mod plan;
mod query;
mod read;
mod routes;
mod wire;
mod write;

use std::borrow::Cow;

use interlingua_core::{
    Adapter, Call, Command, Dialect, Document, Error, Field, Mapping, Outcome, Problem, Reading, Reply, Request,
    Response, Result, RoleTable, Scope, ScopeId, Step, UserId, Writing,
};
use serde_json::Value;

use plan::effect;

/// The TextUs JSON-LD dialect.
#[derive(Debug)]
pub struct Textus {
    dialect: Dialect,
    roles: RoleTable,
}

impl Textus {
    /// The dialect as the vendor speaks it.
    pub fn new() -> Self {
        Self { dialect: routes::dialect(), roles: codes::roles() }
    }
}

impl Default for Textus {
    fn default() -> Self {
        Self::new()
    }
}

impl Adapter for Textus {
    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The table of preferences is not for this dialect: its own names are the canonical keys.
    fn configured(&self, mapping: &Mapping) -> Result<Box<dyn Adapter>, Vec<Problem>> {
        let roles = codes::roles().lowered(&mapping.roles, "/roles/textus")?;
        Ok(Box::new(Self { dialect: routes::dialect(), roles }))
    }

    fn user_id(&self, id: &Value) -> Result<UserId, Cow<'static, str>> {
        let id = id.as_str().filter(|id| codes::is_id(id));
        id.map(UserId::new).ok_or_else(|| "expected the id of a user, such as \"wqyODPA\"".into())
    }

    fn scope(&self, id: &Value) -> Result<Scope, Cow<'static, str>> {
        let slug = id.as_str().filter(|slug| codes::is_id(slug));
        slug.map(|slug| Scope::new(ScopeId::new(slug)))
            .ok_or_else(|| "expected the slug of an account, such as \"my_account\"".into())
    }

    fn fresh_user_id(&self, number: u64) -> UserId {
        codes::fresh_user_id(number)
    }

    fn pointer(&self, field: &Field, document: Document) -> String {
        write::pointer(field, document)
    }

    fn in_list(&self, pointer: &str, index: usize) -> String {
        write::in_list(pointer, index)
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
        write::error(error)
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
}
