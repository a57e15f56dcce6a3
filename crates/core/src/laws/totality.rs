//! Any bytes in give a value or an error, never a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Kept, Violation, show};
use crate::{
    adapter::Adapter,
    command::Command,
    error::{Error, ErrorKind},
    message::{Reply, Request},
    validate::Validator,
};

const LAW: &str = "totality";

/// Any request is read as a command of one of the dialect's operations, or gives an error that says what is wrong and
/// that can be written as an answer.
///
/// # Errors
///
/// The violation.
pub fn total_requests(adapter: &dyn Adapter, request: &Request) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::request(request), found);
    match no_panic(|| adapter.read(request)).map_err(broken)? {
        Ok(reading) if adapter.dialect().operation(&reading.operation).is_none() => {
            Err(broken(format!("`{}` is none of the dialect's operations", reading.operation)))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            if is_mute(&error) {
                return Err(broken(format!("the error does not say what is wrong: {}", show::error(&error))));
            }
            no_panic(|| adapter.write_error(&error)).map(drop).map_err(broken)
        }
    }
}

fn is_mute(error: &Error) -> bool {
    error.message().is_empty()
        || (error.kind() == ErrorKind::Invalid && error.problems().iter().any(|problem| problem.expected.is_empty()))
}

/// Any replies give a step or an error that says what is wrong.
///
/// # Errors
///
/// The violation.
pub fn total_replies(adapter: &dyn Adapter, command: &Command, replies: &[Reply]) -> Kept {
    let fed = || {
        let replies = replies.iter().map(|reply| format!("{} {}", reply.status, show::bytes(&reply.body)));
        format!("{}; replies: {}", show::command(command), replies.collect::<Vec<_>>().join(", "))
    };
    let broken = |found: String| Violation::new(LAW, fed(), found);
    match no_panic(|| adapter.plan(command, replies)).map_err(broken)? {
        Err(error) if is_mute(&error) => {
            Err(broken(format!("the error does not say what is wrong: {}", show::error(&error))))
        }
        _ => Ok(()),
    }
}

/// A request that the dialect's schemas refuse is not read as if it meant something. One that the adapter
/// [vouches](Adapter::read_valid) for is one of which they know every member, and is read as it is without that.
///
/// # Errors
///
/// The violation.
pub fn strict(adapter: &dyn Adapter, validator: &Validator, request: &Request) -> Kept {
    let checked = validator.request(adapter.dialect(), request);
    if let Some(reading) = adapter.read_valid(request) {
        let broken = |found: String| Violation::new(LAW, show::request(request), format!("vouched for, but {found}"));
        match (&checked, adapter.read(request)) {
            (Err(refused), _) => return Err(broken(show::error(refused))),
            (Ok((_, unknown)), _) if !unknown.is_empty() => return Err(broken(format!("it has {unknown:?}"))),
            (_, Ok(read)) if read == reading => {}
            (_, read) => {
                return Err(broken(format!("it is read as: {:?}", read.map(|read| show::command(&read.command)))));
            }
        }
    }
    let Err(refused) = checked else { return Ok(()) };
    match adapter.read(request) {
        Ok(reading) if refused.kind() == ErrorKind::Invalid => Err(Violation::new(
            LAW,
            show::request(request),
            format!("{}, but it is read as: {}", show::error(&refused), show::command(&reading.command)),
        )),
        _ => Ok(()),
    }
}

fn no_panic<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        format!("a panic: {}", words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words"))
    })
}
