//! Sending a user a text message.

use interlingua_core::{Error, ErrorKind, Field, Message, Outcome, Problem, Reply, Result, Step, UserId};

use super::{single, write};
use crate::{Ecgrid, read, routes::Op, wire::SendSms};

pub(super) fn plan(ecgrid: &Ecgrid, user: &UserId, message: &Message, replies: &[Reply]) -> Result<Step> {
    let user_id = read::number(user)?;
    if ecgrid.preferences.get(read::CELL_PHONE) != Some(&message.phone) {
        let reason = "ECGrid sends messages to the number in `cellPhone`, which [mapping.preferences] does not name so";
        return Err(Error::new(ErrorKind::Unsupported, reason));
    }
    if message.text.is_empty() {
        return Err(Error::invalid(vec![Problem::new(Field::Message, "expected a text that is not empty")]));
    }
    let wire = SendSms { user_id, message: message.text.clone() };
    single(write(Op::SendSms, &wire, vec![Field::Message]), Vec::new(), replies, |reply| {
        read::done(reply)?;
        Ok((Outcome::Done, Vec::new()))
    })
}
