//! What a write makes of a user: whether it shows. Nothing is taken back here: every change is one PUT.

use interlingua_core::{Call, Reply, Result, Text, UserId};
use serde_json::Value;

use crate::{
    Textus, codes, read,
    routes::Op,
    wire::{MembershipIn, Notifications, UpdateUser},
};

/// What is no answer to such a call says nothing of it, whatever its status.
pub(crate) fn accepted(textus: &Textus, call: &Call, reply: &Reply) -> Result<()> {
    match op(textus, call) {
        Some((Op::UpdateUser, Some(user))) => read::user(textus, &user, reply).map(drop),
        Some((Op::CreateUser, _)) => read::new_user(textus, reply).map(drop),
        _ => read::done(reply),
    }
}

pub(crate) fn shows(textus: &Textus, call: &Call, user: &[Reply]) -> Option<bool> {
    // A user that was taken away leaves accounts; whether it is shown afterwards is not documented.
    let (Op::UpdateUser, Some(id)) = op(textus, call)? else { return None };
    let UpdateUser { name, email, memberships, settings, .. } = serde_json::from_slice(&call.body).ok()?;
    let reply = user.last()?;
    let (present, _) = read::user(textus, &id, reply).ok()?;
    let memberships = match memberships {
        Some(sent) => sorted(&sent) == sorted(&read::present_memberships(&id, reply).ok()?),
        None => true,
    };
    let preferences = &present.preferences.entries;
    let mut switches = settings.notifications.iter().flat_map(Notifications::entries);
    let mut custom = settings.custom_settings.iter();
    Some(
        memberships
            && name.is_none_or(|name| present.name.whole() == Some(name))
            && email.is_none_or(|email| present.email.value() == Some(&email))
            && switches.all(|(key, on)| preferences.get(key) == Some(&Value::Bool(on)))
            && custom.all(|(key, text)| preferences.get(key).and_then(Value::as_str) == text.as_deref()),
    )
}

/// The operation of a call, and whom it names.
fn op(textus: &Textus, call: &Call) -> Option<(Op, Option<UserId>)> {
    let path = call.target.split('?').next().unwrap_or_default();
    let (operation, parameters) = textus.dialect.find(&call.method, path).ok()?;
    let user = parameters.first().filter(|id| codes::is_id(id)).map(UserId::new);
    Some((Op::from_name(operation.name)?, user))
}

fn sorted(memberships: &[MembershipIn]) -> Vec<(&Text, &Text)> {
    let mut sorted: Vec<_> = memberships.iter().map(|membership| (&membership.account, &membership.role)).collect();
    sorted.sort_unstable();
    sorted
}
