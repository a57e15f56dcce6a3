//! Any request means a command or is refused with reasons.

use interlingua_core::{Error, ErrorKind, Note, laws};

use crate::{Side, input, keep};

/// Reads a request, checked and unchecked. Every refusal can be written; what the schemas accept is of a form that can
/// be read.
pub fn requests(face: &Side, bytes: &[u8]) {
    let Some(request) = input::request(bytes) else { return };
    keep(laws::total_requests(&*face.adapter, &request));
    keep(laws::strict(&*face.adapter, &face.validator, &request));
    let checked = face.validator.request(face.adapter.dialect(), &request);
    let read = face.adapter.read(&request);
    for error in [checked.as_ref().err(), read.as_ref().err()].into_iter().flatten() {
        keep(laws::valid_errors(&*face.adapter, &face.validator, error));
    }
    if let (Ok((operation, unknown)), Err(error)) = (&checked, &read) {
        assert!(says_more_than_the_schema(error), "{} is valid, but: {error}", operation.name);
        assert!(unknown.iter().all(has_a_pointer));
    }
}

/// A rule that no schema can state names its fields, or the operation has no counterpart at all.
fn says_more_than_the_schema(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Malformed => false,
        ErrorKind::Invalid => !error.problems().is_empty(),
        _ => true,
    }
}

fn has_a_pointer(note: &Note) -> bool {
    note.place.to_string().starts_with('/')
}
