//! What a write makes of a user: whether it shows. Nothing is taken back here: every change is one PUT.

use interlingua_core::{Call, Reply, Text, UserId};
use serde_json::Value;

use crate::{
    Textus, codes, read,
    routes::Op,
    wire::{MembershipIn, Notifications, UpdateUser},
};

pub(crate) fn shows(textus: &Textus, call: &Call, user: &[Reply]) -> Option<bool> {
    let (operation, parameters) = textus.dialect.find(&call.method, &call.target).ok()?;
    if Op::from_name(operation.name)? != Op::UpdateUser {
        // A user that was taken away leaves accounts; whether it is shown afterwards is not documented.
        return None;
    }
    let id = parameters.first().filter(|id| codes::is_id(id)).map(UserId::new)?;
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

fn sorted(memberships: &[MembershipIn]) -> Vec<(&Text, &Text)> {
    let mut sorted: Vec<_> = memberships.iter().map(|membership| (&membership.account, &membership.role)).collect();
    sorted.sort_unstable();
    sorted
}
