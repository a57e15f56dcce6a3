//! Changing a user, and showing it.
//!
//! One PUT takes everything. What makes it more than one call is what a PUT cannot do: change half a name, or one
//! membership of several, for which the user is read first; and answer with the memberships, which it sometimes only
//! points at.

use interlingua_core::{
    Call, Error, ErrorKind, Field, GrantChange, Note, Patch, Problem, Reply, Result, Role, Scope, Step, Target, Text,
    UserId, UserPatch, json,
};
use serde_json::Value;

use super::{joined, membership, memberships, not_empty, read_call, send, show};
use crate::{
    Textus, codes, read,
    routes::Op,
    wire::{self, MembershipIn, SettingsOut, UpdateUserOut},
};

pub(super) fn plan(textus: &Textus, user: &UserId, patch: &UserPatch, replies: &[Reply]) -> Result<Step> {
    Update { textus, user, patch, notes: Vec::new() }.step(replies)
}

struct Update<'a> {
    textus: &'a Textus,
    user: &'a UserId,
    patch: &'a UserPatch,
    notes: Vec<Note>,
}

impl<'a> Update<'a> {
    fn step(mut self, replies: &[Reply]) -> Result<Step> {
        let settings = self.settings()?;
        let wanted = self.wanted_memberships()?;
        let (present, replies) = match replies.split_first() {
            _ if !self.needs_present() => (None, replies),
            None => return Ok(send(read_call(self.user), self.notes)),
            Some((first, rest)) => (Some(first), rest),
        };
        let put = self.put(settings, wanted, present)?;
        match (put, present, replies) {
            (Some(put), _, []) => Ok(send(put.call(self.user), self.notes)),
            (Some(_), _, [put]) => {
                let (user, found) = read::user(self.textus, self.user, put)?;
                if user.grants.is_none() {
                    return Ok(send(read_call(self.user), self.notes));
                }
                Ok(show(user, self.notes, found))
            }
            (None, None, []) => Ok(send(read_call(self.user), self.notes)),
            (None, Some(reply), []) | (_, _, [.., reply]) => {
                let (user, found) = read::user(self.textus, self.user, reply)?;
                Ok(show(user, self.notes, found))
            }
        }
    }

    /// Whether the user as it is decides what is sent.
    fn needs_present(&self) -> bool {
        let name = &self.patch.name;
        let half_name = name.display.set().is_none() && name.given.set().is_some() != name.family.set().is_some();
        half_name || self.patch.grants.target().is_some()
    }

    /// The one call that writes, if anything is to be written.
    fn put(
        &mut self,
        settings: SettingsOut<'a>,
        wanted: Option<Vec<MembershipIn>>,
        present: Option<&Reply>,
    ) -> Result<Option<Put<'a>>> {
        let patch = self.patch;
        let mut fields = Vec::new();
        let name = self.name(present, &mut fields)?;
        let email = match &patch.email {
            Patch::Keep => None,
            Patch::Set(email) => {
                fields.push(Field::Email);
                Some(email.as_str())
            }
            Patch::Clear => {
                self.notes.push(cannot_clear(Field::Email));
                None
            }
        };
        let memberships = match wanted {
            Some(memberships) => Some(memberships),
            None => self.changed_memberships(present)?,
        };
        if memberships.is_some() {
            fields.push(Field::Grants);
        }
        fields.extend(self.written_preferences(&settings));
        let changes = !fields.is_empty();
        Ok(changes.then_some(Put { wire: UpdateUserOut { name, email, memberships, settings }, fields }))
    }

    /// The whole name, which is all that a request can set.
    fn name(&mut self, present: Option<&Reply>, fields: &mut Vec<Field>) -> Result<Option<Text>> {
        let patch = &self.patch.name;
        if let Patch::Set(whole) = &patch.display {
            fields.push(Field::Name);
            return not_empty(whole.clone()).map(Some);
        }
        for (half, field) in
            [(&patch.given, Field::GivenName), (&patch.family, Field::FamilyName), (&patch.display, Field::Name)]
        {
            if *half == Patch::Clear {
                self.notes.push(cannot_clear(field));
            }
        }
        let (given, family) = match (patch.given.set(), patch.family.set()) {
            (None, None) => return Ok(None),
            (Some(given), Some(family)) => {
                fields.extend([Field::GivenName, Field::FamilyName]);
                (given.clone(), family.clone())
            }
            (given, family) => {
                fields.push(if given.is_some() { Field::GivenName } else { Field::FamilyName });
                let (present_given, present_family) = self.present_halves(present)?;
                (given.cloned().unwrap_or(present_given), family.cloned().unwrap_or(present_family))
            }
        };
        joined(&given, &family, &mut self.notes).map(Some)
    }

    fn present_halves(&self, present: Option<&Reply>) -> Result<(Text, Text)> {
        let unknown = || Error::new(ErrorKind::BadReply, "the upstream does not say what the user's name is");
        let (user, _) = read::user(self.textus, self.user, present.ok_or_else(unknown)?)?;
        if user.name.whole().is_none() {
            return Err(unknown());
        }
        let (given, family) = user.name.halves();
        Ok((given.unwrap_or_default(), family.unwrap_or_default()))
    }

    /// Notifications and custom values.
    fn settings(&mut self) -> Result<SettingsOut<'a>> {
        let patch = self.patch;
        let mut settings = SettingsOut::default();
        let mut problems = Vec::new();
        for (key, patch) in &patch.preferences {
            let field = || Field::Preference(key.clone());
            match (key.as_str(), patch) {
                (_, Patch::Keep) => {}
                (key, Patch::Clear) if wire::is_custom_key(key) => {
                    settings.custom_settings.insert(key, None);
                }
                (key, Patch::Set(Value::String(text))) if wire::is_custom_key(key) => {
                    settings.custom_settings.insert(key, Some(text));
                }
                (key, Patch::Set(_)) if wire::is_custom_key(key) => {
                    problems.push(Problem::new(field(), "expected a text: a custom value of TextUs is one"));
                }
                (interlingua_core::NOTIFY_EMAIL, Patch::Set(Value::Bool(on))) => {
                    settings.notifications.email = Some(*on);
                }
                (interlingua_core::NOTIFY_AUDIO, Patch::Set(Value::Bool(on))) => {
                    settings.notifications.audio = Some(*on);
                }
                (interlingua_core::NOTIFY_EMAIL | interlingua_core::NOTIFY_AUDIO, Patch::Set(_)) => {
                    problems.push(Problem::new(field(), "expected a boolean"));
                }
                (interlingua_core::NOTIFY_EMAIL | interlingua_core::NOTIFY_AUDIO, Patch::Clear) => {
                    self.notes.push(cannot_clear(field()));
                }
                _ => self.notes.push(Note::dropped(field(), "TextUs has only notifications and custom values")),
            }
        }
        if problems.is_empty() { Ok(settings) } else { Err(Error::invalid(problems)) }
    }

    fn written_preferences(&self, settings: &SettingsOut<'_>) -> Vec<Field> {
        let switches = settings.notifications.entries().map(|(key, _)| Text::from(key));
        let custom = settings.custom_settings.keys().map(|key| Text::from(*key));
        switches.chain(custom).map(Field::Preference).collect()
    }

    /// The list that replaces the present one, where the command has a whole one.
    fn wanted_memberships(&mut self) -> Result<Option<Vec<MembershipIn>>> {
        let GrantChange::Replace(grants) = &self.patch.grants else { return Ok(None) };
        memberships(grants, &mut self.notes).map(Some)
    }

    /// The present list with one membership changed; nothing when that changes nothing.
    fn changed_memberships(&mut self, present: Option<&Reply>) -> Result<Option<Vec<MembershipIn>>> {
        let change = match &self.patch.grants {
            GrantChange::Keep | GrantChange::Replace(_) => return Ok(None),
            GrantChange::Remove(Target::Scope(scope)) | GrantChange::Upsert(Role::None, Target::Scope(scope)) => {
                Change::Remove(scope)
            }
            GrantChange::Upsert(role, Target::Scope(scope)) => match membership(*role, &scope.id, &mut self.notes)? {
                Some(membership) => Change::Put(membership),
                None => return Ok(None),
            },
            GrantChange::Move { from: Target::Scope(from), to } => {
                Change::Move { from, to: super::account_iri(&to.id)? }
            }
            GrantChange::Upsert(_, Target::Only { .. })
            | GrantChange::Remove(Target::Only { .. })
            | GrantChange::Move { from: Target::Only { .. }, .. } => {
                return Err(Error::new(ErrorKind::Internal, "TextUs needs to know the account of a role"));
            }
        };
        let Some(present) = present else {
            return Err(Error::new(ErrorKind::Internal, "the memberships were not read first"));
        };
        let before = read::present_memberships(self.user, present)?;
        let after = change.applied_to(before.clone(), &mut self.notes)?;
        Ok((after != before).then_some(after))
    }
}

/// What the one call writes. Its document is not written before it is sent.
struct Put<'a> {
    wire: UpdateUserOut<'a>,
    fields: Vec<Field>,
}

impl Put<'_> {
    fn call(self, user: &UserId) -> Call {
        let target = Op::UpdateUser.path().fill(&[user.as_str()]);
        Call::write(Op::UpdateUser.method(), target, json::write(&self.wire), self.fields).repeatable()
    }
}

/// A change to one membership of several.
enum Change<'a> {
    Put(MembershipIn),
    Remove(&'a Scope),
    Move { from: &'a Scope, to: Text },
}

impl Change<'_> {
    fn applied_to(self, mut list: Vec<MembershipIn>, notes: &mut Vec<Note>) -> Result<Vec<MembershipIn>> {
        match self {
            Self::Put(wanted) => match list.iter_mut().find(|membership| membership.account == wanted.account) {
                Some(membership) => *membership = wanted,
                None => list.push(wanted),
            },
            Self::Remove(scope) => {
                let account = codes::account_iri(&scope.id);
                list.retain(|membership| membership.account != account);
            }
            Self::Move { from, to } => {
                let account = codes::account_iri(&from.id);
                let Some(present) = list.iter().find(|membership| membership.account == account) else {
                    let expected = format!("expected an account that the user has a membership in, not {}", from.id);
                    return Err(Error::invalid(vec![Problem::new(Field::Scope, expected)]));
                };
                if account == to {
                    return Ok(list);
                }
                let mut moved = MembershipIn::new(present.role.clone(), to);
                if let Some(other) = list.iter().find(|membership| membership.account == moved.account) {
                    moved.role = lower(&moved.role, &other.role)?;
                    let reason = "the user has a membership in both accounts; one is kept, with the lower of the roles";
                    notes.push(Note::narrowed(Field::Grants, reason));
                }
                list.retain(|membership| membership.account != moved.account);
                if let Some(present) = list.iter_mut().find(|membership| membership.account == account) {
                    *present = moved;
                }
            }
        }
        Ok(list)
    }
}

/// The lower of two roles. The vendor's own ranks decide: the operator may take a word for less than the vendor does.
fn lower(one: &Text, other: &Text) -> Result<Text> {
    let roles = codes::roles();
    match (roles.role(one), roles.role(other)) {
        _ if one == other => Ok(one.clone()),
        (Some(rank), Some(other_rank)) => Ok(if rank < other_rank { one } else { other }.clone()),
        _ => {
            let expected = "the user has a membership in both accounts, and nobody knows which role is the lower one";
            Err(Error::invalid(vec![Problem::new(Field::Scope, expected)]))
        }
    }
}

fn cannot_clear(field: Field) -> Note {
    Note::dropped(field, "TextUs has no way to clear this field")
}
