//! Which operation a path means, and whose it is.

use interlingua_core::http::Method;

use crate::{Side, ecgrid, input, requests, textus};

/// Finds a path's operation in both dialects, and reads its query.
pub fn paths(bytes: &[u8]) {
    let Some(request) = input::request(bytes) else { return };
    for face in [ecgrid(), textus()] {
        route(face, &request.method, &request.path);
        requests(face, bytes);
    }
}

/// What is an operation is owned, however it is spelled, and its path can be made of its parameters again.
fn route(face: &Side, method: &Method, path: &str) {
    let dialect = face.adapter.dialect();
    let owned = dialect.owns(path);
    if let Ok((operation, parameters)) = dialect.find(method, path) {
        assert!(owned, "{} would fall back", operation.name);
        let words: Vec<_> = parameters.iter().map(String::as_str).collect();
        let again = operation.path.fill(&words);
        let (same, read) = dialect.find(method, &again).expect("a path of the same template");
        assert_eq!((same.name, read), (operation.name, parameters));
    }
    if owned {
        for spelled in [path.to_ascii_uppercase(), format!("/{path}"), format!("{path}/more"), encoded(path)] {
            assert!(dialect.owns(&spelled), "{spelled} is another spelling of {path}, and would fall back");
        }
    }
}

/// With every character that may be encoded encoded once.
fn encoded(path: &str) -> String {
    path.bytes()
        .map(|byte| if matches!(byte, b'/' | b'%') { char::from(byte).into() } else { format!("%{byte:02x}") })
        .collect()
}
