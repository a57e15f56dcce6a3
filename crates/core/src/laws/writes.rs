//! What an adapter says of a single write, without the plan that it is one of.

use super::{
    Kept, Violation,
    drive::{ENDLESS, Vendor, carry_out, look},
    show,
};
use crate::{
    adapter::{Adapter, Step},
    command::{Access, Command},
    message::{Call, Reply},
    user::{User, UserId},
};

const REPEATS: &str = "a repeat does nothing";
const SHOWS: &str = "what is shown was written";
const TAKES_BACK: &str = "what is taken back is gone";

/// A write that says that it is [repeatable](Call::repeatable), and is accepted, is accepted again, and the second time
/// it changes nothing. Carries the command out.
///
/// # Errors
///
/// The violation.
pub fn repeats_as_told(adapter: &dyn Adapter, command: &Command, vendor: &mut Vendor<'_>) -> Kept {
    let mut found = None;
    carry_out(adapter, command, &mut |call| {
        let first = vendor(call);
        if found.is_none() && call.access == Access::Write && call.repeatable && adapter.accepted(call, &first).is_ok()
        {
            let before = look_at(adapter, command.user(), vendor);
            let second = vendor(call);
            found = match adapter.accepted(call, &second) {
                Err(error) => Some(format!("{} is refused when repeated: {}", show::call(call), show::error(&error))),
                Ok(()) if look_at(adapter, command.user(), vendor) != before => {
                    Some(format!("{} has a second effect", show::call(call)))
                }
                Ok(()) => None,
            };
        }
        first
    });
    found.map_or(Ok(()), |found| Err(Violation::new(REPEATS, show::command(command), found)))
}

/// A write that was accepted is shown afterwards, where the adapter can tell; one that is shown before changes nothing.
/// Carries the command out.
///
/// # Errors
///
/// The violation.
pub fn shows_what_was_written(adapter: &dyn Adapter, command: &Command, vendor: &mut Vendor<'_>) -> Kept {
    let Some(user) = command.user() else { return Ok(()) };
    let mut found = None;
    carry_out(adapter, command, &mut |call| {
        if call.access == Access::Read {
            return vendor(call);
        }
        let (shown, before) = replies(adapter, user, vendor);
        let shown_before = adapter.shows(call, &shown);
        let reply = vendor(call);
        let (shown, after) = replies(adapter, user, vendor);
        let accepted = adapter.accepted(call, &reply).is_ok();
        if accepted && adapter.shows(call, &shown) == Some(false) {
            found.get_or_insert_with(|| format!("{} was accepted and does not show", show::call(call)));
        }
        if shown_before == Some(true) && accepted && before != after {
            found
                .get_or_insert_with(|| format!("{} shows before it was sent, and changes something", show::call(call)));
        }
        reply
    });
    found.map_or(Ok(()), |found| Err(Violation::new(SHOWS, show::command(command), found)))
}

/// The calls that take the writes of a plan back, sent from the last to the first, each make the user what it was before
/// the write; as long as there is one for each, and the vendor accepts it. Carries the command out as far as it comes.
///
/// # Errors
///
/// The violation.
pub fn takes_back(adapter: &dyn Adapter, command: &Command, vendor: &mut Vendor<'_>) -> Kept {
    let Some(user) = command.user() else { return Ok(()) };
    let broken = |found: String| Violation::new(TAKES_BACK, show::command(command), found);
    let Some((writes, before)) = writes_of(adapter, command, user, vendor) else { return Ok(()) };
    let undo = adapter.undo(&writes, &before);
    if undo.len() != writes.len() {
        return Err(broken(format!("{} calls for {} writes", undo.len(), writes.len())));
    }
    let mut done = Vec::new();
    for (write, undo) in writes.iter().zip(&undo) {
        let was = look_at(adapter, Some(user), vendor);
        if adapter.accepted(write, &vendor(write)).is_err() {
            break;
        }
        done.push((was, write, undo));
    }
    while let Some((was, write, Some(undo))) = done.pop() {
        if let Err(error) = adapter.accepted(undo, &vendor(undo)) {
            return Err(broken(format!("{} is refused: {}", show::call(undo), show::error(&error))));
        }
        let is = look_at(adapter, Some(user), vendor);
        if is != was {
            let [was, is] = [was, is].map(|user| user.map_or_else(|| "nobody".into(), |user| show::user(&user)));
            return Err(broken(format!(
                "{} does not take back {}: {was} is {is}",
                show::call(undo),
                show::call(write)
            )));
        }
    }
    Ok(())
}

/// All writes of a plan before the first is sent, and the user as it is then.
fn writes_of(
    adapter: &dyn Adapter,
    command: &Command,
    user: &UserId,
    vendor: &mut Vendor<'_>,
) -> Option<(Vec<Call>, Vec<Reply>)> {
    let mut so_far = Vec::new();
    while so_far.len() < ENDLESS {
        let Ok(Step::Send { calls, .. }) = adapter.plan(command, &so_far) else { return None };
        match calls.first()? {
            call if call.access == Access::Read => so_far.push(vendor(call)),
            _ => {
                let writes = calls.into_iter().filter(|call| call.access == Access::Write).collect();
                return Some((writes, replies(adapter, user, vendor).0));
            }
        }
    }
    None
}

fn look_at(adapter: &dyn Adapter, user: Option<&UserId>, vendor: &mut Vendor<'_>) -> Option<User> {
    look(adapter, user?, vendor).ok().map(|(_, user)| user)
}

fn replies(adapter: &dyn Adapter, user: &UserId, vendor: &mut Vendor<'_>) -> (Vec<Reply>, Option<User>) {
    let mut replies = Vec::new();
    let run = carry_out(adapter, &Command::GetUser { user: user.clone() }, &mut |call| {
        let reply = vendor(call);
        replies.push(reply.clone());
        reply
    });
    (replies, run.user().cloned())
}
