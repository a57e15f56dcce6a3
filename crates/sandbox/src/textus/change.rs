//! Reads what a `POST` or `PUT` wants changed; everything is checked before anything is changed.

use serde_json::{Map, Value};

use super::wire::{Notifications, Report, Role, Settings};
use super::{Account, Failure};
use crate::vendor::{is_email, set};

/// The fields of a request body that the vendor knows; `None` is "not mentioned".
#[derive(Default)]
pub(super) struct Change {
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) memberships: Option<Vec<Wanted>>,
    settings: SettingsChange,
}

/// A membership that a request asks for; the account is a slug.
pub(super) struct Wanted {
    pub(super) role: Role,
    pub(super) account: String,
}

#[derive(Default)]
struct SettingsChange {
    notifications: Notifications,
    custom: Vec<(String, Option<Value>)>,
    default_account: Option<String>,
    analytics: Option<Vec<Report>>,
}

impl Change {
    pub(super) fn read(body: &Map<String, Value>, accounts: &[Account]) -> Result<Change, Failure> {
        let mut settings = SettingsChange::default();
        if let Some(legacy) = body.get("notifications") {
            settings.read_notifications(legacy)?;
        }
        if let Some(value) = body.get("settings") {
            settings.read(object(value, "Settings")?, accounts)?;
        }
        if let Some(value) = body.get("defaultMessagingAccount") {
            settings.default_account = Some(default_account(value, accounts)?);
        }
        let memberships = body.get("memberships").map(|value| memberships(value, accounts));
        Ok(Change {
            name: body.get("name").map(name).transpose()?,
            email: body.get("email").map(email).transpose()?,
            memberships: memberships.transpose()?,
            settings,
        })
    }

    /// Merges the settings, key by key.
    pub(super) fn merge_settings(self, settings: &mut Settings) {
        let Notifications { email, audio } = self.settings.notifications;
        settings.notifications.email = email.or(settings.notifications.email);
        settings.notifications.audio = audio.or(settings.notifications.audio);
        for (key, value) in self.settings.custom {
            match value {
                Some(value) => settings.custom.insert(key, value),
                None => settings.custom.remove(&key),
            };
        }
        settings.default_account = self.settings.default_account.or(settings.default_account.take());
        settings.analytics = self.settings.analytics.or(settings.analytics.take());
    }
}

impl SettingsChange {
    fn read(&mut self, settings: &Map<String, Value>, accounts: &[Account]) -> Result<(), Failure> {
        if let Some(value) = settings.get("notifications") {
            self.read_notifications(value)?;
        }
        if let Some(value) = settings.get("customSettings") {
            self.custom = custom_settings(value)?;
        }
        if let Some(value) = settings.get("defaultMessagingAccount") {
            self.default_account = Some(default_account(value, accounts)?);
        }
        if let Some(value) = settings.get("analyticsReports") {
            self.analytics = Some(reports(value)?);
        }
        Ok(())
    }

    fn read_notifications(&mut self, value: &Value) -> Result<(), Failure> {
        let notifications = object(value, "Notifications")?;
        let flag = |key: &str| match notifications.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(Some(*flag))),
            Some(_) => Err(Failure::invalid("Notifications must be true or false")),
        };
        set(&mut self.notifications.email, flag("email")?);
        set(&mut self.notifications.audio, flag("audio")?);
        Ok(())
    }
}

fn name(value: &Value) -> Result<String, Failure> {
    match value.as_str() {
        Some(name) if !name.trim().is_empty() => Ok(name.to_owned()),
        _ => Err(Failure::invalid("Name can't be blank")),
    }
}

fn email(value: &Value) -> Result<String, Failure> {
    match value.as_str() {
        Some(email) if is_email(email) => Ok(email.to_owned()),
        _ => Err(Failure::invalid("Email is invalid")),
    }
}

fn memberships(value: &Value, accounts: &[Account]) -> Result<Vec<Wanted>, Failure> {
    let items = value.as_array().ok_or_else(|| Failure::invalid("Memberships must be a list"))?;
    let mut wanted: Vec<Wanted> = Vec::with_capacity(items.len());
    for item in items {
        let next = membership(object(item, "Membership")?, accounts)?;
        if wanted.iter().any(|known| known.account == next.account) {
            return Err(Failure::invalid("Memberships name an account twice"));
        }
        wanted.push(next);
    }
    Ok(wanted)
}

fn membership(item: &Map<String, Value>, accounts: &[Account]) -> Result<Wanted, Failure> {
    let role = match item.get("role").and_then(Value::as_str) {
        Some("admin") => Role::Admin,
        Some("support") => Role::Support,
        Some("user") => Role::User,
        _ => return Err(Failure::invalid("Role is not included in the list")),
    };
    let iri = item.get("account").and_then(Value::as_str).unwrap_or_default();
    let slug = iri.strip_prefix("/accounts/").unwrap_or_default();
    Ok(Wanted { role, account: known_account(slug, accounts)? })
}

/// A bare slug is documented; an IRI is taken, too.
fn default_account(value: &Value, accounts: &[Account]) -> Result<String, Failure> {
    let text = value.as_str().unwrap_or_default();
    known_account(text.strip_prefix("/accounts/").unwrap_or(text), accounts)
}

fn known_account(slug: &str, accounts: &[Account]) -> Result<String, Failure> {
    let account = accounts.iter().find(|account| account.slug == slug);
    account.map(|account| account.slug.to_owned()).ok_or_else(|| Failure::invalid("Account must exist"))
}

fn custom_settings(value: &Value) -> Result<Vec<(String, Option<Value>)>, Failure> {
    let read = |(key, value): (&String, &Value)| match value {
        Value::Null => Ok((key.clone(), None)),
        Value::String(_) | Value::Number(_) => Ok((key.clone(), Some(value.clone()))),
        _ => Err(Failure::invalid("Custom settings must be texts, numbers or null")),
    };
    object(value, "Custom settings")?.iter().map(read).collect()
}

fn reports(value: &Value) -> Result<Vec<Report>, Failure> {
    let items = value.as_array().ok_or_else(|| Failure::invalid("Analytics reports must be a list"))?;
    items.iter().map(|item| Ok(Report(object(item, "Analytics report")?.clone()))).collect()
}

pub(super) fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Failure> {
    value.as_object().ok_or_else(|| Failure::invalid(&format!("{what} must be an object")))
}
