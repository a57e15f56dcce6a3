//! Tokens of sessions: JSON Web Tokens that every gateway with the same key reads.
//!
//! A token says who the client is, for which face, and with which login the session began; what the client may do stands
//! in the configuration alone, and so does whether that login still is one. A session has an end that is set when it
//! begins; each of its tokens ends no later.

use std::{fmt, time::Duration};

use interlingua_core::Timestamp;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    decode, decode_header, encode,
    errors::ErrorKind,
    get_current_timestamp,
    signature::{self, Signer, Verifier},
};
use ring::hmac;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::{self, SessionKey};

/// Makes tokens, and reads them.
pub(crate) struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    lifetime: Duration,
    longest: Duration,
}

/// Without the keys.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// What a token says. The names are those of RFC 7519, `sid` is OpenID's, and the last two are ours.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Session {
    /// The dialect of the face.
    aud: String,
    /// The name of the client.
    #[serde(rename = "sub")]
    pub(crate) client: String,
    iat: u64,
    exp: u64,
    /// The token, which is another one each time.
    jti: Uuid,
    /// The session, which all its tokens have in common.
    sid: Uuid,
    /// When no token of the session is good any longer.
    end: u64,
    /// The fingerprint of the login that it began with.
    pub(crate) login: String,
}

/// Why a token is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSession {
    /// It does not look like one, and may be a key that is wrong.
    Shapeless,
    /// It was a good one, and has expired.
    Expired,
    /// It is somebody else's, or for another face.
    Foreign,
}

impl Tokens {
    pub(crate) fn new(sessions: &config::Sessions, made_up: &SessionKey) -> Self {
        // Nobody else sets it; a second gateway in the process sets the same.
        let _ = HS256.install_default();
        let key = sessions.key.as_ref().unwrap_or(made_up).expose();
        Self {
            signing: EncodingKey::from_secret(key),
            verifying: DecodingKey::from_secret(key),
            lifetime: sessions.lifetime,
            longest: sessions.longest,
        }
    }

    /// A session that begins now.
    pub(crate) fn begin(&self, face: &str, client: &str, login: String) -> Session {
        let now = get_current_timestamp();
        let end = now.saturating_add(self.longest.as_secs());
        let fresh = Session {
            aud: face.to_owned(),
            client: client.to_owned(),
            iat: now,
            exp: now,
            jti: Uuid::nil(),
            sid: unique(),
            end,
            login,
        };
        self.prolong(fresh)
    }

    /// The same session with a token of its own, which lasts longer.
    pub(crate) fn prolong(&self, session: Session) -> Session {
        let now = get_current_timestamp();
        let exp = now.saturating_add(self.lifetime.as_secs()).min(session.end);
        Session { iat: now, exp, jti: unique(), ..session }
    }

    /// The token.
    pub(crate) fn write(&self, session: &Session) -> String {
        encode(&Header::new(Algorithm::HS256), session, &self.signing).expect("claims are JSON, and the key is one")
    }

    /// The session of a token that is for this face.
    ///
    /// # Errors
    ///
    /// It is none.
    pub(crate) fn read(&self, face: &str, token: &[u8]) -> Result<Session, NoSession> {
        if decode_header(token).is_err() {
            return Err(NoSession::Shapeless);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_audience(&[face]);
        validation.set_required_spec_claims(&["aud", "exp", "sub"]);
        decode(token, &self.verifying, &validation).map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => NoSession::Expired,
            _ => NoSession::Foreign,
        })
    }
}

impl Session {
    /// What the store knows it by.
    pub(crate) fn id(&self) -> &[u8; 16] {
        self.sid.as_bytes()
    }

    /// How long it could last yet.
    pub(crate) fn left(&self) -> Duration {
        // A second more than there may be, as time is told in whole ones.
        Duration::from_secs(self.end.saturating_sub(get_current_timestamp()) + 1)
    }

    /// When its token ends.
    pub(crate) fn expires(&self) -> Timestamp {
        let end = i64::try_from(self.exp).ok().and_then(|end| jiff::Timestamp::from_second(end).ok());
        let end = end.unwrap_or(jiff::Timestamp::MAX);
        Timestamp::parse(&end.to_string()).expect("it was written in that spelling")
    }
}

fn unique() -> Uuid {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid()
}

// === HS256, and no other algorithm ===

/// The one algorithm that there is, as `ring` has it.
static HS256: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.try_get_as_bytes()?)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(hmac::Key);

impl Hs256 {
    fn new(algorithm: Algorithm, key: &[u8]) -> jsonwebtoken::errors::Result<Self> {
        match algorithm {
            Algorithm::HS256 => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key))),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        }
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(key: u8, lifetime: u64) -> Tokens {
        let (lifetime, longest) = (Duration::from_secs(lifetime), Duration::from_secs(3600));
        let key: SessionKey = [key; 32].into();
        Tokens::new(&config::Sessions { key: Some(key.clone()), lifetime, longest }, &key)
    }

    #[test]
    fn whoever_has_the_key_reads_the_token() {
        let session = tokens(1, 60).begin("ecgrid", "erp", "print".to_owned());
        let token = tokens(1, 60).write(&session);
        let read = tokens(1, 1).read("ecgrid", token.as_bytes()).unwrap();
        assert_eq!((read.id(), read.client.as_str(), read.login.as_str()), (session.id(), "erp", "print"));
        assert_eq!((read.exp, read.end), (read.iat + 60, read.iat + 3600));
        assert!(read.left() > Duration::from_secs(3590), "{:?}", read.left());
        let refused = |tokens: &Tokens, face: &str, token: &str| tokens.read(face, token.as_bytes()).unwrap_err();
        assert_eq!(refused(&tokens(2, 60), "ecgrid", &token), NoSession::Foreign);
        assert_eq!(refused(&tokens(1, 60), "textus", &token), NoSession::Foreign);
        assert_eq!(refused(&tokens(1, 60), "ecgrid", &format!("{token}A")), NoSession::Foreign);
        for shapeless in ["", "key", "a.b.c", "sandbox-ecgrid-key"] {
            assert_eq!(refused(&tokens(1, 60), "ecgrid", shapeless), NoSession::Shapeless);
        }
        let past = Session { iat: 1, exp: 2, ..session };
        assert_eq!(refused(&tokens(1, 60), "ecgrid", &tokens(1, 60).write(&past)), NoSession::Expired);
    }

    #[test]
    fn a_session_has_an_end_that_no_token_outlives() {
        let tokens = tokens(1, 60);
        let session = tokens.begin("ecgrid", "erp", String::new());
        let next = tokens.prolong(session.clone());
        assert!(next.jti != session.jti && next.sid == session.sid && next.end == session.end);
        let end = session.iat + 5;
        let last = tokens.prolong(Session { end, ..session });
        assert_eq!(last.exp, end);
        assert_eq!(Session { exp: 0, ..last }.expires().as_str(), "1970-01-01T00:00:00Z");
    }

    /// RFC 7515 says how `alg` is told, and RFC 8725 what to make of it.
    #[test]
    fn one_algorithm_is_pinned() {
        let tokens = tokens(1, 60);
        let token = tokens.write(&tokens.begin("ecgrid", "erp", String::new()));
        let (_, rest) = token.split_once('.').unwrap();
        let claims = rest.split_once('.').unwrap().0;
        // {"alg":"none"}, {"alg":"HS512"}, {"alg":"RS256"}
        for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzUxMiJ9", "eyJhbGciOiJSUzI1NiJ9"] {
            for forged in [format!("{header}.{rest}"), format!("{header}.{claims}.")] {
                tokens.read("ecgrid", forged.as_bytes()).unwrap_err();
            }
        }
    }
}
