//! Sending a text message to a user (vendor page: "Send a message without an account").
//!
//! The vendor sends to numbers and its users have none: the number is a preference, for which the user is read first.

use interlingua_core::{
    Call, Error, ErrorKind, Field, Message, Outcome, Problem, Reply, Result, Step, Text, User, UserId, http::Method,
    json,
};
use serde_json::Value;

use super::{read_call, send};
use crate::{Textus, read, wire::MessageOut};

pub(super) fn plan(textus: &Textus, user: &UserId, message: &Message, replies: &[Reply]) -> Result<Step> {
    if message.text.is_empty() {
        let problem = Problem::new(Field::Message, "expected a text that is not empty");
        return Err(Error::invalid(vec![problem]));
    }
    let Some((present, sent)) = replies.split_first() else { return Ok(send(read_call(user), Vec::new())) };
    let (present, _) = read::user(textus, user, present)?;
    let call = send_call(&present, message)?;
    let Some(reply) = sent.first() else { return Ok(send(call, Vec::new())) };
    read::done(reply)?;
    Ok(Step::Done { outcome: Outcome::Done, notes: Vec::new() })
}

fn send_call(user: &User, message: &Message) -> Result<Call> {
    let phone = user.preferences.entries.get(&message.phone).and_then(Value::as_str);
    let Some(to) = phone.filter(|phone| is_phone_number(phone)) else {
        let expected = format!("the user has no phone number of the form +13035550199 under `{}`", message.phone);
        return Err(Error::invalid(vec![Problem::new(Field::User, expected)]));
    };
    // A message comes from a number of an account, or from a user: from the one that it goes to.
    let unknown = || Error::new(ErrorKind::BadReply, "the upstream does not say what the user's e-mail address is");
    let email = user.email.value().map(Text::as_str).ok_or_else(unknown)?;
    let wire = MessageOut { to, body: &message.text, email };
    Ok(Call::write(Method::POST, "/messages", json::write(&wire), vec![Field::Message]))
}

/// Whether a text is a number as E.164 writes it: at most fifteen digits, the country's first.
fn is_phone_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
}
