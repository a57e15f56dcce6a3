//! The endpoints at which clients log in, and see to their sessions: the gateway knows its clients, so that it answers
//! itself, whoever is behind the face.

use http::{HeaderValue, Request, Response, header::CACHE_CONTROL};
use interlingua_core::{
    Error, ErrorKind, Result, Session as Shown, SessionAct, SessionEndpoint, SessionOutcome, SessionToken,
};

use crate::{
    answer,
    body::{Body, ReadBody},
    connections::Connection,
    layers::count_call,
    linking::store_error,
    route::Route,
    tokens::Session,
    trace::Context,
};

/// The largest body that is read of somebody who is not known yet.
pub(crate) const LARGEST: usize = 16 << 10;

/// A request to one of the endpoints, of somebody who may send it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) act: SessionAct,
    name: &'static str,
    /// There where the act needs one.
    session: Option<Session>,
}

impl Asked {
    /// A request that anybody may send.
    pub(crate) fn by_anybody(endpoint: &SessionEndpoint) -> Self {
        Self { act: endpoint.act, name: endpoint.name, session: None }
    }

    /// A request of a client that is known by this session, if by any.
    ///
    /// # Errors
    ///
    /// It is by none.
    pub(crate) fn in_session(endpoint: &SessionEndpoint, session: Option<Session>) -> Result<Self> {
        let missing = || Error::unauthenticated(Some("authorization"), "a session is required; log in for one");
        Ok(Self { session: Some(session.ok_or_else(missing)?), ..Self::by_anybody(endpoint) })
    }
}

/// Makes sure that nobody has ended a session, at whatever gateway.
///
/// # Errors
///
/// It was ended, or the store does not tell.
pub(crate) async fn still_lasts(route: &Route, session: &Session) -> Result<()> {
    let ended = route.shared.links.writes().is_logged_out(session.id()).await;
    match ended.map_err(|error| store_error(&error))? {
        true => Err(Error::unauthenticated(Some("authorization"), "the session was ended; log in again")),
        false => Ok(()),
    }
}

/// Answers a request to one of the endpoints.
///
/// # Errors
///
/// The login is not known, or is not one; or the client may not use the route.
pub(crate) async fn answer(route: &Route, asked: Asked, request: &Request<ReadBody>) -> Result<Response<Body>> {
    let (context, clients) = (Context::on(request), &route.shared.clients);
    context.is_for(asked.name);
    let dialect = route.face.dialect();
    let nowhere = || Error::new(ErrorKind::Internal, "the face has no sessions");
    let speaker = route.face.sessions().ok_or_else(nowhere)?;
    let session = || asked.session.clone().ok_or_else(|| Error::new(ErrorKind::Internal, "there is no session"));
    let outcome = match asked.act {
        SessionAct::LogIn => {
            let login = speaker.read_login(&request.body().decoded)?;
            let address = Connection::address_of(request);
            let (client, session) = clients.log_in(login, dialect.name, address).await?;
            count_call(&client, Some(&context))?;
            client.may_use(dialect, &route.upstream.name)?;
            token(route, &context, &session).await?
        }
        SessionAct::Refresh => token(route, &context, &clients.tokens.prolong(session()?)).await?,
        SessionAct::LogOut => {
            let session = session()?;
            let ended = route.shared.links.writes().log_out(session.id(), session.left()).await;
            ended.map_err(|error| store_error(&error))?;
            SessionOutcome::Ended
        }
        SessionAct::Show => SessionOutcome::Session(shown(route, &context, &session()?).await?),
        SessionAct::Version => SessionOutcome::Version,
    };
    let mut response = answer::to_http(dialect, speaker.write(&outcome)?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn token(route: &Route, context: &Context, session: &Session) -> Result<SessionOutcome> {
    let token = SessionToken(route.shared.clients.tokens.write(session));
    Ok(SessionOutcome::Token(token, shown(route, context, session).await?))
}

async fn shown(route: &Route, context: &Context, session: &Session) -> Result<Shown> {
    Ok(Shown { user: route.own_user(context).await?, expires: session.expires() })
}
