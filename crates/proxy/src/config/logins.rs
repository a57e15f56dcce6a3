//! How clients log in, and what their sessions are.

use std::{collections::HashMap, fmt, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordVerifier, phc},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{check::Check, file, key::Key};

/// How long sessions last, and what their tokens are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The key of the tokens. Default: one that this process makes up.
    pub key: Option<SessionKey>,
    /// How long a token lasts. Default: 1 hour.
    pub lifetime: Duration,
    /// How long a session lasts, with all its tokens. Default: 24 hours.
    pub longest: Duration,
}

/// What tokens of sessions are signed with. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The key itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for SessionKey {
    fn from(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

/// What a client logs in with. `Debug` shows neither name nor hash.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientLogin {
    /// The name, which no other client has.
    pub name: String,
    /// What the password is compared with.
    pub password: PasswordHash,
}

impl ClientLogin {
    /// What tells this login from every other, and from itself with another password. Nobody learns either from it.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.name.len() as u64).to_be_bytes());
        hash.update(&self.name);
        hash.update(self.password.0.to_string());
        URL_SAFE_NO_PAD.encode(&hash.finalize()[..16])
    }
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientLogin(..)")
    }
}

/// The argon2id hash of a password. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(phc::PasswordHash);

/// The most memory that a hash may take, in KiB, and how often it may be gone through.
const MOST: (u32, u32) = (256 << 10, 32);

/// What OWASP advises at least.
const ADVISED: (u32, u32) = (19 << 10, 2);

impl PasswordHash {
    /// Reads a hash in the spelling of the PHC string format.
    ///
    /// # Errors
    ///
    /// What is wrong with it; never the hash itself.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str =
            "expected an argon2id hash, $argon2id$v=19$…, as of `argon2 \"$(openssl rand -hex 16)\" -id -e`";
        let hash = phc::PasswordHash::new(text).map_err(|_| EXPECTED)?;
        let is_argon2id = hash.algorithm.as_str() == Algorithm::Argon2id.as_str();
        let is_current = hash.version == Some(Version::V0x13.into());
        if !is_argon2id || !is_current || hash.salt.is_none() || hash.hash.is_none() {
            return Err(EXPECTED);
        }
        let params = Params::try_from(&hash).map_err(|_| EXPECTED)?;
        if params.m_cost() > MOST.0 || params.t_cost() > MOST.1 {
            return Err("expected a hash that takes at most 256 MiB and 32 passes: one is made for every login");
        }
        Ok(Self(hash))
    }

    /// Whether this is the password. It takes time and memory, and is not for the threads of a runtime.
    pub fn is_of(&self, password: &str) -> bool {
        Argon2::default().verify_password(password.as_bytes(), &self.0).is_ok()
    }

    /// How much it takes to compare a password with it: memory and passes.
    pub fn cost(&self) -> (u32, u32) {
        Params::try_from(&self.0).map_or((0, 0), |params| (params.m_cost(), params.t_cost()))
    }

    /// Whether it is cheaper to guess than is advised.
    pub fn is_cheap(&self) -> bool {
        let (memory, passes) = self.cost();
        u64::from(memory) * u64::from(passes) < u64::from(ADVISED.0) * u64::from(ADVISED.1)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl Check<'_> {
    /// What sessions are.
    pub(super) fn sessions(&mut self, raw: &file::Sessions) -> Option<Sessions> {
        let at = |name| Key::of(["sessions", name]);
        let key = raw.key.as_ref().map(|source| source.read(self.around.environment, self.around.folder));
        let key = key.map(|key| self.sound(&at("key"), key).map(SessionKey));
        let (lifetime, longest) = (raw.lifetime?.0, raw.longest?.0);
        for (name, span) in [("lifetime", lifetime), ("longest", longest)] {
            if span.is_zero() || span.subsec_nanos() != 0 {
                self.report.add(&at(name), "expected whole seconds, and more than 0, such as \"1h\"");
            }
        }
        if longest < lifetime {
            self.report.add(&at("longest"), "expected at least as much as sessions.lifetime, that of one token");
        }
        let key = match key {
            Some(key) => Some(key?),
            None => None,
        };
        Some(Sessions { key, lifetime, longest })
    }

    /// What a client logs in with.
    pub(super) fn logins(
        &mut self,
        at: &Key,
        raw: Vec<file::ClientLogin>,
        taken: &mut HashMap<String, Key>,
    ) -> Vec<ClientLogin> {
        let logins = raw.into_iter().enumerate().filter_map(|(index, raw)| {
            let at = at.index(index);
            if raw.login.is_empty() {
                self.report.add(&at.name("login"), "the name is empty");
            }
            self.once(taken, &at.name("login"), raw.login.clone());
            let password = raw.password.read(self.around.environment, self.around.folder);
            Some(ClientLogin { name: raw.login, password: self.sound(&at, password)? })
        });
        logins.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of `Secret-1`, as the command line of argon2 makes them.
    const CHEAP: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$dSk/rRZ4CRhPtbMryZJRaa8um3g1+KCg1cxbRpRYrX0";
    const GOOD: &str = "$argon2id$v=19$m=32768,t=3,p=1$NWExMDI4YjU1ODQ4NjA2Yjk0NGMwYjY2YTQzNTUyNTU$deO1SJcLdtTPhf50diO4JDy/Xafsfl5X0HRtvs69RwU";

    #[test]
    fn a_hash_is_of_one_password() {
        let hash = PasswordHash::parse(CHEAP).unwrap();
        assert!(hash.is_of("Secret-1") && !hash.is_of("secret-1") && !hash.is_of(""));
        assert!(hash.is_cheap() && !PasswordHash::parse(GOOD).unwrap().is_cheap());
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }

    #[test]
    fn what_is_no_hash_of_a_password_is_refused() {
        let [other, old, endless] =
            [("argon2id", "argon2i"), ("v=19", "v=16"), ("m=8", "m=4000000")].map(|(from, to)| CHEAP.replace(from, to));
        let no_output = CHEAP.rsplit_once('$').unwrap().0;
        for bad in ["", "Secret-1", "$argon2id$v=19", no_output, &other, &old, &endless] {
            let refused = PasswordHash::parse(bad).unwrap_err();
            assert!(!refused.contains("c2FsdHNhbHQ"), "{refused}");
        }
    }

    #[test]
    fn a_fingerprint_is_of_a_name_and_a_password() {
        let print = |name: &str, hash: &str| {
            ClientLogin { name: name.to_owned(), password: PasswordHash::parse(hash).unwrap() }.fingerprint()
        };
        assert_eq!(print("erp", CHEAP), print("erp", CHEAP));
        assert_ne!(print("erp", CHEAP), print("crm", CHEAP));
        assert_ne!(print("erp", CHEAP), print("erp", GOOD));
    }
}
