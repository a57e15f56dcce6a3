//! Taking a user away: it leaves the accounts that the gateway's own user administers.

use interlingua_core::{Call, Field, Note, Outcome, Removal, Reply, Result, Step, UserId};

use super::send;
use crate::{read, routes::Op};

pub(super) fn plan(user: &UserId, removal: Removal, replies: &[Reply]) -> Result<Step> {
    let notes = match removal {
        Removal::Permanent => vec![Note::narrowed(Field::User, "a removal can be taken back at TextUs")],
        Removal::Reversible => Vec::new(),
    };
    let Some(reply) = replies.first() else {
        let target = Op::DeleteUser.path().fill(&[user.as_str()]);
        return Ok(send(Call::write(Op::DeleteUser.method(), target, Vec::new(), vec![Field::User]), notes));
    };
    read::done(reply)?;
    Ok(Step::Done { outcome: Outcome::Done, notes })
}
