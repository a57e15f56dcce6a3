//! How clients of this dialect sign in (vendor page: "Authentication").
//!
//! The vendor documents what Login takes and gives, and names the other endpoints. What those answer is our guess, and
//! stands here and nowhere else: Refresh answers as Login does, Session without the token, and Logout with `true`.

use interlingua_core::{
    Bytes, Error, Login, Password, Place, Problem, Response, Result, Session, SessionAct, SessionEndpoint,
    SessionOutcome, Sessions, Text, http::Method, json,
};
use serde::Serialize;
use serde_json::Value;

use crate::{Ecgrid, read, write};

/// The version of the API that this adapter is made from.
const VERSION: &str = "2.6";

const TOKEN: &str = include_str!("../schemas/token.response.json");

const ENDPOINTS: [SessionEndpoint; 5] = [
    SessionEndpoint {
        name: "log-in",
        act: SessionAct::LogIn,
        method: Method::POST,
        path: "/v2/auth/login",
        request_schema: Some(include_str!("../schemas/log-in.request.json")),
        response_schema: TOKEN,
    },
    SessionEndpoint {
        name: "refresh-session",
        act: SessionAct::Refresh,
        method: Method::POST,
        path: "/v2/auth/refresh",
        request_schema: None,
        response_schema: TOKEN,
    },
    SessionEndpoint {
        name: "log-out",
        act: SessionAct::LogOut,
        method: Method::POST,
        path: "/v2/auth/logout",
        request_schema: None,
        response_schema: include_str!("../schemas/boolean.response.json"),
    },
    SessionEndpoint {
        name: "get-session",
        act: SessionAct::Show,
        method: Method::POST,
        path: "/v2/auth/session",
        request_schema: None,
        response_schema: include_str!("../schemas/session.response.json"),
    },
    SessionEndpoint {
        name: "get-version",
        act: SessionAct::Version,
        method: Method::GET,
        path: "/v2/auth/version",
        request_schema: None,
        response_schema: include_str!("../schemas/version.response.json"),
    },
];

impl Sessions for Ecgrid {
    fn endpoints(&self) -> &[SessionEndpoint] {
        &ENDPOINTS
    }

    fn read_login(&self, body: &Bytes) -> Result<Login> {
        let document = json::parse(body)?;
        let mut problems = Vec::new();
        let mut text = |pointer: &'static str| {
            let text = document.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
            if text.is_none() {
                problems.push(Problem::new(Place::request(pointer), "required: a text that is not empty"));
            }
            text.map(Text::from).unwrap_or_default()
        };
        let login = Login { name: text("/login"), password: Password::given(text("/password")) };
        if problems.is_empty() { Ok(login) } else { Err(Error::invalid(problems)) }
    }

    fn write(&self, outcome: &SessionOutcome) -> Result<Response> {
        Ok(match outcome {
            SessionOutcome::Token(token, session) => write::success(&SessionOut::new(Some(&token.0), session)?),
            SessionOutcome::Session(session) => write::success(&SessionOut::new(None, session)?),
            SessionOutcome::Ended => write::success(&true),
            SessionOutcome::Version => write::success(&VersionOut { version: VERSION }),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    expires_at: &'a str,
    user_id: i64,
}

impl<'a> SessionOut<'a> {
    fn new(token: Option<&'a str>, session: &'a Session) -> Result<Self> {
        Ok(Self { token, expires_at: session.expires.as_str(), user_id: read::number(&session.user)? })
    }
}

#[derive(Serialize)]
struct VersionOut {
    version: &'static str,
}

#[cfg(test)]
mod tests {
    use interlingua_core::{Document, Schema, SessionToken, Timestamp, UserId};

    use super::*;

    #[test]
    fn a_login_is_two_texts() {
        let read = |body: &str| Ecgrid::new().read_login(&Bytes::from(body.to_owned()));
        let login = read(r#"{"login": "jsmith", "password": "Secret-1", "more": null}"#).unwrap();
        assert_eq!((login.name.as_str(), login.password.as_str()), ("jsmith", "Secret-1"));
        assert_eq!(format!("{login:?}"), "Login(..)");
        for bad in
            [r#"{"login": "jsmith"}"#, r#"{"login": "", "password": "Secret-1"}"#, r#"{"login": 5, "password": {}}"#]
        {
            let error = read(bad).unwrap_err();
            assert!(!error.problems().is_empty() && !format!("{error} {error:?}").contains("jsmith"), "{error:?}");
        }
        for none in ["", "[", r#"{"login": "a", "login": "b", "password": "c"}"#] {
            read(none).unwrap_err();
        }
    }

    #[test]
    fn answers_are_what_their_schemas_say() {
        let ecgrid = Ecgrid::new();
        let expires = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let session = Session { user: UserId::new("1042"), expires };
        for endpoint in ecgrid.endpoints() {
            let outcome = match endpoint.act {
                SessionAct::LogIn | SessionAct::Refresh => {
                    SessionOutcome::Token(SessionToken("a.b.c".to_owned()), session.clone())
                }
                SessionAct::Show => SessionOutcome::Session(session.clone()),
                SessionAct::LogOut => SessionOutcome::Ended,
                SessionAct::Version => SessionOutcome::Version,
            };
            let written = Sessions::write(&ecgrid, &outcome).unwrap();
            let schema = Schema::compile(endpoint.response_schema).unwrap();
            let findings = schema.check(Document::Response, &json::parse(&written.body).unwrap());
            assert!(findings.problems.is_empty() && findings.unknown.is_empty(), "{}: {findings:?}", endpoint.name);
        }
    }

    #[test]
    fn what_may_be_a_login_is_not_passed_on_for_its_spelling() {
        for path in ["/v2/auth/login", "/v2/AUTH/Login/", "/v2//auth/login", "/v2/auth%2flogin", "/v2/auth/login;a=b"] {
            assert!(Ecgrid::new().owns(path), "{path}");
        }
        assert!(!Ecgrid::new().owns("/v2/auth/keys") && !Ecgrid::new().owns("/v2/parcels"));
    }
}
