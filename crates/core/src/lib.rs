#![doc = include_str!("../README.md")]

mod adapter;
mod command;
mod error;
pub mod json;
#[cfg(feature = "laws")]
pub mod laws;
mod message;
mod note;
mod patch;
mod policy;
mod query;
mod roles;
mod routes;
mod schema;
mod sessions;
mod shape;
mod user;
mod validate;
mod version;

pub use adapter::{
    Adapter, CredentialStyle, Dialect, FieldSupport, File, Mapping, NoOperation, Operation, RateHeaders, Reading, Step,
    Translated, Writing,
};
pub use command::{Access, Command, Field, Message, NewUser, Outcome, Password, Removal};
pub use error::{Effect, Error, ErrorKind, Fault, Part, PartState, Problem, Refusal, Result};
pub use message::{Call, Reply, Request, Response, retry_after};
pub use note::{Document, Note, NoteKind, Place, pointer_token};
pub use patch::{GrantChange, NamePatch, Patch, Target, UserPatch};
pub use policy::{LossPolicy, OnLoss};
pub use query::{Cursor, PageRequest, UserPage, UserQuery};
pub use roles::RoleTable;
pub use routes::Template;
pub use schema::{Findings, Schema, SchemaError};
pub use sessions::{Login, Session, SessionAct, SessionEndpoint, SessionOutcome, SessionToken, Sessions};
pub use shape::{Shape, without_indices};
pub use user::{
    Email, Grant, Known, Level, NOTIFY_AUDIO, NOTIFY_EMAIL, Name, NotATime, NotAnEmail, Preferences, Role, Scope,
    ScopeId, Status, Text, Timestamp, User, UserId, is_preference_key, join_name, split_name,
};
pub use validate::Validator;

// What an adapter's signatures need, in the versions that they need.
pub use bytes::Bytes;
/// A number as a [`Text`], without an allocation.
#[doc(inline)]
pub use compact_str::ToCompactString as ToText;
pub use http;
