//! What an error document says, once it is known to be one.

use std::sync::LazyLock;

use interlingua_core::{Adapter, Response, Validator, http::StatusCode};
use interlingua_ecgrid::Ecgrid;
use interlingua_textus::Textus;

use crate::{
    client::{Answer, Client},
    harness::World,
};

/// One of the two dialects, as a client on the crossed listener speaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Ecgrid,
    Textus,
}

impl Face {
    pub(crate) fn crossed(self, world: &World) -> Client {
        match self {
            Self::Ecgrid => world.crossed_ecgrid(),
            Self::Textus => world.crossed_textus(),
        }
    }

    pub(crate) fn pass(self, world: &World) -> Client {
        match self {
            Self::Ecgrid => world.pass_ecgrid(),
            Self::Textus => world.pass_textus(),
        }
    }

    /// The status, the code and the words of a refusal that is valid against the dialect's schema.
    #[track_caller]
    pub(crate) fn refusal(self, answer: &Answer) -> (u16, String, String) {
        let (Dialect { media_type, validator }, code, words) = match self {
            Self::Ecgrid => (&*ECGRID, "/errorCode", "/message"),
            Self::Textus => (&*TEXTUS, "/hydra:title", "/hydra:description"),
        };
        let status = StatusCode::from_u16(answer.status).unwrap();
        assert!(!status.is_success(), "{}", answer.text());
        let problems = validator.response("", &Response::new(status, answer.body.clone())).err();
        assert_eq!(problems, None, "{}", answer.text());
        assert_eq!(answer.header("content-type"), *media_type);
        let text = |pointer| answer.at(pointer).as_str().unwrap().to_owned();
        (answer.status, text(code), text(words))
    }
}

struct Dialect {
    media_type: &'static str,
    validator: Validator,
}

static ECGRID: LazyLock<Dialect> = LazyLock::new(|| Dialect::of(&Ecgrid::new()));
static TEXTUS: LazyLock<Dialect> = LazyLock::new(|| Dialect::of(&Textus::new()));

impl Dialect {
    fn of(adapter: &dyn Adapter) -> Self {
        let dialect = adapter.dialect();
        Self { media_type: dialect.media_type, validator: Validator::new(dialect).unwrap() }
    }
}

/// Asserts that the answer is a refusal that says all of `words`.
#[track_caller]
pub(crate) fn refuses(face: Face, answer: &Answer, status: u16, code: &str, words: &[&str]) {
    let (found, title, message) = face.refusal(answer);
    assert_eq!((found, title.as_str()), (status, code), "{message}");
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
}
