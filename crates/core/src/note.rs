//! Notes: what a translation could not carry as it was, field by field.
//!
//! A note names a field and says why; it never holds a value.

use std::{borrow::Cow, fmt};

use crate::{command::Field, user::Text};

/// One field that was not carried as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The field.
    pub place: Place,
    /// What became of it.
    pub kind: NoteKind,
    /// Why, for a person to read.
    pub reason: Cow<'static, str>,
}

impl Note {
    /// The field is lost.
    pub fn dropped(place: impl Into<Place>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { place: place.into(), kind: NoteKind::Dropped, reason: reason.into() }
    }

    /// The field arrives as less than it was.
    pub fn narrowed(place: impl Into<Place>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { place: place.into(), kind: NoteKind::Narrowed, reason: reason.into() }
    }

    /// The field had no value, and was given a declared one.
    pub fn defaulted(place: impl Into<Place>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { place: place.into(), kind: NoteKind::Defaulted, reason: reason.into() }
    }

    /// Nobody knows the field's value, and it was left out.
    pub fn unknown(place: impl Into<Place>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { place: place.into(), kind: NoteKind::Unknown, reason: reason.into() }
    }
}

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    /// It is lost. The only kind that a loss policy rejects unless it is told to reject more.
    Dropped,
    /// It arrived as less than it was.
    Narrowed,
    /// It was missing, and has a declared default.
    Defaulted,
    /// It was missing, and was left out.
    Unknown,
}

impl NoteKind {
    /// The word for it in headers, reports and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Narrowed => "narrowed",
            Self::Defaulted => "defaulted",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for NoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a field stands.
///
/// An adapter knows its own documents and names a pointer. A plan for an upstream does not know the client's
/// documents and names a canonical [`Field`], which the face turns into a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The canonical field, in this document of the face.
    Field(Document, Field),
    /// A JSON Pointer (RFC 6901) into this document.
    Pointer(Document, Text),
}

impl Place {
    /// A pointer into the client's request.
    pub fn request(pointer: impl Into<Text>) -> Self {
        Self::Pointer(Document::Request, pointer.into())
    }

    /// A pointer into the answer to the client.
    pub fn response(pointer: impl Into<Text>) -> Self {
        Self::Pointer(Document::Response, pointer.into())
    }

    /// A pointer into the upstream's reply, for what no canonical field stands for.
    pub fn upstream(pointer: impl Into<Text>) -> Self {
        Self::Pointer(Document::Upstream, pointer.into())
    }

    /// The document.
    pub fn document(&self) -> Document {
        match self {
            Self::Field(document, _) | Self::Pointer(document, _) => *document,
        }
    }
}

/// A field of the request: what the client asked for.
impl From<Field> for Place {
    fn from(field: Field) -> Self {
        Self::Field(Document::Request, field)
    }
}

/// One of the three documents of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Document {
    /// The client's request.
    Request,
    /// The answer to the client.
    Response,
    /// The upstream's reply.
    Upstream,
}

impl Document {
    /// The word for it in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Upstream => "upstream",
        }
    }
}

/// Escapes a member's name for use in a JSON Pointer (RFC 6901, section 3).
///
/// ```
/// assert_eq!(interlingua_core::pointer_token("/textus/user_schema/calendar"), "~1textus~1user_schema~1calendar");
/// ```
pub fn pointer_token(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { Cow::Owned(name.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(name) }
}

/// The pointer, or the canonical name.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(_, field) => f.write_str(&field.name()),
            Self::Pointer(_, pointer) => f.write_str(pointer),
        }
    }
}
