//! `interlingua translate` and `interlingua plan`: what would become of a document.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use interlingua_core::{
    Access, Call, Command, Error, LossPolicy, Note, OnLoss, Outcome, Removal, Reply, Request, Result, Step, Target,
    UserId, http::StatusCode,
};
use interlingua_links::Location;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Failed, REFUSED, UNAVAILABLE, block_on, dialect, print, say};
use crate::{
    config::{self, Config, OnPartial},
    executor::{self, Stage, Transport},
    gateway::Service,
    linking::{Pair, Unlinked},
    listing,
    route::Route,
    trace::Context,
    translate::{self, Understood},
};

/// A document, and where it goes.
#[derive(Debug, Args)]
struct Document {
    /// The dialect that the document is in.
    #[arg(long, value_name = "DIALECT")]
    from: String,
    /// The dialect that it is for.
    #[arg(long, value_name = "DIALECT")]
    to: String,
    /// The operation, such as `update-user`.
    #[arg(long, value_name = "NAME")]
    operation: String,
    /// The user's id in the dialect `--from`, where the document does not hold it.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The configuration file with links and mapping; without it, the built-in one of the sandbox.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// `interlingua translate`.
#[derive(Debug, Args)]
pub(super) struct Translation {
    #[command(flatten)]
    document: Document,
    /// The document is an upstream's reply, and `--operation` one of the client's dialect.
    #[arg(long)]
    reply: bool,
}

/// `interlingua plan`.
#[derive(Debug, Args)]
pub(super) struct Planning {
    #[command(flatten)]
    document: Document,
    /// As with `Prefer: handling=lenient`: what is lost is told, and the rest goes on.
    #[arg(long)]
    lenient: bool,
}

impl Translation {
    pub(super) fn config(&self) -> Option<&Path> {
        self.document.config.as_deref()
    }

    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let input = standard_input()?;
        let Document { from, to, .. } = &self.document;
        // A reply comes from where a request would go.
        let (face, upstream) = if self.reply { (to, from) } else { (from, to) };
        block_on(async {
            let route = self.document.route(config, face, upstream).await?;
            let translated = match self.reply {
                true => self.translate_reply(&route, input).await,
                false => self.translate_request(&route, input).await,
            };
            translated.map_err(|error| refused(&error, &route))
        })?
    }

    async fn translate_request(&self, route: &Route, input: Vec<u8>) -> Result<()> {
        let (command, mut notes) = self.document.command(route, input, None).await?;
        let (calls, more) = match route.upstream.adapter.plan(&command, &[])? {
            Step::Done { notes, .. } => (Vec::new(), notes),
            Step::Send { calls, notes } => (calls, notes),
        };
        notes.extend(more);
        tell(&notes, route);
        match calls.first() {
            Some(Call { access: Access::Write, .. }) => {
                calls.iter().filter(|call| call.access == Access::Write).for_each(|call| print(&call.body));
            }
            Some(read) if command.access() == Access::Write => {
                let what = format!("the answer to {} {}; `interlingua plan` asks for it", read.method, read.target);
                return Err(needs(&what));
            }
            _ => say("nothing is written"),
        }
        Ok(())
    }

    async fn translate_reply(&self, route: &Route, input: Vec<u8>) -> Result<()> {
        let user = self.document.user.as_deref().ok_or_else(|| needs("--user, the id in the dialect --from"))?;
        let command = Command::GetUser { user: UserId::new(user) };
        let reply = Reply::new(StatusCode::OK, input);
        let Step::Done { outcome: Outcome::User(user), mut notes } = route.upstream.adapter.plan(&command, &[reply])?
        else {
            return Err(needs("a reply that shows a user"));
        };
        let links = &*route.shared.links;
        let back = Pair { links, face: &*route.upstream.adapter, upstream: &*route.face };
        let asked = back.user_to_upstream(&user.id).await?;
        let (user, more) = route.pair().to_face(*user, &asked, Unlinked::Refuse).await?;
        notes.extend(more);
        let writing = route.face.write(&self.document.operation, &Outcome::User(Box::new(user)))?;
        notes.extend(writing.notes);
        tell(&notes, route);
        print(&writing.response.body);
        Ok(())
    }
}

impl Planning {
    pub(super) fn config(&self) -> Option<&Path> {
        self.document.config.as_deref()
    }

    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let input = standard_input()?;
        block_on(async {
            let route = self.document.route(config, &self.document.from, &self.document.to).await?;
            self.plan(&route, input).await.map_err(|error| refused(&error, &route))
        })?
    }

    async fn plan(&self, route: &Route, input: Vec<u8>) -> Result<()> {
        let reader = ReadOnly(route);
        let (command, notes) = self.document.command(route, input, Some(&reader)).await?;
        let preferred = self.lenient.then_some(OnLoss::Warn);
        let mut replies = Vec::new();
        while replies.len() < route.most_calls() {
            let (calls, more) = match route.upstream.adapter.plan(&command, &replies)? {
                Step::Done { notes, .. } => (Vec::new(), notes),
                Step::Send { calls, notes } => (calls, notes),
            };
            let notes = [notes.as_slice(), &more].concat();
            let Some(Call { access: Access::Read, .. }) = calls.first() else {
                route.loss.judge(&notes, Access::Write, preferred, |note| route.pointer(note))?;
                tell(&notes, route);
                calls.iter().for_each(|call| print_call(call, route));
                return Ok(());
            };
            print_call(&calls[0], route);
            replies.push(reader.send(&calls[0], Stage::First).await?);
        }
        Err(executor::too_many_calls())
    }
}

impl Document {
    /// The route of the configuration between two dialects, or one made up for the occasion.
    async fn route(&self, config: &Config, face: &str, upstream: &str) -> Result<Arc<Route>, Failed> {
        let (face, upstream) = (dialect(config, face)?, dialect(config, upstream)?);
        let server = |name: &str| config.upstreams.get(name).is_some_and(|server| server.dialect == upstream);
        let mut routes = config.listeners.iter().flat_map(|listener| &listener.routes);
        let configured = routes.find(|route| route.face == face && server(&route.upstream)).cloned();
        let route = configured.or_else(|| {
            let name = config.upstreams.iter().find(|(_, server)| server.dialect == upstream)?.0.clone();
            Some(config::Route {
                face,
                upstream: name,
                fallback: None,
                loss: LossPolicy::default(),
                removal: Removal::Reversible,
                on_partial: OnPartial::Report,
            })
        });
        let route = route.ok_or_else(|| Failed::new(REFUSED, format!("no upstream speaks {upstream}")))?;
        let mut config = config.clone();
        if config.store.is_missing_file() {
            // What only looks makes no file: one that is not there holds the links of the configuration and no others.
            config.store = Location::MEMORY;
        }
        let service = Service::new(&config).await.map_err(|error| Failed::new(UNAVAILABLE, error))?;
        service.route(&route).map_err(|error| Failed::new(UNAVAILABLE, error))
    }

    /// The request as a command for the upstream. Where that depends on the user as it is, `reader` reads it.
    async fn command(
        &self,
        route: &Route,
        input: Vec<u8>,
        reader: Option<&ReadOnly<'_>>,
    ) -> Result<(Command, Vec<Note>)> {
        let Understood { command, notes, .. } = translate::understand(route, &self.request(route, input)?)?;
        if command == Command::GetSelf {
            return Err(needs("a client, which a document has not; ask for the user by its id"));
        }
        let mut command = translate::for_this_route(route, &Context::new(), command).await?;
        let pair = route.pair();
        if let Command::FindUsers { query, page } = command {
            let page = listing::first_page(&query, &page)?;
            let query = pair.query_to_upstream(&query).await?;
            return Ok((Command::FindUsers { query, page }, notes));
        }
        let Some(asked) = command.user().cloned() else { return Ok((pair.to_upstream(command, None).await?, notes)) };
        let user = pair.user_to_upstream(&asked).await?;
        if let Some(Target::Only { .. }) = command.grants().target() {
            let reader = reader.ok_or_else(|| needs("a request that names the scope of the role"))?;
            command = translate::complete(route, reader, command, &user, &asked).await?;
        }
        Ok((pair.to_upstream(command, Some(user)).await?, notes))
    }

    fn request(&self, route: &Route, input: Vec<u8>) -> Result<Request> {
        let dialect = route.face.dialect();
        let operation = dialect.operation(&self.operation).ok_or_else(|| {
            let known: Vec<_> = dialect.operations.iter().map(|operation| operation.name).collect();
            needs(&format!("an operation of {}: {}", dialect.name, known.join(", ")))
        })?;
        let user = match (&self.user, operation.path.has_parameter()) {
            (Some(user), _) => user.as_str(),
            (None, false) => "",
            (None, true) => return Err(needs("--user, as the document does not hold the user's id")),
        };
        Ok(Request::new(operation.method.clone(), operation.path.fill(&[user]), input))
    }
}

/// Sends the calls that only read.
struct ReadOnly<'a>(&'a Route);

impl Transport for ReadOnly<'_> {
    async fn send(&self, call: &Call, stage: Stage) -> Result<Reply> {
        let deadline = Instant::now() + self.0.shared.limits.deadline;
        self.0.upstream.call(call, stage, &Context::new(), deadline).await
    }
}

fn needs(what: &str) -> Error {
    Error::new(interlingua_core::ErrorKind::Invalid, format!("this needs {what}"))
}

fn print_call(call: &Call, route: &Route) {
    let request = interlingua_core::Document::Request;
    let fields: Vec<_> = call.fields.iter().map(|field| route.face.pointer(field, request)).collect();
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let line = json!({
        "access": call.access.to_string(),
        "method": call.method.as_str(),
        "target": call.target,
        "carries": fields,
        "body": body,
    });
    print(line.to_string().as_bytes());
}

/// Tells what is not carried.
fn tell(notes: &[Note], route: &Route) {
    for note in notes {
        let document = note.place.document().name();
        say(format_args!("{}: {document} {}: {}", note.kind, route.pointer(note), note.reason));
    }
}

fn refused(error: &Error, route: &Route) -> Failed {
    let code = if error.effect() == interlingua_core::Effect::Unknown
        || error.kind() == interlingua_core::ErrorKind::Unavailable
    {
        UNAVAILABLE
    } else {
        REFUSED
    };
    let request = interlingua_core::Document::Request;
    Failed::new(code, error.describe(|field| route.face.pointer(field, request)))
}

fn standard_input() -> Result<Vec<u8>, Failed> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).map_err(|error| Failed::new(REFUSED, error))?;
    Ok(input)
}
