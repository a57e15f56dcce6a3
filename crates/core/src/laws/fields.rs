//! The fields that a dialect declares are the fields that its documents show.

use super::{Kept, Violation, show};
use crate::{
    adapter::{Adapter, FieldSupport},
    command::Outcome,
    user::{Known, Name, Preferences, User},
};

const LAW: &str = "declared fields";

/// A field that the dialect declares as shown makes a difference to the document that shows `user`, and one that it
/// declares as not shown makes none.
///
/// `user` must have every field known, and every switch different from the dialect's default for it.
///
/// # Errors
///
/// The violation: also a name that is no field's, and a field that is not declared at all.
pub fn fields_as_declared(adapter: &dyn Adapter, operation: &str, user: &User) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::user(user), found);
    let write = |user: User| {
        let writing = adapter.write(operation, &Outcome::User(Box::new(user)));
        writing.map(|writing| writing.response.body).map_err(|error| broken(show::error(&error)))
    };
    let whole = write(user.clone())?;
    let declared = |field: &str| adapter.dialect().fields.iter().find(|support| support.field == field);
    for (field, blank) in FIELDS {
        let FieldSupport { shown, .. } =
            declared(field).ok_or_else(|| broken(format!("the dialect does not say how it carries `{field}`")))?;
        let mut without = user.clone();
        blank(&mut without);
        let differs = write(without)? != whole;
        if differs == shown.is_empty() {
            let word = if differs { "makes" } else { "does not make" };
            return Err(broken(format!("`{field}` is declared as shown in [{shown}] and {word} a difference")));
        }
    }
    let known = |field: &str| field == "user" || FIELDS.iter().any(|(name, _)| *name == field);
    match adapter.dialect().fields.iter().find(|support| !known(support.field)) {
        None => Ok(()),
        Some(stray) => Err(broken(format!("`{}` is no field of a user", stray.field))),
    }
}

type Blank = fn(&mut User);

/// Every field but the id, with what makes it unknown.
const FIELDS: [(&str, Blank); 12] = [
    ("login", |user| user.login = Known::Unknown),
    ("email", |user| user.email = Known::Unknown),
    ("name", |user| user.name = Name::default()),
    ("name.given", |user| user.name.given = Known::Unknown),
    ("name.family", |user| user.name.family = Known::Unknown),
    ("grants", |user| user.grants = None),
    ("status", |user| user.status = Known::Unknown),
    ("created", |user| user.created = Known::Unknown),
    ("avatar", |user| user.avatar = Known::Unknown),
    ("automated", |user| user.automated = Known::Unknown),
    ("hasPassword", |user| user.has_password = Known::Unknown),
    ("preferences", |user| user.preferences = Preferences::default()),
];
