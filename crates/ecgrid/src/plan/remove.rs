//! Taking a user away. The vendor's only way is for good; in a way that can be taken back, the role is.

use interlingua_core::{Call, Field, Note, Outcome, Removal, Reply, Result, Step, UserId};

use super::{Present, get_user, set_role, single};
use crate::{Ecgrid, codes::AuthLevel, read, routes::Op};

pub(super) fn plan(ecgrid: &Ecgrid, user: &UserId, removal: Removal, replies: &[Reply]) -> Result<Step> {
    let id = read::number(user)?;
    let notes = match removal {
        Removal::Permanent => Vec::new(),
        Removal::Reversible => {
            let reason = "ECGrid's only removal is for good; the user stays, without a role";
            vec![Note::narrowed(Field::User, reason)]
        }
    };
    // Whom a translation must not touch shows only in the user itself.
    let Some((first, replies)) = replies.split_first() else {
        return Ok(Step::Send { calls: vec![get_user(id)], notes });
    };
    let (user, _) = read::user(ecgrid, Some(id), first)?;
    let present = Present::new(ecgrid, &user)?;
    present.may_change()?;
    match removal {
        Removal::Permanent => single(terminate(id), notes, replies, |reply| {
            read::done(reply)?;
            Ok((Outcome::Done, Vec::new()))
        }),
        Removal::Reversible if present.level == AuthLevel::General => Ok(Step::Done { outcome: Outcome::Done, notes }),
        Removal::Reversible => single(set_role(id, AuthLevel::General, None), notes, replies, |reply| {
            read::user(ecgrid, Some(id), reply)?;
            Ok((Outcome::Done, Vec::new()))
        }),
    }
}

fn terminate(id: i64) -> Call {
    let target = Op::TerminateUser.path().fill(&[&id.to_string()]);
    Call::write(Op::TerminateUser.method(), target, Vec::new(), vec![Field::User])
}
