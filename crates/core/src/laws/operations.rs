//! What a dialect declares of an operation is what becomes of it.

use super::{Kept, Violation, show};
use crate::{
    adapter::{Adapter, Translated},
    error::ErrorKind,
    message::Request,
};

const LAW: &str = "declared operations";

/// A request is refused as unsupported exactly when its operation is declared as refused; and its command writes no more
/// than the operation is declared to.
///
/// # Errors
///
/// The violation: also when the request means no operation.
pub fn operation_as_declared(adapter: &dyn Adapter, request: &Request) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::request(request), found);
    let found = adapter.dialect().find(&request.method, &request.path);
    let (operation, _) = found.map_err(|reason| broken(format!("{reason:?}")))?;
    let declared = matches!(operation.translated, Translated::Refused(_));
    match adapter.read(request) {
        Ok(_) if declared => Err(broken(format!("`{}` is read, though declared as refused", operation.name))),
        Ok(reading) if reading.command.access() > operation.access => {
            Err(broken(format!("`{}` writes, though declared as a read", operation.name)))
        }
        Err(error) if (error.kind() == ErrorKind::Unsupported) != declared => {
            Err(broken(format!("`{}`: {}", operation.name, show::error(&error))))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
