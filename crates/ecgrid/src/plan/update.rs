//! Changing a user: up to five calls, for profile, configuration, role and move, and the user as it is.
//!
//! Which of them are needed follows from the command and from the replies so far, and from nothing else.

use std::collections::BTreeMap;

use interlingua_core::{
    Call, Error, ErrorKind, Field, GrantChange, Level, Note, Outcome, Patch, Preferences, Problem, Reply, Result, Role,
    Scope, Step, Target, User, UserId, UserPatch,
};

use super::{Present, clean_halves, get_user, network_mailbox, set_role, several_roles, split_whole, word, write};
use crate::{
    Ecgrid,
    codes::{AuthLevel, NetworkMailbox},
    read,
    routes::Op,
    wire::{SetNetworkMailbox, UpdateConfig, UpdateUser},
};

pub(super) fn plan(ecgrid: &Ecgrid, user: &UserId, patch: &UserPatch, replies: &[Reply]) -> Result<Step> {
    Update { ecgrid, id: read::number(user)?, patch, notes: Vec::new() }.step(replies)
}

/// A call with what its reply must be.
struct Planned {
    what: What,
    fields: Vec<Field>,
    shows_user: bool,
}

/// What a call does. Its document is not written before it is sent.
enum What {
    Show,
    Profile(UpdateUser),
    Config(UpdateConfig),
    Role(AuthLevel, Option<NetworkMailbox>),
    Place(SetNetworkMailbox),
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
            None => return Ok(Step::Send { calls: vec![self.call(self.show())], notes: self.notes }),
            Some((first, rest)) => (Some(read::user(self.ecgrid, Some(self.id), first)?), rest),
        };
        let profile = self.profile(present.as_ref().map(|(user, _)| user))?;
        let mut calls: Vec<_> = profile.into_iter().chain(config).collect();
        calls.extend(self.role_calls(roles, present.as_ref().map(|(user, _)| user))?);
        if !calls.iter().any(|planned| planned.shows_user) && (present.is_none() || !calls.is_empty()) {
            calls.push(self.show());
        }
        let mut shown = None;
        for (planned, reply) in calls.iter().zip(replies) {
            if planned.shows_user {
                shown = Some(read::record(Some(self.id), reply)?);
            } else {
                read::done(reply)?;
            }
        }
        if replies.len() < calls.len() {
            let calls = calls.into_iter().skip(replies.len()).map(|planned| self.call(planned)).collect();
            return Ok(Step::Send { calls, notes: self.notes });
        }
        let shown = shown.map(|record| read::canonical(self.ecgrid, record)).or(present);
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
            GrantChange::Replace(_) | GrantChange::Move { .. } => true,
            // In the only scope, the vendor knows where that is.
            change => matches!(change.target(), Some(Target::Scope(_))),
        };
        ambiguous_name || role
    }

    fn show(&self) -> Planned {
        Planned { what: What::Show, fields: Vec::new(), shows_user: true }
    }

    fn call(&self, Planned { what, fields, .. }: Planned) -> Call {
        match what {
            What::Show => get_user(self.id),
            What::Profile(wire) => write(Op::UpdateUser, &wire, fields),
            What::Config(wire) => write(Op::UpdateConfig, &wire, fields),
            What::Role(level, scope) => set_role(self.id, level, scope),
            What::Place(wire) => write(Op::SetNetworkMailbox, &wire, fields),
        }
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
                    let (given, family) = split_whole(whole, &mut self.notes)?;
                    wire.first_name = Some(given.into());
                    wire.last_name = Some(family.into());
                    fields.push(Field::Name);
                }
            }
            Patch::Clear => self.notes.push(cannot_clear(Field::Name)),
        }
        let changes = !wire.changes_nothing();
        Ok(changes.then_some(Planned { what: What::Profile(wire), fields, shows_user: true }))
    }

    /// Notifications and custom values, by the names that the operator gave them.
    fn config(&mut self) -> Option<Planned> {
        let mut wire = UpdateConfig { user_id: self.id, fields: BTreeMap::new() };
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
        let changes = !wire.fields.is_empty();
        changes.then_some(Planned { what: What::Config(wire), fields, shows_user: false })
    }

    /// What was written by [`Self::config`]: the vendor never shows preferences.
    fn written_preferences(&self) -> Preferences {
        let written = self.patch.preferences.iter().filter_map(|(key, patch)| {
            read::config_field(self.ecgrid, key)?;
            Some((key.clone(), patch.set()?.clone()))
        });
        Preferences { entries: written.collect(), complete: false }
    }

    /// The roles to set, in this vendor's words.
    fn roles(&mut self) -> Result<Vec<Wanted>> {
        match &self.patch.grants {
            // What is moved is the role that the user has.
            GrantChange::Keep | GrantChange::Move { .. } => Ok(Vec::new()),
            GrantChange::Upsert(role, target) => Ok(vec![self.role(*role, target)?]),
            GrantChange::Remove(target) => Ok(vec![self.role(Role::None, target)?]),
            GrantChange::Replace(grants) => {
                if grants.len() > 1 {
                    self.notes.push(several_roles(grants.len()));
                }
                let held = grants.iter().filter(|grant| grant.role > Role::None);
                held.map(|grant| self.role(grant.role, &Target::Scope(grant.scope.clone()))).collect()
            }
        }
    }

    fn role(&mut self, role: Role, target: &Target) -> Result<Wanted> {
        let (scope, level) = match target {
            Target::Scope(scope) => {
                let scope = network_mailbox(scope)?;
                (Some(scope), scope.level())
            }
            Target::Only { level } => (None, level.unwrap_or(Level::Unit)),
        };
        Ok((word(role, level, &mut self.notes)?, scope))
    }

    /// The calls that give the user these roles.
    fn role_calls(&mut self, roles: Vec<Wanted>, user: Option<&User>) -> Result<Vec<Planned>> {
        let user = || user.ok_or_else(|| Error::new(ErrorKind::Internal, "the user was not read first"));
        match &self.patch.grants {
            GrantChange::Replace(_) => self.replace_roles(roles, Present::new(self.ecgrid, user()?)?),
            GrantChange::Move { from, to } => self.move_role(from, to, &Present::new(self.ecgrid, user()?)?),
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

    /// The present role in another scope, which must be no wider: what is a unit's must not become an organisation's.
    fn move_role(&mut self, from: &Target, to: &Scope, present: &Present) -> Result<Vec<Planned>> {
        present.may_change()?;
        let wrong = |expected: String| Err(Error::invalid(vec![Problem::new(Field::Scope, expected)]));
        let (role, scope) = (present.level.role(), network_mailbox(to)?);
        if let Target::Scope(from) = from
            && present.granted != Some(network_mailbox(from)?)
        {
            return wrong(format!("expected a user with a role in {}", from.id));
        }
        match present.granted {
            Some(granted) if granted == scope => return Ok(Vec::new()),
            Some(granted) if granted.level() < scope.level() && role > Role::None => {
                return wrong(format!("expected a scope that is no wider than {}", granted.id()));
            }
            _ => {}
        }
        let level = word(role, scope.level(), &mut self.notes)?;
        Ok(self.replace_role(present, level, Some(scope)))
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
        Planned { what: What::Role(level, scope), fields: Vec::new(), shows_user: true }
    }

    fn set_network_mailbox(&self, scope: Option<NetworkMailbox>) -> Planned {
        let wire = SetNetworkMailbox {
            user_id: self.id,
            network_id: scope.map(|scope| scope.network),
            // Left out, it would stay the mailbox of another network.
            mailbox_id: scope.map(|scope| scope.mailbox.unwrap_or(0)),
        };
        Planned { what: What::Place(wire), fields: vec![Field::Scope], shows_user: true }
    }
}

fn cannot_clear(field: Field) -> Note {
    Note::dropped(field, "ECGrid has no way to clear a field")
}
