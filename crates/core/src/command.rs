//! The canonical operations, what comes of them, and the names of the fields that they touch.

use std::{borrow::Cow, fmt};

use crate::{
    patch::{GrantChange, UserPatch},
    query::{PageRequest, UserPage, UserQuery},
    user::{Email, Grant, Name, Role, Scope, Text, User, UserId},
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
    /// Show the user that asks. Who that is follows from the credential, and is for whoever knows that one to say.
    GetSelf,
    /// Show a page of the users that a query asks for.
    FindUsers {
        /// Whom.
        query: UserQuery,
        /// Which page.
        page: PageRequest,
    },
    /// Create a user, and show it.
    CreateUser(Box<NewUser>),
    /// Change a user, and show it as it is then. An empty patch only shows it.
    UpdateUser {
        /// Whom.
        user: UserId,
        /// What changes.
        patch: UserPatch,
    },
    /// Take a user away.
    DeleteUser {
        /// Whom.
        user: UserId,
        /// Whether it must be possible to take that back.
        removal: Removal,
    },
    /// Send a text message to a user.
    SendMessage {
        /// To whom.
        user: UserId,
        /// What, and where to.
        message: Message,
    },
}

impl Command {
    /// The user that the command is about, where it is about one.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::GetUser { user }
            | Self::UpdateUser { user, .. }
            | Self::DeleteUser { user, .. }
            | Self::SendMessage { user, .. } => Some(user),
            Self::GetSelf | Self::FindUsers { .. } | Self::CreateUser(_) => None,
        }
    }

    /// The change that the command makes to the roles of its user.
    pub fn grants(&self) -> &GrantChange {
        match self {
            Self::UpdateUser { patch, .. } => &patch.grants,
            _ => &GrantChange::Keep,
        }
    }

    /// The highest role that the command gives.
    pub fn highest_role(&self) -> Option<Role> {
        match self {
            Self::CreateUser(user) => user.grants.iter().map(|grant| grant.role).max(),
            _ => self.grants().highest(),
        }
    }

    /// The scopes that the command names.
    pub fn scopes(&self) -> Vec<&Scope> {
        match self {
            Self::FindUsers { query, .. } => query.scopes.iter().collect(),
            Self::CreateUser(user) => user.grants.iter().map(|grant| &grant.scope).collect(),
            _ => self.grants().scopes(),
        }
    }

    /// Whether the command may change something.
    pub fn access(&self) -> Access {
        match self {
            Self::GetUser { .. } | Self::GetSelf | Self::FindUsers { .. } => Access::Read,
            Self::UpdateUser { patch, .. } if patch.is_empty() => Access::Read,
            Self::CreateUser(_) | Self::UpdateUser { .. } | Self::DeleteUser { .. } | Self::SendMessage { .. } => {
                Access::Write
            }
        }
    }

    /// The same command in another dialect's ids: its user, and every scope, replaced by what `user` and `scope` make
    /// of them.
    ///
    /// # Errors
    ///
    /// The first that one of them returns.
    pub fn relink<E>(
        self,
        user: impl FnOnce(UserId) -> Result<UserId, E>,
        mut scope: impl FnMut(Scope) -> Result<Scope, E>,
    ) -> Result<Self, E> {
        Ok(match self {
            Self::GetUser { user: id } => Self::GetUser { user: user(id)? },
            Self::GetSelf => Self::GetSelf,
            Self::FindUsers { query, page } => {
                let scopes = query.scopes.into_iter().map(scope).collect::<Result<_, E>>()?;
                Self::FindUsers { query: UserQuery { scopes, ..query }, page }
            }
            Self::CreateUser(new) => {
                let relinked = |grant: Grant| Ok(Grant { scope: scope(grant.scope)?, id: None, ..grant });
                let grants = new.grants.into_iter().map(relinked).collect::<Result<_, E>>()?;
                Self::CreateUser(Box::new(NewUser { grants, ..*new }))
            }
            Self::UpdateUser { user: id, patch } => {
                let grants = patch.grants.map_scopes(scope)?;
                Self::UpdateUser { user: user(id)?, patch: UserPatch { grants, ..patch } }
            }
            Self::DeleteUser { user: id, removal } => Self::DeleteUser { user: user(id)?, removal },
            Self::SendMessage { user: id, message } => Self::SendMessage { user: user(id)?, message },
        })
    }
}

/// A user that is to be created.
#[derive(Clone, PartialEq)]
pub struct NewUser {
    /// What the user is to sign in with, where that is not the e-mail address.
    pub login: Option<Text>,
    /// The e-mail address.
    pub email: Email,
    /// The name, as far as it is given.
    pub name: Name,
    /// The password; `None` where the dialect leaves it to the user.
    pub password: Option<Password>,
    /// The roles.
    pub grants: Vec<Grant>,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("grants", &self.grants).finish_non_exhaustive()
    }
}

/// A new user's first password. `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    text: Text,
    generated: bool,
}

impl Password {
    /// One that the client gave.
    pub fn given(text: impl Into<Text>) -> Self {
        Self { text: text.into(), generated: false }
    }

    /// One that nobody gave and nobody is told, for a vendor that asks for one: the user will choose another.
    pub fn generated(text: impl Into<Text>) -> Self {
        Self { text: text.into(), generated: true }
    }

    /// The password itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether nobody gave it.
    pub fn is_generated(&self) -> bool {
        self.generated
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// How a user is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// For good.
    Permanent,
    /// In a way that somebody can take back.
    Reversible,
}

/// A text message. `Debug` leaves the text out.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub text: Text,
    /// The preference that holds the user's phone number, by canonical key.
    pub phone: Text,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("phone", &self.phone).finish_non_exhaustive()
    }
}

/// Whether something may change what a vendor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// A page of users.
    Users(UserPage),
    /// It was done, and there is nothing to show.
    Done,
}

impl Outcome {
    /// The user, where that is what came of it.
    pub fn user(self) -> Option<User> {
        match self {
            Self::User(user) => Some(*user),
            Self::Users(_) | Self::Done => None,
        }
    }
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
    /// [`NewUser::password`].
    Password,
    /// What users are searched by: [`UserQuery`].
    Search,
    /// The scopes that users are searched in: [`UserQuery::scopes`].
    SearchScope,
    /// Which page of the users found is asked for: [`PageRequest`].
    Page,
    /// [`Message::text`].
    Message,
}

impl Field {
    /// Every field but the single preferences.
    pub const PLAIN: [Self; 20] = [
        Self::User,
        Self::Login,
        Self::Email,
        Self::Name,
        Self::GivenName,
        Self::FamilyName,
        Self::Grants,
        Self::Role,
        Self::Scope,
        Self::Status,
        Self::Created,
        Self::Avatar,
        Self::Automated,
        Self::HasPassword,
        Self::Preferences,
        Self::Password,
        Self::Search,
        Self::SearchScope,
        Self::Page,
        Self::Message,
    ];

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
            Self::Password => "password",
            Self::Search => "search",
            Self::SearchScope => "search.scope",
            Self::Page => "page",
            Self::Message => "message",
        })
    }

    /// The field of that [name](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        let preference = || Some(Self::Preference(name.strip_prefix("preferences[")?.strip_suffix(']')?.into()));
        Self::PLAIN.into_iter().find(|field| field.name() == name).or_else(preference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        for field in [Field::Email, Field::GivenName, Field::Message, Field::Preference("a[b]".into())] {
            assert_eq!(Field::from_name(&field.name()), Some(field));
        }
        assert_eq!(Field::from_name("shoeSize"), None);
    }

    #[test]
    fn debug_output_holds_no_secrets() {
        let user = NewUser {
            login: Some("jsmith".into()),
            email: Email::parse("john.smith@example.com").unwrap(),
            name: Name { given: Text::from("John").into(), ..Name::default() },
            password: Some(Password::given("Secret-1")),
            grants: Vec::new(),
        };
        let message = Message { text: "see you".into(), phone: "/cell".into() };
        let shown = format!("{:?} {message:?} {:?}", Command::CreateUser(Box::new(user.clone())), user.password);
        for secret in ["jsmith", "john", "John", "Secret", "see you"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
