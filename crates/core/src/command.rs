//! The canonical operations, what comes of them, and the names of the fields that they touch.

use std::{borrow::Cow, fmt};

use crate::{
    patch::{GrantChange, UserPatch},
    user::{Scope, Text, User, UserId},
};

/// What a request means, in nobody's words.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Show a user.
    GetUser {
        /// Whom.
        user: UserId,
    },
    /// Change a user, and show it as it is then. An empty patch only shows it.
    UpdateUser {
        /// Whom.
        user: UserId,
        /// What changes.
        patch: UserPatch,
    },
}

impl Command {
    /// The user that the command is about.
    pub fn user(&self) -> &UserId {
        match self {
            Self::GetUser { user } | Self::UpdateUser { user, .. } => user,
        }
    }

    /// The change that the command makes to the user's roles.
    pub fn grants(&self) -> &GrantChange {
        match self {
            Self::GetUser { .. } => &GrantChange::Keep,
            Self::UpdateUser { patch, .. } => &patch.grants,
        }
    }

    /// Whether the command may change something.
    pub fn access(&self) -> Access {
        match self {
            Self::UpdateUser { patch, .. } if !patch.is_empty() => Access::Write,
            Self::GetUser { .. } | Self::UpdateUser { .. } => Access::Read,
        }
    }

    /// The same command in another dialect's ids: for `user`, with every scope replaced by what `map` makes of it.
    ///
    /// # Errors
    ///
    /// The first that `map` returns.
    pub fn relink<E>(self, user: UserId, map: impl FnMut(Scope) -> Result<Scope, E>) -> Result<Self, E> {
        Ok(match self {
            Self::GetUser { .. } => Self::GetUser { user },
            Self::UpdateUser { patch, .. } => {
                let grants = patch.grants.map_scopes(map)?;
                Self::UpdateUser { user, patch: UserPatch { grants, ..patch } }
            }
        })
    }
}

/// Whether something may change what a vendor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It changes nothing.
    Read,
    /// It may change something.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The user, as it is now.
    User(Box<User>),
}

/// The canonical name of a field, so that a plan for one dialect can speak of it to a client of another.
///
/// An adapter tells with [`Adapter::pointer`](crate::Adapter::pointer) where its documents have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// The user that the request is about.
    User,
    /// [`User::login`].
    Login,
    /// [`User::email`].
    Email,
    /// [`Name::display`](crate::Name::display), or the name as a whole.
    Name,
    /// [`Name::given`](crate::Name::given).
    GivenName,
    /// [`Name::family`](crate::Name::family).
    FamilyName,
    /// The roles as a whole.
    Grants,
    /// The role of a grant.
    Role,
    /// The scope of a grant.
    Scope,
    /// [`User::status`].
    Status,
    /// [`User::created`].
    Created,
    /// [`User::avatar`].
    Avatar,
    /// [`User::automated`].
    Automated,
    /// [`User::has_password`].
    HasPassword,
    /// The preferences as a whole.
    Preferences,
    /// One preference, by canonical key.
    Preference(Text),
}

impl Field {
    /// The field's canonical name.
    pub fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::User => "user",
            Self::Login => "login",
            Self::Email => "email",
            Self::Name => "name",
            Self::GivenName => "name.given",
            Self::FamilyName => "name.family",
            Self::Grants => "grants",
            Self::Role => "grants.role",
            Self::Scope => "grants.scope",
            Self::Status => "status",
            Self::Created => "created",
            Self::Avatar => "avatar",
            Self::Automated => "automated",
            Self::HasPassword => "hasPassword",
            Self::Preferences => "preferences",
            Self::Preference(key) => return Cow::Owned(format!("preferences[{key}]")),
        })
    }
}
