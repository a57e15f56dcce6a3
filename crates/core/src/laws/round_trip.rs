//! Dialect → canonical → same dialect is the identity, up to its notes.

use serde_json::{Map, Value};

use super::{
    Declared, Kept, Violation,
    drive::{Vendor, carry_out, read_reply},
    invention, show,
    tree::{self, Difference},
};
use crate::{
    adapter::Adapter,
    command::{Access, Command, Field, Outcome},
    message::{Call, Request},
    note::{Document, Note, NoteKind, Place},
    user::UserId,
};

const LAW: &str = "round trip";

/// A reply of the vendor, read as a client and written as a server for `operation`, is the same document: except at
/// and below the pointers of notes, at computed values, and for spellings that are declared to say the same.
///
/// A member that the reply did not have may be added where it is no invention. `user` is any id of the dialect.
///
/// # Errors
///
/// The violation: also when the reply cannot be read.
pub fn round_trip(
    adapter: &dyn Adapter,
    operation: &str,
    user: &UserId,
    document: &[u8],
    declared: &Declared<'_>,
) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::bytes(document), found);
    let (shown, mut notes) = read_reply(adapter, user, document).map_err(|error| broken(show::error(&error)))?;
    let writing = adapter
        .write(operation, &Outcome::User(Box::new(shown)))
        .map_err(|error| broken(format!("cannot be written: {}", show::error(&error))))?;
    notes.extend(writing.notes);
    let before = self::document(document).map_err(broken)?;
    let after = self::document(&writing.response.body).map_err(broken)?;
    let covered = Covered::new(adapter, &notes, [Document::Upstream, Document::Response]);
    match covered.silent(before, after, declared) {
        None => Ok(()),
        Some(silent) => Err(broken(format!("{silent}; notes: {}", show::notes(&notes)))),
    }
}

/// A request, read as a server and carried out as a client, becomes one write that asks the same: the same operation,
/// the same body up to notes and declared spellings, and read as a request the same command. A request that asks for
/// nothing becomes no write.
///
/// # Errors
///
/// The violation: also when the request cannot be read or carried out.
pub fn request_round_trip(
    adapter: &dyn Adapter,
    request: &Request,
    vendor: &mut Vendor<'_>,
    declared: &Declared<'_>,
) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::request(request), found);
    let reading = adapter.read(request).map_err(|error| broken(show::error(&error)))?;
    let run = carry_out(adapter, &reading.command, vendor);
    run.end.map_err(|error| broken(show::error(&error)))?;
    let writes: Vec<_> = run.calls.iter().filter(|call| call.access == Access::Write).collect();
    let body = match writes[..] {
        [] => Value::Object(Map::new()),
        [write] => {
            asks_the_same(adapter, &reading.operation, &reading.command, write).map_err(broken)?;
            document(&write.body).map_err(broken)?
        }
        _ => return Err(broken(format!("it becomes several writes: {}", show::calls(&run.calls)))),
    };
    let before = document(&request.body).map_err(broken)?;
    let notes: Vec<_> = reading.notes.into_iter().chain(run.notes).collect();
    let mut covered = Covered::new(adapter, &notes, [Document::Request]);
    covered.pointers.push(adapter.pointer(&Field::User, Document::Request));
    match covered.silent(before, body, declared) {
        None => Ok(()),
        Some(silent) => Err(broken(format!("{silent}; calls: {}", show::calls(&run.calls)))),
    }
}

/// A body as a document; none is an empty one.
fn document(body: &[u8]) -> Result<Value, String> {
    if body.is_empty() {
        Ok(Value::Object(Map::new()))
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }
}

fn asks_the_same(adapter: &dyn Adapter, operation: &str, command: &Command, write: &Call) -> Result<(), String> {
    let again = Request::new(write.method.clone(), write.target.as_str(), write.body.clone());
    let again = adapter.read(&again).map_err(|error| format!("the call is no request: {}", show::error(&error)))?;
    if again.operation != operation {
        return Err(format!("the call is another operation: {}", show::call(write)));
    }
    if again.command != *command {
        return Err(format!("the call asks something else: {}", show::command(&again.command)));
    }
    Ok(())
}

/// Where notes say that something was not carried as it was.
struct Covered {
    pointers: Vec<String>,
    dropped: Vec<String>,
}

impl Covered {
    fn new<const N: usize>(adapter: &dyn Adapter, notes: &[Note], documents: [Document; N]) -> Self {
        let pointer = |place: &Place| match place {
            Place::Field(document, field) => adapter.pointer(field, *document),
            Place::Pointer(_, pointer) => pointer.to_string(),
        };
        let notes = notes.iter().filter(|note| documents.contains(&note.place.document()));
        let (mut pointers, mut dropped) = (Vec::new(), Vec::new());
        for note in notes {
            pointers.push(pointer(&note.place));
            if note.kind == NoteKind::Dropped {
                dropped.push(pointer(&note.place));
            }
        }
        // From the end, so that what is removed from a list moves nothing that is still to be removed.
        dropped.sort_by_key(|pointer| std::cmp::Reverse(last_step(pointer)));
        Self { pointers, dropped }
    }

    /// The first difference that nothing accounts for.
    fn silent(&self, mut before: Value, after: Value, declared: &Declared<'_>) -> Option<String> {
        for pointer in &self.dropped {
            tree::remove(&mut before, pointer);
        }
        let (before, after) = (declared.normal(before), declared.normal(after));
        let known = invention::words_of(&before);
        let accounted = |difference: &Difference<'_>| {
            self.pointers.iter().any(|parent| tree::is_within(&difference.pointer, parent))
                || declared.is_computed(&difference.pointer)
                || match (difference.before, difference.after) {
                    (None | Some(Value::Null), Some(added)) => {
                        invention::invented(added, &difference.pointer, &known, declared).is_none()
                    }
                    _ => false,
                }
        };
        let differences = tree::differences(&before, &after);
        let silent = differences.iter().find(|difference| !accounted(difference))?;
        let word = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
        Some(format!("{}: {} became {}", silent.pointer, word(silent.before), word(silent.after)))
    }
}

fn last_step(pointer: &str) -> usize {
    pointer.rsplit('/').next().and_then(|step| step.parse().ok()).unwrap_or_default()
}
