//! Secrets, and the places that configuration may keep them in.

use std::{fmt, path::PathBuf};

use http::HeaderValue;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{folder::Folder, logins::PasswordHash, source::Environment};

/// A credential that can go into a header. No format shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret of at least one character, of those that a header can hold.
    ///
    /// # Errors
    ///
    /// What is wrong with it; never the secret itself.
    pub fn new(secret: impl Into<String>) -> Result<Self, &'static str> {
        let secret = secret.into();
        if secret.is_empty() {
            return Err("the secret is empty");
        }
        if secret.trim() != secret {
            return Err("the secret starts or ends with a blank or a line break");
        }
        if !secret.is_ascii() || HeaderValue::from_str(&secret).is_err() {
            return Err("the secret has a character that no header can hold");
        }
        Ok(Self(secret))
    }

    /// The secret itself, for the header that it goes into and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where the credential for an upstream is kept.
#[derive(Deserialize)]
#[serde(try_from = "RawCredential")]
pub(super) enum CredentialSource {
    /// In the configuration itself.
    Value(String),
    /// Elsewhere.
    Kept(Keeper),
}

/// Where the key of a client is kept.
#[derive(Deserialize)]
#[serde(try_from = "RawKey")]
pub(super) enum KeySource {
    /// In the configuration, but only its SHA-256.
    Digest([u8; 32]),
    /// Elsewhere.
    Kept(Keeper),
}

/// Where a key of our own is kept, which seals or signs.
#[derive(Deserialize)]
#[serde(try_from = "RawOwnKey")]
pub(super) struct OwnKeySource(Keeper);

/// Where the hash of a password is kept.
pub(super) enum PasswordSource {
    /// In the configuration.
    Hash(String),
    /// Elsewhere.
    Kept(Keeper),
}

/// A place outside the configuration.
pub(super) enum Keeper {
    /// An environment variable.
    Env(String),
    /// A file; a relative path starts at the folder of the configuration file.
    File(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ env = \"NAME\" }, { file = \"PATH\" } or { value = \"…\" }")]
struct RawCredential {
    env: Option<String>,
    file: Option<PathBuf>,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ env = \"NAME\" }, { file = \"PATH\" } or { sha256 = \"…\" }")]
struct RawKey {
    env: Option<String>,
    file: Option<PathBuf>,
    sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ env = \"NAME\" } or { file = \"PATH\" }")]
struct RawOwnKey {
    env: Option<String>,
    file: Option<PathBuf>,
}

impl TryFrom<RawOwnKey> for OwnKeySource {
    type Error = &'static str;

    fn try_from(raw: RawOwnKey) -> Result<Self, Self::Error> {
        match (raw.env, raw.file) {
            (Some(name), None) => Ok(Self(Keeper::Env(name))),
            (None, Some(path)) => Ok(Self(Keeper::File(path))),
            _ => Err("expected exactly one of `env` and `file`"),
        }
    }
}

impl TryFrom<RawCredential> for CredentialSource {
    type Error = &'static str;

    fn try_from(raw: RawCredential) -> Result<Self, Self::Error> {
        match (raw.env, raw.file, raw.value) {
            (Some(name), None, None) => Ok(Self::Kept(Keeper::Env(name))),
            (None, Some(path), None) => Ok(Self::Kept(Keeper::File(path))),
            (None, None, Some(value)) => Ok(Self::Value(value)),
            _ => Err("expected exactly one of `env`, `file` and `value`"),
        }
    }
}

impl TryFrom<RawKey> for KeySource {
    type Error = &'static str;

    fn try_from(raw: RawKey) -> Result<Self, Self::Error> {
        Self::of(raw.env, raw.file, raw.sha256)
    }
}

impl KeySource {
    /// The one place of these that is named.
    pub(super) fn of(env: Option<String>, file: Option<PathBuf>, sha256: Option<String>) -> Result<Self, &'static str> {
        match (env, file, sha256) {
            (Some(name), None, None) => Ok(Self::Kept(Keeper::Env(name))),
            (None, Some(path), None) => Ok(Self::Kept(Keeper::File(path))),
            (None, None, Some(digits)) => {
                parse_digest(&digits).map(Self::Digest).ok_or("expected `sha256` to be 64 hexadecimal digits")
            }
            _ => Err("expected exactly one of `env`, `file` and `sha256`"),
        }
    }

    /// The SHA-256 of the key.
    pub(super) fn read(self, environment: &Environment, folder: &Folder) -> Result<[u8; 32], String> {
        match self {
            Self::Digest(digest) => Ok(digest),
            Self::Kept(keeper) => Ok(Sha256::digest(keeper.read(environment, folder)?.expose()).into()),
        }
    }
}

fn parse_digest(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

impl CredentialSource {
    pub(super) fn read(self, environment: &Environment, folder: &Folder) -> Result<Secret, String> {
        match self {
            Self::Value(value) => Ok(Secret::new(value)?),
            Self::Kept(keeper) => keeper.read(environment, folder),
        }
    }
}

impl OwnKeySource {
    /// The key itself.
    pub(super) fn read(&self, environment: &Environment, folder: &Folder) -> Result<[u8; 32], String> {
        let digits = self.0.read(environment, folder)?;
        let key = parse_digest(digits.expose());
        key.ok_or_else(|| "expected 64 hexadecimal digits, as of `openssl rand -hex 32`".to_owned())
    }
}

impl PasswordSource {
    /// The one place of these that is named.
    pub(super) fn of(env: Option<String>, file: Option<PathBuf>, hash: Option<String>) -> Result<Self, &'static str> {
        match (env, file, hash) {
            (Some(name), None, None) => Ok(Self::Kept(Keeper::Env(name))),
            (None, Some(path), None) => Ok(Self::Kept(Keeper::File(path))),
            (None, None, Some(hash)) => Ok(Self::Hash(hash)),
            _ => Err("expected exactly one of `env`, `file` and `password_hash`"),
        }
    }

    /// The hash.
    pub(super) fn read(self, environment: &Environment, folder: &Folder) -> Result<PasswordHash, String> {
        match self {
            Self::Hash(hash) => Ok(PasswordHash::parse(&hash)?),
            Self::Kept(keeper) => Ok(PasswordHash::parse(keeper.read(environment, folder)?.expose())?),
        }
    }
}

impl Keeper {
    fn read(&self, environment: &Environment, folder: &Folder) -> Result<Secret, String> {
        match self {
            Self::Env(name) => {
                let secret =
                    environment.get(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
                Secret::new(secret).map_err(|error| format!("in the environment variable {name}: {error}"))
            }
            Self::File(path) => {
                let text = folder.read(path)?;
                let wrong = |why| format!("in {}: {why}", folder.name(path));
                let text = str::from_utf8(&text).map_err(|_| wrong("not UTF-8 text"))?;
                Secret::new(without_line_end(text)).map_err(wrong)
            }
        }
    }
}

/// The text without the one line break that editors put at the end of a file.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_format_shows_a_secret() {
        let secret = Secret::new("hush-hush").unwrap();
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "[redacted] Secret(..) Secret(..)");
        assert_eq!(secret.expose(), "hush-hush");
    }

    #[test]
    fn a_secret_fits_into_a_header() {
        for good in ["x", "a b", "eyJhbGciOi.J9_-=+/", "12345"] {
            assert!(Secret::new(good).is_ok(), "{good}");
        }
        for bad in ["", " ", " x", "x\n", "a\nb", "a\0b", "pässword"] {
            assert!(Secret::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn digests_are_64_hexadecimal_digits() {
        assert_eq!(parse_digest(&"0fF0".repeat(16)), Some([0x0f, 0xf0].repeat(16).try_into().unwrap()));
        for bad in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"+0".repeat(32), &"é".repeat(32)] {
            assert_eq!(parse_digest(bad), None, "{bad}");
        }
    }

    #[test]
    fn one_line_break_at_the_end_is_the_editors() {
        assert_eq!(without_line_end("x"), "x");
        assert_eq!(without_line_end("x\n"), "x");
        assert_eq!(without_line_end("x\r\n"), "x");
        assert_eq!(without_line_end("x\n\n"), "x\n");
    }
}
