//! What can go wrong with a store, and with links that are added to it.

use std::{error::Error, fmt};

/// The store could not do what was asked.
///
/// The text is for everybody; what the database said is the [source](Error::source) and belongs in a log.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What to do about a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store is down, slow or busy: it may answer later. After a write the outcome is not known.
    Unavailable,
    /// Every id of the dialect's range is handed out: somebody must widen the range.
    Exhausted,
    /// No range is configured from which an id in that dialect could be handed out.
    NoRange,
    /// What was given cannot be kept, by any store.
    Unfit,
    /// It is another process's by now, or is over: whoever asked must not go on with it.
    Lost,
    /// The address, the schema or the data of the store is not as it must be: waiting does not help.
    Unusable,
}

impl StoreError {
    /// The store does not answer, and why, for the log.
    pub fn unavailable(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: StoreErrorKind::Unavailable, what: String::new(), source: Some(reason.into()) }
    }

    /// The range of `dialect` has no number left.
    pub fn exhausted(dialect: &str) -> Self {
        Self { kind: StoreErrorKind::Exhausted, what: dialect.into(), source: None }
    }

    /// There is no range for `dialect`.
    pub fn no_range(dialect: &str) -> Self {
        Self { kind: StoreErrorKind::NoRange, what: dialect.into(), source: None }
    }

    /// What was given cannot be kept, in a sentence without its content.
    pub fn unfit(what: &'static str) -> Self {
        Self { kind: StoreErrorKind::Unfit, what: what.into(), source: None }
    }

    /// Something is not the caller's any more, in a word.
    pub fn lost(what: &'static str) -> Self {
        Self { kind: StoreErrorKind::Lost, what: what.into(), source: None }
    }

    /// The store is not as it must be, in a sentence.
    pub fn unusable(what: impl Into<String>) -> Self {
        Self { kind: StoreErrorKind::Unusable, what: what.into(), source: None }
    }

    /// With the error that led to it.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// What to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.kind == StoreErrorKind::Unavailable
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match self.kind {
            StoreErrorKind::Unavailable => f.write_str("the link store does not answer"),
            StoreErrorKind::Exhausted => write!(f, "every id of the range for {what} is handed out"),
            StoreErrorKind::NoRange => write!(f, "no range of ids is configured for {what}"),
            StoreErrorKind::Unfit => write!(f, "the link store cannot keep this: {what}"),
            StoreErrorKind::Lost => write!(f, "somebody else has taken over, or it is over: {what}"),
            StoreErrorKind::Unusable => write!(f, "the link store cannot be used: {what}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Links were not added, none of them.
#[derive(Debug)]
pub enum AddError {
    /// Some cannot be: every one, in the order of the links.
    Taken(Vec<Taken>),
    /// The store could not do it.
    Store(StoreError),
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Taken(taken) => match taken.as_slice() {
                [] => f.write_str("nothing was added"),
                [only] => only.fmt(f),
                [first, others @ ..] => write!(f, "{first}, and {} more", others.len()),
            },
        }
    }
}

impl Error for AddError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Taken(_) => None,
        }
    }
}

impl From<StoreError> for AddError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A link that cannot be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which of the links, counted from 0.
    pub position: usize,
    /// The id in question, with its dialect.
    pub id: String,
    /// Why not.
    pub reason: Reason,
}

/// Why a link cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The id is in a link of the store.
    Linked,
    /// The id is in one of the links given, at this position.
    Repeated(usize),
    /// The ids are linked just so, but login, time of creation, level or name are others.
    Differs,
    /// The link has no id.
    NoId,
    /// A text is too long for every store to keep, or holds a NUL.
    Unfit,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.id;
        match self.reason {
            Reason::Linked | Reason::Repeated(_) => write!(f, "{id} is linked already"),
            Reason::Differs => write!(f, "{id} is linked already, with other details"),
            Reason::NoId => f.write_str("a link without an id"),
            Reason::Unfit => f.write_str("a text is too long or holds a NUL"),
        }
    }
}

impl Error for Taken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_said_is_not_in_the_text() {
        let error = StoreError::unavailable("connection to 10.0.0.7 refused");
        assert_eq!(error.to_string(), "the link store does not answer");
        assert_eq!(error.source().unwrap().to_string(), "connection to 10.0.0.7 refused");
        assert!(error.is_retryable());
    }

    #[test]
    fn many_that_are_taken_are_told_by_the_first() {
        let taken = |position| Taken { position, id: format!("a {position}"), reason: Reason::Linked };
        assert_eq!(AddError::Taken(vec![taken(0), taken(1)]).to_string(), "a 0 is linked already, and 1 more");
    }
}
