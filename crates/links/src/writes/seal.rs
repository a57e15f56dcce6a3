//! Sealing what holds personal data, before a database sees it.

use std::fmt;

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, KeyInit, Payload},
};
use interlingua_core::Bytes;

/// The key that bodies are sealed with, before a database sees them.
///
/// `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey([u8; 32]);

impl From<[u8; 32]> for SealingKey {
    fn from(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// Which spelling of sealed values this is.
const VERSION: u8 = 1;
const NONCE: usize = size_of::<XNonce>();

/// Seals values, and opens them again: XChaCha20-Poly1305 with a random nonce for each.
pub(crate) struct Seal(Option<XChaCha20Poly1305>);

impl Seal {
    pub(crate) fn new(key: Option<&SealingKey>) -> Self {
        Self(key.map(|key| XChaCha20Poly1305::new(&key.0.into())))
    }

    /// Seals some parts into one value, that opens only together with what it is `about`; nothing without a key.
    pub(crate) fn seal<'a>(&self, about: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
        let cipher = self.0.as_ref()?;
        let nonce = XNonce::generate();
        let sealed = cipher.encrypt(&nonce, Payload { msg: &pack(parts), aad: about.as_bytes() }).ok()?;
        Some([&[VERSION], nonce.as_slice(), &sealed].concat())
    }

    /// The parts again; nothing without the key that they were sealed with.
    pub(crate) fn open(&self, about: &str, sealed: &[u8]) -> Option<Vec<Bytes>> {
        let cipher = self.0.as_ref()?;
        let (nonce, sealed) = sealed.strip_prefix(&[VERSION])?.split_at_checked(NONCE)?;
        let nonce = XNonce::try_from(nonce).ok()?;
        unpack(cipher.decrypt(&nonce, Payload { msg: sealed, aad: about.as_bytes() }).ok()?.into())
    }
}

/// Each part behind its length.
fn pack<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut packed = Vec::new();
    for part in parts {
        packed.extend_from_slice(&(part.len() as u64).to_be_bytes());
        packed.extend_from_slice(part);
    }
    packed
}

fn unpack(mut packed: Bytes) -> Option<Vec<Bytes>> {
    let mut parts = Vec::new();
    while !packed.is_empty() {
        let length = u64::from_be_bytes(*packed.first_chunk()?);
        let length = usize::try_from(length).ok()?;
        drop(packed.split_to(size_of::<u64>()));
        if packed.len() < length {
            return None;
        }
        parts.push(packed.split_to(length));
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(key: u8) -> Seal {
        Seal::new(Some(&[key; 32].into()))
    }

    #[test]
    fn what_is_sealed_opens_with_the_key_and_its_subject_only() {
        let parts: [&[u8]; 3] = [b"john.smith@example.com", b"", &[0; 300]];
        let sealed = seal(1).seal("request 1", parts).unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"smith"));
        assert_eq!(seal(1).open("request 1", &sealed).unwrap(), parts);
        assert_ne!(seal(1).seal("request 1", parts).unwrap(), sealed, "a nonce is used once");
        assert_eq!(seal(1).seal("", []).and_then(|sealed| seal(1).open("", &sealed)), Some(Vec::new()));
        assert_eq!(seal(2).open("request 1", &sealed), None);
        assert_eq!(seal(1).open("request 2", &sealed), None);
        for damaged in 0..sealed.len() {
            assert_eq!(seal(1).open("request 1", &sealed[..damaged]), None);
            let mut bent = sealed.clone();
            bent[damaged] ^= 1;
            assert_eq!(seal(1).open("request 1", &bent), None);
        }
    }

    #[test]
    fn nothing_is_sealed_without_a_key() {
        assert_eq!(Seal::new(None).seal("", [b"x".as_slice()]), None);
    }

    #[test]
    fn debug_output_holds_no_secrets() {
        assert_eq!(format!("{:?}", SealingKey::from([7; 32])), "SealingKey(..)");
    }
}
