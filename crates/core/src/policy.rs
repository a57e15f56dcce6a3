//! What is done about losses.

use std::collections::BTreeMap;

use crate::{
    command::Access,
    error::{Error, Result},
    note::{Note, NoteKind},
    user::Text,
};

/// What is done about a field that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// The request is refused before anything is written.
    Reject,
    /// The request goes on, and the answer says so.
    Warn,
    /// The request goes on; the loss stands in the report only.
    Allow,
}

/// What a route does about losses, and what it does about particular fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossPolicy {
    /// For every field; `None`: writes reject, reads warn.
    pub default: Option<OnLoss>,
    /// For the field at this pointer and those below it.
    pub fields: BTreeMap<Text, OnLoss>,
}

impl LossPolicy {
    /// What is done about the field at `pointer`. What the client prefers comes before the route's default, and what
    /// the route says of the very field before both.
    pub fn of(&self, pointer: &str, access: Access, preferred: Option<OnLoss>) -> OnLoss {
        let field = self.fields.iter().rev().find(|(at, _)| {
            pointer.strip_prefix(at.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        field.map(|(_, on_loss)| *on_loss).or(preferred).or(self.default).unwrap_or(match access {
            Access::Read => OnLoss::Warn,
            Access::Write => OnLoss::Reject,
        })
    }

    /// Whether the client is told of a note, or only the report.
    pub fn tells(&self, note: &Note, pointer: &str, access: Access, preferred: Option<OnLoss>) -> bool {
        let loss = matches!(note.kind, NoteKind::Dropped | NoteKind::Narrowed);
        !loss || self.of(pointer, access, preferred) != OnLoss::Allow
    }

    /// Refuses the request when one of the notes is a loss that is to be rejected.
    ///
    /// A narrowed field still arrives; it is rejected only where the route names the very field.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unrepresentable`](crate::ErrorKind::Unrepresentable), naming every field that is rejected.
    pub fn judge(
        &self,
        notes: &[Note],
        access: Access,
        preferred: Option<OnLoss>,
        pointer: impl Fn(&Note) -> String,
    ) -> Result<()> {
        let rejected = notes.iter().filter(|note| match note.kind {
            NoteKind::Dropped => self.of(&pointer(note), access, preferred) == OnLoss::Reject,
            NoteKind::Narrowed => {
                let named = Self { default: Some(OnLoss::Warn), fields: self.fields.clone() };
                named.of(&pointer(note), access, None) == OnLoss::Reject
            }
            NoteKind::Defaulted | NoteKind::Unknown => false,
        });
        let rejected: Vec<_> = rejected.cloned().collect();
        if rejected.is_empty() { Ok(()) } else { Err(Error::unrepresentable(rejected)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::ErrorKind, note::Place};

    #[track_caller]
    fn check(policy: &LossPolicy, note: Note, access: Access, preferred: Option<OnLoss>, goes_on: bool) {
        let result = policy.judge(&[note], access, preferred, |note| note.place.to_string());
        assert_eq!(result.is_ok(), goes_on);
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Unrepresentable);
        }
    }

    #[test]
    fn writes_reject_and_reads_warn_unless_somebody_says_otherwise() {
        let dropped = || Note::dropped(Place::request("/settings/a"), "no counterpart");
        let narrowed = || Note::narrowed(Place::request("/settings/a"), "less");
        let plain = LossPolicy::default();
        check(&plain, dropped(), Access::Write, None, false);
        check(&plain, dropped(), Access::Read, None, true);
        check(&plain, dropped(), Access::Write, Some(OnLoss::Warn), true);
        check(&plain, dropped(), Access::Read, Some(OnLoss::Reject), false);
        check(&plain, narrowed(), Access::Write, Some(OnLoss::Reject), true);

        let lenient = LossPolicy { default: Some(OnLoss::Warn), ..LossPolicy::default() };
        check(&lenient, dropped(), Access::Write, None, true);
        check(&lenient, dropped(), Access::Write, Some(OnLoss::Reject), false);

        let field = |on_loss| LossPolicy { default: None, fields: [("/settings".into(), on_loss)].into() };
        check(&field(OnLoss::Allow), dropped(), Access::Write, Some(OnLoss::Reject), true);
        check(&field(OnLoss::Reject), dropped(), Access::Read, Some(OnLoss::Warn), false);
        check(&field(OnLoss::Reject), narrowed(), Access::Write, Some(OnLoss::Warn), false);
        check(&field(OnLoss::Reject), Note::dropped(Place::request("/settingsX"), ""), Access::Read, None, true);
    }
}
