//! The canonical user: what the dialects mean, in nobody's words.
//!
//! None of these types is `Serialize`: each dialect has a format of its own, and its adapter writes it. `Debug` of
//! anything that holds personal data leaves the data out, so that no log line can leak it.

use std::{collections::BTreeMap, fmt};

use compact_str::CompactString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Text that is cheap to copy: up to 24 bytes live in place, without an allocation.
pub type Text = CompactString;

/// A user's id as one dialect spells it, opaque to everybody else.
///
/// TextUs's `/users/wqyODPA` is `wqyODPA`, ECGrid's `1042` is `1042`. Whose id it is follows from where it stands:
/// a command that a face has read holds ids of the face, a command for an upstream holds ids of the upstream, and
/// the links turn the one into the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Text);

/// The id of a scope (see [`Scope`]) as one dialect spells it, opaque to everybody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(Text);

macro_rules! opaque_id {
    ($id:ident) => {
        impl $id {
            /// Wraps the dialect's own spelling.
            pub fn new(id: impl Into<Text>) -> Self {
                Self(id.into())
            }

            /// The dialect's own spelling.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id!(UserId);
opaque_id!(ScopeId);

/// What is known of a value: unknown, null and empty are three different things.
///
/// An empty string is a `Value`.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Known<T> {
    /// The dialect did not say.
    #[default]
    Unknown,
    /// The dialect said that there is none.
    Null,
    /// The dialect said this.
    Value(T),
}

impl<T> Known<T> {
    /// The value, where there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unknown | Self::Null => None,
        }
    }

    /// Whether the dialect did not say.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// A member that may be null; one that is absent is the default.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Known<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T> fmt::Debug for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown",
            Self::Null => "Null",
            Self::Value(_) => "Value(..)",
        })
    }
}

impl<T> From<T> for Known<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

/// One person (or program) in a vendor's directory, as far as a reply told.
#[derive(Clone, PartialEq)]
pub struct User {
    /// The id, as the dialect that the user was read from spells it.
    pub id: UserId,
    /// The name that the user signs in with, where that is not the e-mail address.
    pub login: Known<Text>,
    /// The e-mail address as the vendor holds it, which may be one that we would not accept in a request.
    pub email: Known<Text>,
    /// The name, whole and in halves.
    pub name: Name,
    /// Whether the user may sign in.
    pub status: Known<Status>,
    /// The roles that the user holds. `None`: the reply did not carry them, which is not the same as none.
    pub grants: Option<Vec<Grant>>,
    /// The scope to show where a dialect can show only one.
    pub primary_scope: Option<Scope>,
    /// Notifications and custom values.
    pub preferences: Preferences,
    /// When the user was created.
    pub created: Known<Timestamp>,
    /// The address of a picture.
    pub avatar: Known<Text>,
    /// Whether this is a program and not a person.
    pub automated: Known<bool>,
    /// Whether the user can sign in with a password.
    pub has_password: Known<bool>,
}

impl User {
    /// A user of whom nothing is known but the id.
    pub fn new(id: UserId) -> Self {
        Self {
            id,
            login: Known::Unknown,
            email: Known::Unknown,
            name: Name::default(),
            status: Known::Unknown,
            grants: None,
            primary_scope: None,
            preferences: Preferences::default(),
            created: Known::Unknown,
            avatar: Known::Unknown,
            automated: Known::Unknown,
            has_password: Known::Unknown,
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("grants", &self.grants).finish_non_exhaustive()
    }
}

/// A name, whole and in halves; a dialect may know either or both.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Name {
    /// The whole, as it is shown.
    pub display: Known<Text>,
    /// The given (first) name.
    pub given: Known<Text>,
    /// The family (last) name.
    pub family: Known<Text>,
}

impl Name {
    /// The whole name: as the dialect shows it, else the halves joined.
    pub fn whole(&self) -> Option<Text> {
        match (self.display.value(), self.given.value(), self.family.value()) {
            (Some(display), ..) => Some(display.clone()),
            (None, None, None) => None,
            (None, given, family) => Some(join_name(given.map_or("", Text::as_str), family.map_or("", Text::as_str))),
        }
    }

    /// The halves: as the dialect gives them, else the whole split at its first space.
    pub fn halves(&self) -> (Option<Text>, Option<Text>) {
        match (self.given.value(), self.family.value(), self.display.value()) {
            (None, None, Some(display)) => {
                let (given, family) = split_name(display);
                (Some(given.into()), Some(family.into()))
            }
            (given, family, _) => (given.cloned(), family.cloned()),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Name").finish_non_exhaustive()
    }
}

/// Given name, a space, family name; no space where a half is empty.
///
/// ```
/// assert_eq!(interlingua_core::join_name("John", "Smith"), "John Smith");
/// assert_eq!(interlingua_core::join_name("Prince", ""), "Prince");
/// ```
pub fn join_name(given: &str, family: &str) -> Text {
    let mut name = Text::from(given);
    if !given.is_empty() && !family.is_empty() {
        name.push(' ');
    }
    name.push_str(family);
    name
}

/// A whole name split at its first space; a single word is a given name with an empty family name.
///
/// ```
/// assert_eq!(interlingua_core::split_name("Ludwig van Beethoven"), ("Ludwig", "van Beethoven"));
/// assert_eq!(interlingua_core::split_name("Prince"), ("Prince", ""));
/// ```
pub fn split_name(name: &str) -> (&str, &str) {
    name.split_once(' ').unwrap_or((name, ""))
}

/// Where a user stands in its life. A dialect that knows only "may sign in or not" folds these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Being set up.
    Development,
    /// In use.
    Active,
    /// About to be put in use.
    Preproduction,
    /// Shut out for now; can come back.
    Suspended,
    /// Shut out for good.
    Terminated,
}

impl Status {
    /// Whether a user with this status may sign in.
    pub fn may_sign_in(self) -> bool {
        match self {
            Self::Development | Self::Active | Self::Preproduction => true,
            Self::Suspended | Self::Terminated => false,
        }
    }
}

/// What a grant allows in its scope. The order is the rank: no translation may give a higher role than it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Signed in, and nothing more.
    None,
    /// Access to less than the scope.
    Restricted,
    /// Standard access.
    Member,
    /// Standard access, and care for other members.
    Support,
    /// Full control of the scope.
    Administrator,
    /// The vendor's own staff, above every scope. Never the result of a translation.
    System,
}

impl Role {
    /// The name that configuration and messages use.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Restricted => "restricted",
            Self::Member => "member",
            Self::Support => "support",
            Self::Administrator => "administrator",
            Self::System => "system",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Restricted, Self::Member, Self::Support, Self::Administrator, Self::System]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How wide a scope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A part of an organisation.
    Unit,
    /// An organisation with all its units.
    Organisation,
}

/// Where a grant holds: an organisation, or a unit in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The dialect's id for it.
    pub id: ScopeId,
    /// How wide it is; `None` where the dialect's ids do not tell.
    pub level: Option<Level>,
    /// What people call it, where that is known.
    pub name: Option<Text>,
}

impl Scope {
    /// A scope of which only the id is known.
    pub fn new(id: ScopeId) -> Self {
        Self { id, level: None, name: None }
    }
}

/// A role in a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What is allowed.
    pub role: Role,
    /// Where.
    pub scope: Scope,
    /// The dialect's own id of the grant, where it has one; it means nothing to another dialect.
    pub id: Option<Text>,
}

/// Notifications and custom values, by canonical key (see [`NOTIFY_EMAIL`]).
#[derive(Clone, Default, PartialEq)]
pub struct Preferences {
    /// What is known.
    pub entries: BTreeMap<Text, Value>,
    /// Whether `entries` is all there is. A dialect that shows no preferences leaves this `false`.
    pub complete: bool,
}

impl fmt::Debug for Preferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preferences").field("keys", &self.entries.keys()).finish_non_exhaustive()
    }
}

/// Whether a text is the canonical key of a preference: one of the notifications, or the IRI of a custom value.
pub fn is_preference_key(key: &str) -> bool {
    matches!(key, NOTIFY_EMAIL | NOTIFY_AUDIO) || key.starts_with('/')
}

/// The canonical key of the preference "notify me by e-mail", a boolean.
pub const NOTIFY_EMAIL: &str = "notifications.email";
/// The canonical key of the preference "notify me by a sound", a boolean.
pub const NOTIFY_AUDIO: &str = "notifications.audio";

/// An e-mail address that we let a request set.
///
/// One rule for all dialects, the one that JSON Schema's `format: email` is checked with, so that a schema and this
/// type never disagree.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(Text);

impl Email {
    /// Parses an address as RFC 5321 and 5322 write it, without a display name.
    ///
    /// # Errors
    ///
    /// When it is not one.
    pub fn parse(address: &str) -> Result<Self, NotAnEmail> {
        email_address::EmailAddress::parse_with_options(address, email_options())
            .map(|_| Self(address.into()))
            .map_err(|_| NotAnEmail)
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address.
    pub fn into_text(self) -> Text {
        self.0
    }
}

/// The options with which addresses are read, here and by the schemas.
pub(crate) fn email_options() -> email_address::Options {
    email_address::Options::default().without_display_text()
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

/// The text is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEmail;

impl fmt::Display for NotAnEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an e-mail address")
    }
}

impl std::error::Error for NotAnEmail {}

/// A point in time in RFC 3339's spelling, kept as it was spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp(Text);

impl Timestamp {
    /// Parses an RFC 3339 time, such as `2024-03-15T10:22:00Z`.
    ///
    /// # Errors
    ///
    /// When it is not one.
    pub fn parse(time: &str) -> Result<Self, NotATime> {
        time.parse::<jiff::Timestamp>().map(|_| Self(time.into())).map_err(|_| NotATime)
    }

    /// The time, as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not an RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 time such as 2024-03-15T10:22:00Z")
    }
}

impl std::error::Error for NotATime {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_personal_data() {
        let mut user = User::new(UserId::new("1042"));
        user.email = Text::from("john.smith@example.com").into();
        user.name.given = Text::from("John").into();
        user.preferences.entries.insert("cell".into(), "+15550100".into());
        let email = Email::parse("john.smith@example.com").unwrap();
        let shown = format!("{user:?} {:?} {:?} {:?} {email:?}", user.name, user.name.given, user.preferences);
        for secret in ["john", "John", "+15550100"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[track_caller]
    fn check_name(display: &str, given: &str, family: &str) {
        let name = Name { display: Text::from(display).into(), ..Name::default() };
        assert_eq!(name.halves(), (Some(given.into()), Some(family.into())));
        assert_eq!(join_name(given, family), display);
    }

    #[test]
    fn names_split_at_the_first_space_and_join_again() {
        check_name("Chuck Norris", "Chuck", "Norris");
        check_name("Ludwig van Beethoven", "Ludwig", "van Beethoven");
        check_name("Prince", "Prince", "");
    }

    #[test]
    fn e_mail_addresses() {
        for good in ["a@example.com", "not+chuck@textus.example", "ü@example.com"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "a@", "@example.com", "A <a@example.com>", "a@example.com\n", "a b@example.com"] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn roles_are_ranked_and_named() {
        assert!(Role::Member < Role::Support && Role::Support < Role::Administrator);
        assert_eq!(Role::from_name("support"), Some(Role::Support));
        assert_eq!(Role::from_name("Root"), None);
    }
}
