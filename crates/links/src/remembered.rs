//! What is remembered with a user's link, and how that changes.

use interlingua_core::{Patch, ScopeId, Text, Timestamp};

use crate::{StoreError, UserLink, link::is_storable};

/// What to remember with a user's link from now on. What is not told stays as it is.
///
/// `Debug` leaves out what is personal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The name that the user signs in with.
    pub login: Patch<Text>,
    /// When the user was created.
    pub created: Patch<Timestamp>,
    /// The scope that was set last, as the dialect spells it that names the user; cleared, none is to be preferred.
    pub scope: Patch<ScopeId>,
}

impl Remembered {
    /// The link with this remembered of the user, whom `dialect` names.
    pub(crate) fn with(&self, link: &UserLink, dialect: &str) -> UserLink {
        let Self { login, created, scope } = self;
        let mut link = link.clone();
        apply(login, &mut link.login, Text::clone);
        apply(created, &mut link.created, Timestamp::clone);
        apply(scope, &mut link.scope, |scope| (dialect.into(), scope.clone()));
        link
    }

    /// Whether it can be remembered at all, for whoever has something to do before that must not be left half done.
    ///
    /// # Errors
    ///
    /// No store can keep it.
    pub fn check(&self) -> Result<(), StoreError> {
        let Self { login, created, scope } = self;
        let texts =
            [login.set().map(Text::as_str), created.set().map(Timestamp::as_str), scope.set().map(ScopeId::as_str)];
        if texts.into_iter().flatten().all(is_storable) {
            Ok(())
        } else {
            Err(StoreError::unfit("a text to remember that is too long or holds a NUL"))
        }
    }
}

fn apply<P, T>(patch: &Patch<P>, value: &mut Option<T>, kept: impl FnOnce(&P) -> T) {
    match patch {
        Patch::Keep => {}
        Patch::Set(new) => *value = Some(kept(new)),
        Patch::Clear => *value = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(remembered: &Remembered, link: &UserLink, expected: &UserLink) {
        assert_eq!(remembered.with(link, "a"), *expected);
        assert_eq!(remembered.with(expected, "a"), *expected, "again it changes nothing");
    }

    #[test]
    fn what_is_not_told_stays_as_it_is() {
        let known = UserLink {
            login: Some("jsmith".into()),
            created: Timestamp::parse("2024-03-15T10:22:00Z").ok(),
            scope: Some(("b".into(), ScopeId::new("s"))),
            ..UserLink::default()
        };
        let nothing = Remembered::default;
        check(&nothing(), &known, &known);
        check(
            &Remembered { login: Patch::Set("al".into()), ..nothing() },
            &known,
            &UserLink { login: Some("al".into()), ..known.clone() },
        );
        check(&Remembered { created: Patch::Clear, ..nothing() }, &known, &UserLink { created: None, ..known.clone() });
        check(
            &Remembered { scope: Patch::Set(ScopeId::new("t")), ..nothing() },
            &known,
            &UserLink { scope: Some(("a".into(), ScopeId::new("t"))), ..known.clone() },
        );
    }

    #[test]
    fn what_no_store_keeps_is_refused() {
        let login = |login: &str| Remembered { login: Patch::Set(login.into()), ..Remembered::default() };
        assert!(login(&"a".repeat(1024)).check().is_ok());
        for unfit in ["a".repeat(1025), "a\0".to_owned()] {
            assert_eq!(login(&unfit).check().unwrap_err().kind(), crate::StoreErrorKind::Unfit);
        }
    }

    #[test]
    fn debug_output_holds_no_personal_data() {
        let remembered = Remembered { login: Patch::Set("jsmith".into()), ..Remembered::default() };
        assert!(!format!("{remembered:?}").contains("jsmith"));
    }
}
