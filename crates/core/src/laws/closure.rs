//! Every response, request and error written is valid against the adapter's schemas.

use http::StatusCode;
use std::time::Duration;

use super::{
    Kept, Violation,
    drive::{Vendor, carry_out},
    show,
};
use crate::{
    adapter::Adapter,
    command::{Command, Field, Outcome},
    error::{Effect, Error, ErrorKind, Part, PartState, Problem, Refusal},
    message::{Call, Request},
    note::{Note, Place},
    query::PageRequest,
    validate::Validator,
};

const LAW: &str = "closure";

/// The answer that shows `outcome` to the client of `operation` is valid.
///
/// # Errors
///
/// The violation: also when the outcome cannot be written.
pub fn valid_answers(adapter: &dyn Adapter, validator: &Validator, operation: &str, outcome: &Outcome) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::outcome(outcome), found);
    let writing = adapter
        .write(operation, outcome)
        .map_err(|error| broken(format!("cannot be written: {}", show::error(&error))))?;
    let body = &writing.response.body;
    match validator.response(operation, &writing.response) {
        Ok(()) if writing.response.status.is_success() => Ok(()),
        Ok(()) => Err(broken(format!("{} as the status of a success", writing.response.status))),
        Err(problems) => Err(broken(format!("{} is not valid: {problems:?}", show::bytes(body)))),
    }
}

/// The answer that tells of `error` is valid, and its status is one of a failure.
///
/// # Errors
///
/// The violation.
pub fn valid_errors(adapter: &dyn Adapter, validator: &Validator, error: &Error) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::error(error), found);
    let response = adapter.write_error(error);
    if !(response.status.is_client_error() || response.status.is_server_error()) {
        return Err(broken(format!("{} as the status of a failure", response.status)));
    }
    match validator.response("", &response) {
        Ok(()) => Ok(()),
        Err(problems) => Err(broken(format!("{} is not valid: {problems:?}", show::bytes(&response.body)))),
    }
}

/// Every call that `command` needs is a valid request, where the dialect has an operation for it; the vendor may have
/// endpoints that the adapter does not serve, and the query of a later page is the vendor's own, word for word. Carries
/// the command out.
///
/// # Errors
///
/// The violation.
pub fn valid_calls(adapter: &dyn Adapter, validator: &Validator, command: &Command, vendor: &mut Vendor<'_>) -> Kept {
    let run = carry_out(adapter, command, vendor);
    let later_page = matches!(command, Command::FindUsers { page: PageRequest::At(Some(_)), .. });
    let invalid = run.calls.iter().find_map(|call| Some((call, invalid(adapter, validator, call, !later_page)?)));
    match invalid {
        None => Ok(()),
        Some((call, why)) => {
            Err(Violation::new(LAW, show::command(command), format!("{} is not valid: {why}", show::call(call))))
        }
    }
}

fn invalid(adapter: &dyn Adapter, validator: &Validator, call: &Call, with_query: bool) -> Option<String> {
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let query = if with_query { query } else { "" };
    let dialect = adapter.dialect();
    // A word of the vendor's may look like a parameter: `/users/move` fits `/users/{id}`.
    let named = dialect.operations.iter().any(|one| !one.path.has_parameter() && one.path.matches(path).is_some());
    if dialect.find(&call.method, path).is_err() && !named {
        return None;
    }
    let request = Request::new(call.method.clone(), path, call.body.clone()).with_query(query);
    match validator.request(dialect, &request) {
        Ok((_, notes)) if notes.is_empty() => None,
        Ok((_, notes)) => Some(show::notes(&notes)),
        Err(error) => Some(show::error(&error)),
    }
}

/// An error of every kind, and errors with everything that can be in one.
pub fn every_error() -> Vec<Error> {
    let mut errors = Vec::from(ErrorKind::ALL.map(|kind| Error::new(kind, "what happened, in general")));
    errors.extend(ErrorKind::ALL.iter().flat_map(|kind| REFUSALS.map(|status| refused(*kind, status))));
    errors.extend([
        Error::invalid(vec![
            Problem::new(Place::request("/a~1b"), "required"),
            Problem::new(Field::Email, "expected an e-mail address"),
            Problem::new(Place::request(""), "expected an object"),
        ]),
        Error::unrepresentable(vec![
            Note::dropped(Field::Preference("/textus/user_schema/\"cell\"".into()), "no counterpart\n"),
            Note::narrowed(Field::Role, ""),
        ]),
        Error::unauthenticated(Some("authorization"), "the credential is not known"),
        Error::unauthenticated(None, "there is no credential"),
        Error::new(ErrorKind::RateLimited, "").with_retry_after(Some(Duration::from_secs(1))),
        Error::new(ErrorKind::MethodNotAllowed, "not this").with_allowed("GET, PUT".into()),
        Error::partial(parts(), refused(ErrorKind::Unavailable, StatusCode::BAD_GATEWAY)),
        Error::partial(parts(), Error::new(ErrorKind::Timeout, "no answer").with_effect(Effect::Unknown)),
        Error::undone(parts(), refused(ErrorKind::Invalid, StatusCode::BAD_REQUEST)),
    ]);
    errors
}

const REFUSALS: [StatusCode; 3] = [StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::INTERNAL_SERVER_ERROR];

fn refused(kind: ErrorKind, status: StatusCode) -> Error {
    Error::refused(kind, Refusal { status, code: Some("Code".into()), text: Some("its \"own\"\u{0} words".into()) })
}

fn parts() -> Vec<Part> {
    let states = [PartState::Applied, PartState::Refused, PartState::Unknown, PartState::NotSent, PartState::Undone];
    let fields = |state| match state {
        PartState::Applied => vec![Field::Email, Field::GivenName, Field::FamilyName, Field::Name],
        PartState::Refused => vec![Field::Grants, Field::Role, Field::Scope, Field::Preference("a.b".into())],
        PartState::Unknown => vec![Field::User, Field::Login, Field::Status, Field::Created, Field::Preferences],
        PartState::NotSent => vec![Field::Avatar, Field::Automated, Field::HasPassword],
        PartState::Undone => vec![Field::Password],
    };
    states.into_iter().map(|state| Part { fields: fields(state), state }).collect()
}
