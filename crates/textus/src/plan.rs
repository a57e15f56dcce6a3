//! The calls that a command needs at this vendor.
//!
//! One PUT takes everything. What makes it more than one call is what a PUT cannot do: change half a name, or one
//! membership of several, for which the user is read first; and answer with the memberships, which it sometimes only
//! points at.

use interlingua_core::{
    Call, Command, Error, ErrorKind, Field, Grant, GrantChange, Note, Outcome, Patch, Problem, Reply, Result, Role,
    ScopeId, Step, Target, Text, User, UserId, UserPatch, http::Method, join_name, split_name,
};
use serde_json::Value;

use crate::{
    Textus, codes, read,
    routes::Op,
    wire::{self, MembershipIn, SettingsOut, UpdateUserOut},
};

pub(crate) fn plan(textus: &Textus, command: &Command, replies: &[Reply]) -> Result<Step> {
    let unsupported = || Error::new(ErrorKind::Unsupported, "TextUs has no counterpart for this operation");
    let user = command.user().ok_or_else(unsupported)?;
    if !codes::is_id(user.as_str()) {
        return Err(Error::new(ErrorKind::Internal, format!("`{user}` is not a TextUs user id")));
    }
    // To show a user is to change nothing.
    let nothing = UserPatch::default();
    let patch = match command {
        Command::GetUser { .. } => &nothing,
        Command::UpdateUser { patch, .. } => patch,
        _ => return Err(unsupported()),
    };
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
            None => return Ok(Step::Send { calls: vec![self.show()], notes: self.notes }),
            Some((first, rest)) => (Some(first), rest),
        };
        let put = self.put(settings, wanted, present)?;
        match (put, present, replies) {
            (Some(put), _, []) => Ok(Step::Send { calls: vec![put], notes: self.notes }),
            (Some(_), _, [put]) => {
                let (user, notes) = read::user(self.textus, self.user, put)?;
                if user.grants.is_none() {
                    return Ok(Step::Send { calls: vec![self.show()], notes: self.notes });
                }
                Ok(self.done(user, notes))
            }
            (None, None, []) => Ok(Step::Send { calls: vec![self.show()], notes: self.notes }),
            (None, Some(reply), []) | (_, _, [.., reply]) => {
                let (user, notes) = read::user(self.textus, self.user, reply)?;
                Ok(self.done(user, notes))
            }
        }
    }

    fn done(mut self, user: User, notes: Vec<Note>) -> Step {
        self.notes.extend(notes);
        Step::Done { outcome: Outcome::User(Box::new(user)), notes: self.notes }
    }

    fn show(&self) -> Call {
        Call::read(Method::GET, Op::GetUser.path().fill(&[self.user.as_str()]))
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
        settings: SettingsOut<'_>,
        wanted: Option<Vec<MembershipIn>>,
        present: Option<&Reply>,
    ) -> Result<Option<Call>> {
        let mut fields = Vec::new();
        let name = self.name(present, &mut fields)?;
        let email = match &self.patch.email {
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
        if fields.is_empty() {
            return Ok(None);
        }
        let wire = UpdateUserOut { name, email, memberships, settings };
        let body = serde_json::to_vec(&wire).expect("texts and booleans always serialize");
        Ok(Some(Call::write(Op::UpdateUser.method(), Op::UpdateUser.path().fill(&[self.user.as_str()]), body, fields)))
    }

    /// The whole name, which is all that a request can set.
    fn name(&mut self, present: Option<&Reply>, fields: &mut Vec<Field>) -> Result<Option<Text>> {
        let patch = &self.patch.name;
        if let Patch::Set(whole) = &patch.display {
            fields.push(Field::Name);
            return not_empty(whole.clone(), Field::Name).map(Some);
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
        let whole = not_empty(join_name(&given, &family), Field::Name)?;
        if split_name(&whole) != (&given, &family) {
            let reason = "TextUs sets a name whole, and may split this one elsewhere";
            self.notes.push(Note::narrowed(Field::Name, reason));
        }
        Ok(Some(whole))
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
        if self.patch.grants.highest() == Some(Role::System) {
            return Err(Error::new(ErrorKind::Forbidden, "a system-wide role is never the result of a translation"));
        }
        let GrantChange::Replace(grants) = &self.patch.grants else { return Ok(None) };
        let mut memberships = Vec::with_capacity(grants.len());
        for Grant { role, scope, .. } in grants {
            memberships.extend(self.membership(*role, &scope.id)?);
        }
        Ok(Some(memberships))
    }

    /// The membership that gives a role; none for a role that TextUs has no word for.
    fn membership(&mut self, role: Role, account: &ScopeId) -> Result<Option<MembershipIn>> {
        if !codes::is_id(account.as_str()) {
            return Err(Error::new(ErrorKind::Internal, format!("`{account}` is not a TextUs account")));
        }
        let word = codes::role_word(role);
        if word.is_none() && role != Role::None {
            self.notes.push(Note::dropped(Field::Role, format!("TextUs has no role for `{role}`")));
        }
        Ok(word.map(|word| MembershipIn::new(word, codes::account_iri(account))))
    }

    /// The present list with one membership changed; nothing when that changes nothing.
    fn changed_memberships(&mut self, present: Option<&Reply>) -> Result<Option<Vec<MembershipIn>>> {
        let (role, scope) = match &self.patch.grants {
            GrantChange::Remove(Target::Scope(scope)) | GrantChange::Upsert(Role::None, Target::Scope(scope)) => {
                (None, scope)
            }
            GrantChange::Upsert(role, Target::Scope(scope)) => (Some(*role), scope),
            GrantChange::Keep | GrantChange::Replace(_) => return Ok(None),
            GrantChange::Move { .. } => return Err(Error::new(ErrorKind::Unsupported, "not yet")),
            GrantChange::Upsert(_, Target::Only { .. }) | GrantChange::Remove(Target::Only { .. }) => {
                return Err(Error::new(ErrorKind::Internal, "TextUs needs to know the account of a role"));
            }
        };
        let wanted = match role {
            Some(role) => match self.membership(role, &scope.id)? {
                Some(membership) => Some(membership),
                None => return Ok(None),
            },
            None => None,
        };
        let Some(present) = present else {
            return Err(Error::new(ErrorKind::Internal, "the memberships were not read first"));
        };
        let before = read::present_memberships(self.user, present)?;
        let account = codes::account_iri(&scope.id);
        let mut after = before.clone();
        match (wanted, after.iter_mut().find(|membership| membership.account == account)) {
            (Some(wanted), Some(membership)) => *membership = wanted,
            (Some(wanted), None) => after.push(wanted),
            (None, _) => after.retain(|membership| membership.account != account),
        }
        Ok((after != before).then_some(after))
    }
}

fn not_empty(name: Text, field: Field) -> Result<Text> {
    if name.is_empty() {
        return Err(Error::invalid(vec![Problem::new(field, "expected a name that is not empty: TextUs needs one")]));
    }
    Ok(name)
}

fn cannot_clear(field: Field) -> Note {
    Note::dropped(field, "TextUs has no way to clear this field")
}
