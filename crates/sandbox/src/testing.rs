//! What the tests of both vendors use to call them.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::vendor::Vendor;

/// An answer, read.
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The value at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or(Value::Null)
    }
}

/// Calls a vendor with one header beside the content type.
pub(crate) fn call(vendor: &mut impl Vendor, header: (&str, &str), line: &str, body: &str) -> Seen {
    let (method, path) = line.split_once(' ').expect("METHOD /path");
    let request = Request::builder()
        .method(method.parse::<Method>().unwrap())
        .uri(path)
        .header(header.0, header.1)
        .header("Content-Type", "application/json")
        .body(Bytes::copy_from_slice(body.as_bytes()));
    let response = vendor.handle(&request.unwrap());
    let (parts, body) = response.into_parts();
    Seen { status: parts.status, headers: parts.headers, text: String::from_utf8(body.to_vec()).unwrap() }
}
