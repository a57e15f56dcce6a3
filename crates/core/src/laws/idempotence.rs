//! Reading what was written and writing it again gives the same bytes.

use super::{Kept, Violation, drive::read_reply, show};
use crate::{adapter::Adapter, command::Outcome, user::User};

const LAW: &str = "idempotence";

/// The document that shows `user`, read as a client and written again, is the same to the byte.
///
/// # Errors
///
/// The violation: also when the user cannot be written, or the document not be read.
pub fn idempotent(adapter: &dyn Adapter, operation: &str, user: &User) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::user(user), found);
    let write = |user: User| {
        let writing = adapter.write(operation, &Outcome::User(Box::new(user)));
        writing.map(|writing| writing.response.body).map_err(|error| broken(show::error(&error)))
    };
    let first = write(user.clone())?;
    let (read, _) = read_reply(adapter, &user.id, &first)
        .map_err(|error| broken(format!("{} cannot be read: {}", show::bytes(&first), show::error(&error))))?;
    let second = write(read)?;
    if first == second {
        Ok(())
    } else {
        Err(broken(format!("{} became {}", show::bytes(&first), show::bytes(&second))))
    }
}
