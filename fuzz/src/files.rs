//! What is read from files and compressed bodies.

use flate2::{Compression, write::GzEncoder};
use std::io::Write;

use interlingua::fuzzing;
use interlingua_core::ErrorKind;

use crate::configuration::ADAPTERS;

/// Imports a list of links: CSV after a first byte `,`, JSON Lines after any other.
pub fn link_lists(bytes: &[u8]) {
    let Some((&first, list)) = bytes.split_first() else { return };
    fuzzing::import(list, first == b',', &*ADAPTERS);
}

/// Decompresses a body within a limit, and one that was just compressed.
pub fn gzip(bytes: &[u8]) {
    const LIMIT: usize = 1 << 16;
    match fuzzing::gunzip(bytes, LIMIT) {
        Ok(decoded) => assert!(decoded.len() <= LIMIT),
        Err(error) => assert!(matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Malformed), "{error}"),
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let encoded = encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes everything");
    assert_eq!(fuzzing::gunzip(&encoded, bytes.len()).expect("it is gzip, and within the limit"), bytes);
}
