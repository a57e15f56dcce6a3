//! The calls that a command needs at this vendor.
//!
//! One update can be up to five calls: the user as it is, profile, configuration, role, move. Which of them are needed
//! follows from the command and from the replies so far, and from nothing else.

use interlingua_core::{
    Call, Command, Error, ErrorKind, Field, Grant, GrantChange, Level, Note, Outcome, Patch, Preferences, Problem,
    Reply, Result, Role, Scope, Step, Target, Text, User, UserPatch, http::Method, split_name,
};
use serde_json::Value;

use crate::{
    Ecgrid,
    codes::{AuthLevel, NetworkMailbox},
    read,
    routes::{Op, SET_NETWORK_MAILBOX},
    wire::{SetRole, UpdateConfig, UpdateUser},
};

pub(crate) fn plan(ecgrid: &Ecgrid, command: &Command, replies: &[Reply]) -> Result<Step> {
    let unsupported = || Error::new(ErrorKind::Unsupported, "ECGrid has no counterpart for this operation");
    let id = read::number(command.user().ok_or_else(unsupported)?)?;
    // To show a user is to change nothing.
    let nothing = UserPatch::default();
    let patch = match command {
        Command::GetUser { .. } => &nothing,
        Command::UpdateUser { patch, .. } => patch,
        _ => return Err(unsupported()),
    };
    Update { ecgrid, id, patch, notes: Vec::new() }.step(replies)
}

/// A call with what its reply must be.
struct Planned {
    call: Call,
    shows_user: bool,
}

/// A role to set, and where; nowhere in particular is where the user is.
type Wanted = (AuthLevel, Option<NetworkMailbox>);

struct Update<'a> {
    ecgrid: &'a Ecgrid,
    id: i64,
    patch: &'a UserPatch,
    notes: Vec<Note>,
}

impl Update<'_> {
    fn step(mut self, replies: &[Reply]) -> Result<Step> {
        let config = self.config();
        let roles = self.roles()?;
        let (present, replies) = match replies.split_first() {
            _ if !self.needs_present() => (None, replies),
            None => return Ok(Step::Send { calls: vec![self.show().call], notes: self.notes }),
            Some((first, rest)) => (Some(read::user(self.ecgrid, self.id, first)?), rest),
        };
        let profile = self.profile(present.as_ref().map(|(user, _)| user))?;
        let mut calls: Vec<_> = profile.into_iter().chain(config).collect();
        calls.extend(self.role_calls(roles, present.as_ref().map(|(user, _)| user))?);
        if !calls.iter().any(|planned| planned.shows_user) && (present.is_none() || !calls.is_empty()) {
            calls.push(self.show());
        }
        let mut shown = present;
        for (planned, reply) in calls.iter().zip(replies) {
            if planned.shows_user {
                shown = Some(read::user(self.ecgrid, self.id, reply)?);
            } else {
                read::done(reply)?;
            }
        }
        if replies.len() < calls.len() {
            let calls = calls.into_iter().skip(replies.len()).map(|planned| planned.call).collect();
            return Ok(Step::Send { calls, notes: self.notes });
        }
        let (mut user, notes) = shown.expect("a plan without a call that shows the user gets one above");
        user.preferences = self.written_preferences();
        self.notes.extend(notes);
        Ok(Step::Done { outcome: Outcome::User(Box::new(user)), notes: self.notes })
    }

    /// Whether the user as it is decides what is sent.
    fn needs_present(&self) -> bool {
        let ambiguous_name = self.patch.name.display.set().is_some_and(|name| clean_halves(name).is_none());
        let role = match &self.patch.grants {
            GrantChange::Keep => false,
            GrantChange::Replace(_) => true,
            // In the only scope, the vendor knows where that is.
            change => matches!(change.target(), Some(Target::Scope(_))),
        };
        ambiguous_name || role
    }

    fn show(&self) -> Planned {
        let target = Op::GetUser.path().fill(&[&self.id.to_string()]);
        Planned { call: Call::read(Method::GET, target), shows_user: true }
    }

    /// E-mail address and name.
    fn profile(&mut self, present: Option<&User>) -> Result<Option<Planned>> {
        let mut wire = UpdateUser { user_id: self.id, ..UpdateUser::default() };
        let mut fields = Vec::new();
        match &self.patch.email {
            Patch::Keep => {}
            Patch::Set(email) => {
                wire.email = Some(email.as_str().into());
                fields.push(Field::Email);
            }
            Patch::Clear => self.notes.push(cannot_clear(Field::Email)),
        }
        let name = &self.patch.name;
        for (patch, member, field) in [
            (&name.given, &mut wire.first_name, Field::GivenName),
            (&name.family, &mut wire.last_name, Field::FamilyName),
        ] {
            match patch {
                Patch::Keep => {}
                Patch::Set(half) => {
                    *member = Some(half.clone());
                    fields.push(field);
                }
                Patch::Clear => self.notes.push(cannot_clear(field)),
            }
        }
        match &name.display {
            Patch::Keep => {}
            Patch::Set(whole) => {
                let same = present.and_then(|user| user.name.whole()).is_some_and(|present| present == *whole);
                if !same {
                    let (given, family) = split_name(whole);
                    if whole.trim().is_empty() {
                        return Err(Error::invalid(vec![Problem::new(Field::Name, "expected more than blanks")]));
                    }
                    if clean_halves(whole).is_none() {
                        let reason = "ECGrid has first and last name; the name is split at its first space";
                        self.notes.push(Note::narrowed(Field::Name, reason));
                    }
                    wire.first_name = Some(given.into());
                    wire.last_name = Some(family.into());
                    fields.push(Field::Name);
                }
            }
            Patch::Clear => self.notes.push(cannot_clear(Field::Name)),
        }
        Ok((!wire.changes_nothing()).then(|| self.write(Op::UpdateUser, &wire, fields, true)))
    }

    /// Notifications and custom values, by the names that the operator gave them.
    fn config(&mut self) -> Option<Planned> {
        let mut wire = UpdateConfig { user_id: self.id, fields: std::collections::BTreeMap::new() };
        let mut fields = Vec::new();
        for (key, patch) in &self.patch.preferences {
            let field = Field::Preference(key.clone());
            match (patch, read::config_field(self.ecgrid, key)) {
                (Patch::Keep, _) => {}
                (_, None) => {
                    let reason = "ECGrid has no known counterpart; name one in [mapping.preferences]";
                    self.notes.push(Note::dropped(field, reason));
                }
                (Patch::Clear, Some(_)) => self.notes.push(cannot_clear(field)),
                (Patch::Set(value), Some(name)) => {
                    wire.fields.insert(name.clone(), value.clone());
                    fields.push(field);
                }
            }
        }
        (!wire.fields.is_empty()).then(|| self.write(Op::UpdateConfig, &wire, fields, false))
    }

    /// What was written by [`Self::config`]: the vendor never shows preferences.
    fn written_preferences(&self) -> Preferences {
        let written = self.patch.preferences.iter().filter_map(|(key, patch)| {
            read::config_field(self.ecgrid, key)?;
            Some((key.clone(), patch.set()?.clone()))
        });
        Preferences { entries: written.collect::<std::collections::BTreeMap<Text, Value>>(), complete: false }
    }

    /// The roles to set, in this vendor's words.
    fn roles(&mut self) -> Result<Vec<Wanted>> {
        match &self.patch.grants {
            GrantChange::Keep => Ok(Vec::new()),
            GrantChange::Upsert(role, target) => Ok(vec![self.role(*role, target)?]),
            GrantChange::Remove(target) => Ok(vec![self.role(Role::None, target)?]),
            GrantChange::Move { .. } => Err(Error::new(ErrorKind::Unsupported, "not yet")),
            GrantChange::Replace(grants) => {
                if grants.len() > 1 {
                    let reason = format!("ECGrid shows one role in one scope at a time, not {}", grants.len());
                    self.notes.push(Note::dropped(Field::Grants, reason));
                }
                let held = grants.iter().filter(|grant| grant.role > Role::None);
                held.map(|grant| self.role(grant.role, &Target::Scope(grant.scope.clone()))).collect()
            }
        }
    }

    fn role(&mut self, role: Role, target: &Target) -> Result<Wanted> {
        let (scope, level) = match target {
            Target::Scope(scope) => {
                let scope = NetworkMailbox::parse(&scope.id).ok_or_else(|| {
                    Error::new(ErrorKind::Internal, format!("`{}` is not an ECGrid network or mailbox", scope.id))
                })?;
                (Some(scope), scope.level())
            }
            Target::Only { level } => (None, level.unwrap_or(Level::Unit)),
        };
        let (level, narrowed) = AuthLevel::for_role(role, level).ok_or_else(|| {
            Error::new(ErrorKind::Forbidden, "a system-wide role is never the result of a translation")
        })?;
        if narrowed {
            let reason = format!("ECGrid has no word for just `{role}`; it becomes {}", level.word());
            self.notes.push(Note::narrowed(Field::Role, reason));
        }
        Ok((level, scope))
    }

    /// The calls that give the user these roles.
    fn role_calls(&mut self, roles: Vec<Wanted>, user: Option<&User>) -> Result<Vec<Planned>> {
        let user = || user.ok_or_else(|| Error::new(ErrorKind::Internal, "the user was not read first"));
        match &self.patch.grants {
            GrantChange::Replace(_) => self.replace_roles(roles, Present::new(self.ecgrid, user()?)?),
            change if matches!(change.target(), Some(Target::Scope(_))) => {
                self.change_role(roles, &Present::new(self.ecgrid, user()?)?)
            }
            _ => Ok(roles.into_iter().map(|(level, scope)| self.set_role(level, scope)).collect()),
        }
    }

    /// These roles in the place of the present one.
    fn replace_roles(&mut self, roles: Vec<Wanted>, mut present: Present) -> Result<Vec<Planned>> {
        if roles.is_empty() {
            return Ok(self.no_role(&present).into_iter().collect());
        }
        present.may_change()?;
        let mut calls = Vec::new();
        for (level, scope) in roles {
            calls.extend(self.replace_role(&present, level, scope));
            present = Present { shown: Some(level), level, granted: scope, scope };
        }
        Ok(calls)
    }

    /// No role in the place of the present one.
    fn no_role(&mut self, present: &Present) -> Option<Planned> {
        match present.level.role() {
            _ if present.shown == Some(AuthLevel::General) => None,
            // Others see a user without a role already: what they write back must change nothing, and whoever means to
            // take the role away must learn that it stays.
            Role::Restricted | Role::System => {
                let reason = format!("the user keeps its role {}, which shows as none elsewhere", present.level.word());
                self.notes.push(Note::dropped(Field::Grants, reason));
                None
            }
            Role::None | Role::Member | Role::Support | Role::Administrator => {
                Some(self.set_role(AuthLevel::General, None))
            }
        }
    }

    /// A role in one scope. This vendor's users have one role: one in another scope cannot stay beside it.
    fn change_role(&mut self, roles: Vec<Wanted>, present: &Present) -> Result<Vec<Planned>> {
        let mut calls = Vec::new();
        for (level, scope) in roles {
            let elsewhere = present.granted != scope && present.level != AuthLevel::General;
            if level == AuthLevel::General && (elsewhere || present.level == AuthLevel::General) {
                continue;
            }
            present.may_change()?;
            if elsewhere {
                let reason = "ECGrid holds one role at a time; this one takes the place of that in another scope";
                self.notes.push(Note::narrowed(Field::Grants, reason));
            }
            calls.push(self.set_role(level, scope));
        }
        Ok(calls)
    }

    /// A role in a scope that may not be the present one. In no order of the calls has the user more in between than
    /// before or after: a lower role is set before the move, a higher one after it; where each has something that the
    /// other has not, the user moves with the role that both have.
    fn replace_role(&self, present: &Present, level: AuthLevel, scope: Option<NetworkMailbox>) -> Vec<Planned> {
        if present.shown == Some(level) && scope == present.granted {
            return Vec::new();
        }
        let stays = scope.is_none_or(|wanted| {
            present.scope.is_some_and(|at| {
                at.network == wanted.network && (wanted.mailbox.is_none() || at.mailbox == wanted.mailbox)
            })
        });
        if stays {
            return vec![self.set_role(level, scope)];
        }
        let moved = self.set_network_mailbox(scope);
        match present.level {
            now if now == level => vec![moved],
            now if level.is_at_most(now) => vec![self.set_role(level, None), moved],
            now if now.is_at_most(level) => vec![moved, self.set_role(level, scope)],
            _ => vec![self.set_role(AuthLevel::MailboxUser, None), moved, self.set_role(level, scope)],
        }
    }

    fn set_role(&self, level: AuthLevel, scope: Option<NetworkMailbox>) -> Planned {
        let wire = self.role_wire(Some(level), scope);
        self.write(Op::SetRole, &wire, vec![Field::Role], true)
    }

    fn set_network_mailbox(&self, scope: Option<NetworkMailbox>) -> Planned {
        let body = to_body(&self.role_wire(None, scope));
        Planned { call: Call::write(Method::POST, SET_NETWORK_MAILBOX, body, vec![Field::Scope]), shows_user: true }
    }

    fn role_wire(&self, level: Option<AuthLevel>, scope: Option<NetworkMailbox>) -> SetRole {
        SetRole {
            user_id: self.id,
            auth_level: level.map(|level| level.word().into()),
            network_id: scope.map(|scope| scope.network),
            mailbox_id: scope.and_then(|scope| scope.mailbox),
        }
    }

    fn write(&self, op: Op, wire: &impl serde::Serialize, fields: Vec<Field>, shows_user: bool) -> Planned {
        Planned { call: Call::write(op.method(), op.path().to_string(), to_body(wire), fields), shows_user }
    }
}

/// The role that a user has.
struct Present {
    /// As others see it, who may see it as less than it is; `None` where they see none that has a word.
    shown: Option<AuthLevel>,
    /// As the vendor has it. What may be done, and in which order, is decided by this one.
    level: AuthLevel,
    /// Where the role holds.
    granted: Option<NetworkMailbox>,
    /// Where the user is: the mailbox, too, when the role is the network's.
    scope: Option<NetworkMailbox>,
}

impl Present {
    fn new(ecgrid: &Ecgrid, user: &User) -> Result<Self> {
        let scope = user.primary_scope.as_ref().and_then(|scope| NetworkMailbox::parse(&scope.id));
        match user.grants.as_deref() {
            Some([]) => Ok(Self { shown: Some(AuthLevel::General), level: AuthLevel::General, granted: None, scope }),
            Some([Grant { scope: Scope { id, .. }, id: Some(word), .. }]) => {
                let level = AuthLevel::from_word(word).ok_or_else(unknown_role)?;
                let granted = NetworkMailbox::parse(id);
                let role = ecgrid.roles.role(word).unwrap_or(Role::None);
                let shown = granted.and_then(|scope| AuthLevel::for_role(role, scope.level()));
                Ok(Self { shown: shown.map(|(level, _)| level), level, granted, scope })
            }
            _ => Err(unknown_role()),
        }
    }

    fn may_change(&self) -> Result<()> {
        if self.level.role() < Role::System {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forbidden, "the user has a system-wide role, which a translation must not change"))
    }
}

fn unknown_role() -> Error {
    Error::new(ErrorKind::BadReply, "the upstream does not say which role the user has")
}

fn to_body(wire: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(wire).expect("texts, numbers and JSON values always serialize")
}

/// The halves of a name of just two words, which can be split in one way only.
fn clean_halves(name: &str) -> Option<(&str, &str)> {
    name.split_once(' ').filter(|(given, family)| !given.is_empty() && !family.is_empty() && !family.contains(' '))
}

fn cannot_clear(field: Field) -> Note {
    Note::dropped(field, "ECGrid has no way to clear a field")
}
