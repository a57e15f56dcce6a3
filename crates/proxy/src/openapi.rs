//! What a face offers before an upstream, as an OpenAPI 3.1 document: the dialect's operations and schemas, and the
//! headers and refusals that the gateway really sends.

use std::collections::BTreeMap;

use interlingua_core::{
    Access, Adapter, CredentialStyle, Dialect, Error, ErrorKind, Operation, Outcome, PageRequest, SessionEndpoint,
    Translated, User, UserPage, UserQuery, http::StatusCode,
};
use serde_json::{Map, Value, json};

use crate::{prefer::PREFER, repeat_key::IDEMPOTENCY_KEY, trace::REQUEST_ID};

/// What a face offers before an upstream of that name, which speaks the same dialect or another.
pub(crate) fn document(face: &dyn Adapter, upstream: &str, dialect: &Dialect) -> Value {
    Offer { face, passes: face.dialect().name == dialect.name }.document(upstream)
}

/// What a face offers.
struct Offer<'a> {
    face: &'a dyn Adapter,
    passes: bool,
}

/// Every way in which a request may fail, with what it means, and of whose requests.
const FAILURES: &[(ErrorKind, Concerns, &str)] = &[
    (ErrorKind::Malformed, Concerns::All, "the body is not JSON, or a header is not what it must be"),
    (ErrorKind::Invalid, Concerns::All, "the request breaks a rule of its API"),
    (ErrorKind::Unauthenticated, Concerns::All, "the credential is missing or not known"),
    (ErrorKind::Forbidden, Concerns::All, "this is not allowed"),
    (ErrorKind::NotFound, Concerns::All, "there is no such user, network, mailbox or account, or it is not linked"),
    (ErrorKind::Conflict, Concerns::Writes, "there is such a user already"),
    (ErrorKind::PreconditionFailed, Concerns::Writes, "the user is of another version than `If-Match` says"),
    (ErrorKind::InProgress, Concerns::Writes, "the same request is under way"),
    (ErrorKind::KeyReused, Concerns::Writes, "the `Idempotency-Key` was used for another request"),
    (ErrorKind::RateLimited, Concerns::All, "there were too many requests"),
    (ErrorKind::TooLarge, Concerns::All, "the body is too large"),
    (ErrorKind::TargetTooLong, Concerns::All, "the path and the query are too long"),
    (ErrorKind::HeadTooLarge, Concerns::All, "the headers are too large"),
    (ErrorKind::TooSlow, Concerns::All, "the request took too long to arrive"),
    (ErrorKind::UnsupportedMedia, Concerns::Bodies, "the body is of another type or encoding"),
    (
        ErrorKind::Unrepresentable,
        Concerns::Translations,
        "the upstream has no place for something, and nothing is lost silently",
    ),
    (ErrorKind::Unsupported, Concerns::Translations, "the upstream has no counterpart for the operation"),
    (ErrorKind::Unavailable, Concerns::All, "the upstream cannot be reached, or failed"),
    (ErrorKind::BadReply, Concerns::All, "the upstream's answer makes no sense"),
    (ErrorKind::Partial, Concerns::Writes, "some of it was applied and some was not; the text says what"),
    (ErrorKind::Timeout, Concerns::All, "the upstream took too long"),
    (ErrorKind::Overloaded, Concerns::All, "there is too much to do"),
    (ErrorKind::Internal, Concerns::All, "the gateway failed"),
];

/// The headers that any answer may have.
const ANY: [&str; 4] = ["X-Request-Id", "RateLimit", "RateLimit-Policy", "Strict-Transport-Security"];

/// The headers of a refusal.
const REFUSAL: [&str; 2] = ["Interlingua-Fault", "Retry-After"];

/// The headers of an answer to a translated request.
const TRANSLATED: [&str; 2] = ["Interlingua-Fidelity", "Preference-Applied"];

/// Which requests may fail so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Concerns {
    All,
    Writes,
    Bodies,
    Translations,
}

impl Offer<'_> {
    fn dialect(&self) -> &Dialect {
        self.face.dialect()
    }

    fn document(&self, upstream: &str) -> Value {
        let dialect = self.dialect();
        let mut components = Components::default();
        let mut paths: Map<String, Value> = Map::new();
        for operation in &dialect.operations {
            let path = paths.entry(operation.path.to_string()).or_insert_with(|| json!({}));
            path[operation.method.as_str().to_lowercase()] = self.operation(operation, &mut components);
        }
        let endpoints = self.face.sessions().map_or(&[][..], |sessions| sessions.endpoints());
        for endpoint in endpoints {
            let path = paths.entry(endpoint.path.to_owned()).or_insert_with(|| json!({}));
            path[endpoint.method.as_str().to_lowercase()] = self.session_endpoint(endpoint, &mut components);
        }
        components.schema("error", dialect.error_schema);
        let tags = ["users"].into_iter().chain((!endpoints.is_empty()).then_some("sessions"));
        let tags: Vec<_> = tags.map(|name| json!({ "name": name })).collect();
        let security = dialect.credentials.iter().map(|style| json!({ security_name(style): [] }));
        let schemes = dialect.credentials.iter().map(|style| (security_name(style), security_scheme(style)));
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": format!("{} face before {upstream}", dialect.name),
                "version": env!("CARGO_PKG_VERSION"),
                "description": self.description(upstream),
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "servers": [{ "url": "/" }],
            "security": security.collect::<Vec<_>>(),
            "tags": tags,
            "paths": paths,
            "components": {
                "schemas": components.schemas,
                "responses": components.responses,
                "securitySchemes": schemes.collect::<Map<_, _>>(),
                "headers": self.headers(),
            },
        })
    }

    fn description(&self, upstream: &str) -> String {
        match self.passes {
            true => format!("Requests and answers pass between the client and {upstream} as they come."),
            false => format!(
                "Every request is translated for {upstream}, which speaks otherwise, and so is the answer. Nothing is \
                 lost silently: see the header `Interlingua-Fidelity`."
            ),
        }
    }

    fn operation(&self, operation: &Operation, components: &mut Components) -> Value {
        let (_, remark) = operation.translated.words();
        let mut document = json!({
            "operationId": operation.name,
            "tags": ["users"],
            "parameters": parameters(operation, self.passes),
            "responses": self.responses(operation, components),
        });
        if !self.passes && !remark.is_empty() {
            document["description"] = format!("In translation: {remark}.").into();
        }
        if let Some(schema) = operation.request_schema {
            document["requestBody"] = self.request_body(operation.name, schema, components);
        }
        document
    }

    fn session_endpoint(&self, endpoint: &SessionEndpoint, components: &mut Components) -> Value {
        let reference = components.schema(&format!("{}.response", endpoint.name), endpoint.response_schema);
        let mut responses = Map::new();
        let mut names = ANY.to_vec();
        names.push("Cache-Control");
        let headers = references(&names);
        let success =
            json!({ "description": "It is done.", "headers": headers, "content": self.content(&reference, false) });
        responses.insert("200".to_owned(), success);
        names.extend(REFUSAL);
        let applies = |kind, concerns| match concerns {
            Concerns::All => !matches!(kind, ErrorKind::BadReply | ErrorKind::Unavailable),
            Concerns::Bodies => endpoint.request_schema.is_some(),
            Concerns::Writes | Concerns::Translations => false,
        };
        responses.extend(self.refusals(&references(&names), applies, components));
        let mut document = json!({
            "operationId": endpoint.name,
            "tags": ["sessions"],
            "description": "For clients that have a login; for others, as if it were not here.",
            "parameters": [request_id_parameter()],
            "responses": responses,
            "security": [],
        });
        if !endpoint.act.is_for_anybody() {
            let styles = self.dialect().credentials.iter().filter(|style| style.scheme.is_some());
            document["security"] = styles.map(|style| json!({ security_name(style): [] })).collect();
        }
        if let Some(schema) = endpoint.request_schema {
            document["requestBody"] = self.request_body(endpoint.name, schema, components);
        }
        document
    }

    fn request_body(&self, name: &str, schema: &str, components: &mut Components) -> Value {
        let reference = components.schema(&format!("{name}.request"), schema);
        json!({ "required": true, "content": self.content(&reference, true) })
    }

    /// A document of a schema. Requests are read as plain JSON, too.
    fn content(&self, reference: &Value, is_request: bool) -> Value {
        let mut content = json!({ self.dialect().media_type: { "schema": reference } });
        if is_request {
            content["application/json"] = json!({ "schema": reference });
        }
        content
    }

    fn responses(&self, operation: &Operation, components: &mut Components) -> Value {
        let mut responses = Map::new();
        if self.passes || !matches!(operation.translated, Translated::Refused(_)) {
            let (status, tells_of_user) = self.success(operation);
            let mut names = self.headers_of(operation);
            names.extend(tells_of_user.then_some("ETag"));
            if !self.passes {
                names.extend(TRANSLATED);
            }
            let mut success = json!({ "description": "It is done.", "headers": references(&names) });
            if let Some(schema) = operation.response_schema {
                let reference = components.schema(&format!("{}.response", operation.name), schema);
                success["content"] = self.content(&reference, false);
            }
            responses.insert(status, success);
            if tells_of_user && operation.access == Access::Read {
                let description = "The client has this version already: `If-None-Match`.";
                let unchanged = json!({ "description": description, "headers": references(&names) });
                responses.insert("304".to_owned(), unchanged);
            }
        }
        let mut names = self.headers_of(operation);
        names.extend(REFUSAL);
        let headers = references(&names);
        let applies = |_, concerns| match concerns {
            Concerns::All => true,
            Concerns::Writes => operation.access == Access::Write,
            Concerns::Bodies => operation.request_schema.is_some(),
            Concerns::Translations => !self.passes,
        };
        responses.extend(self.refusals(&headers, applies, components));
        if self.passes {
            let other = json!({ "description": "What the upstream says, as it comes.", "headers": headers });
            responses.insert("default".to_owned(), components.response("default", other));
        }
        responses.into()
    }

    /// The headers that any answer to the operation may have.
    fn headers_of(&self, operation: &Operation) -> Vec<&'static str> {
        let mut names = ANY.to_vec();
        names.extend(self.vendors_headers().map(|(name, _)| name));
        names.extend((operation.access == Access::Write).then_some("Idempotency-Replayed"));
        names
    }

    /// The vendor's own headers, where answers pass, with what they say.
    fn vendors_headers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let headers = self.dialect().rate_headers.filter(|_| self.passes).map(|headers| {
            [
                (headers.limit, "How many calls the vendor allows in a window."),
                (headers.remaining, "How many of them are left."),
                (headers.reset, "When the window ends, in seconds since 1970."),
            ]
        });
        headers.into_iter().flatten()
    }

    /// Every header of an answer.
    fn headers(&self) -> Value {
        let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
        let whole =
            |description: &str| json!({ "description": description, "schema": { "type": "integer", "minimum": 0 } });
        let mut headers = json!({
            "Allow": text("The methods that the path knows, with 405."),
            "ETag": text("The version of the user that is shown, or was changed."),
            "Idempotency-Replayed": text("`true` where the answer is that to an earlier request with the same key."),
            "Interlingua-Fault": text("Whose fault it is: `client`, `gateway`, or `upstream` and its name."),
            "Interlingua-Fidelity":
                text("How many fields could not be carried, by kind, and the id of the report on them."),
            "Preference-Applied": text("The preference that was followed."),
            "RateLimit": text("Where the client has a rate: `r` requests are left, and in `t` seconds all of them again."),
            "RateLimit-Policy": text("Where the client has a rate: it may send `q` requests in `w` seconds."),
            "Retry-After": whole("In how many seconds it may be tried again, where that is known."),
            "Strict-Transport-Security": text("That browsers are to use TLS only, where the listener has `hsts`."),
            "X-Request-Id": text("The id of the request, in logs and reports, too."),
        });
        if self.face.sessions().is_some() {
            headers["Cache-Control"] = text("`no-store`: what stands there is for the client alone.");
        }
        for (name, description) in self.vendors_headers() {
            headers[name] = whole(description);
        }
        headers
    }

    /// The status of an answer that says that it is done, and whether it tells of one user.
    fn success(&self, operation: &Operation) -> (String, bool) {
        let id = self.face.fresh_user_id(*self.dialect().fresh_ids.start());
        let page = PageRequest::At(None);
        let users = UserPage { query: UserQuery::default(), page, users: Vec::new(), total: Some(0), next: None };
        let outcomes =
            [(Outcome::User(Box::new(User::new(id))), true), (Outcome::Users(users), false), (Outcome::Done, false)];
        let mut written = outcomes.iter().filter_map(|(outcome, is_user)| {
            let writing = self.face.write(operation.name, outcome).ok()?;
            // What passes is known by what it shows; what was translated is known, and nobody needs it beside no document.
            let body = &writing.response.body;
            let tells = if self.passes { shows_a_user(body) } else { !body.is_empty() };
            Some((writing.response.status.as_str().to_owned(), *is_user && tells))
        });
        // What means nothing elsewhere has an answer of its vendor's only.
        written.next().unwrap_or(("2XX".to_owned(), false))
    }

    /// The refusals that apply, by status, each with what it means.
    fn refusals(
        &self,
        headers: &Map<String, Value>,
        applies: impl Fn(ErrorKind, Concerns) -> bool,
        components: &mut Components,
    ) -> Map<String, Value> {
        let mut failures: BTreeMap<StatusCode, Vec<_>> = BTreeMap::new();
        for (kind, _, words) in FAILURES.iter().filter(|(kind, concerns, _)| applies(*kind, *concerns)) {
            failures.entry(self.face.write_error(&Error::new(*kind, "")).status).or_default().push(*words);
        }
        let described = failures.into_iter().map(|(status, reasons)| {
            let failure = json!({
                "description": reasons.join("; or "),
                "headers": headers,
                "content": self.content(&json!({ "$ref": "#/components/schemas/error" }), false),
            });
            (status.as_str().to_owned(), components.response(status.as_str(), failure))
        });
        described.collect()
    }
}

fn shows_a_user(body: &[u8]) -> bool {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    document.get("data").unwrap_or(&document).is_object()
}

// === parts ===

fn header(name: &str, words: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "header", "description": words, "schema": schema })
}

fn request_id_parameter() -> Value {
    header(
        REQUEST_ID.as_str(),
        "The client's own id for the request, of letters, digits and `._-`; else the gateway makes one.",
        json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$" }),
    )
}

fn parameters(operation: &Operation, passes: bool) -> Vec<Value> {
    let path = operation.path.to_string();
    let path = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let path =
        path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": path_schema(operation) }));
    let query = operation.query.iter().map(|name| match name.ends_with("[]") {
        true => json!({
            "name": name, "in": "query", "explode": true,
            "schema": { "type": "array", "items": { "type": "string" } },
        }),
        false => json!({ "name": name, "in": "query", "schema": { "type": "string" } }),
    });
    let text = || json!({ "type": "string" });
    let mut headers = vec![request_id_parameter()];
    if !passes {
        let handling = json!({ "enum": ["handling=strict", "handling=lenient"] });
        headers.push(header(PREFER.as_str(), "Whether a loss is an error, or is told.", handling));
    }
    if operation.access == Access::Write {
        let key = json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[A-Za-z0-9-]+$" });
        headers.push(header(IDEMPOTENCY_KEY.as_str(), "Repeats with the same key are carried out once.", key));
        headers.push(header("if-match", "Only if the user still is of this version.", text()));
    } else {
        headers.push(header("if-none-match", "No document if the user still is of this version.", text()));
    }
    path.chain(query).chain(headers).collect()
}

/// The form that the parameters of the path have.
fn path_schema(operation: &Operation) -> Value {
    match operation.path.check(&["x".to_owned()]) {
        Ok(()) => json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]+$" }),
        Err(_) => json!({ "type": "integer", "minimum": 1, "maximum": i32::MAX }),
    }
}

fn references(names: &[&str]) -> Map<String, Value> {
    let reference = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    names.iter().map(reference).collect()
}

fn security_name(style: &CredentialStyle) -> String {
    style.scheme.unwrap_or(style.header).to_lowercase()
}

fn security_scheme(style: &CredentialStyle) -> Value {
    match style.scheme {
        Some(scheme) => json!({ "type": "http", "scheme": scheme.to_lowercase() }),
        None => json!({ "type": "apiKey", "in": "header", "name": style.header }),
    }
}

/// What several operations refer to.
#[derive(Default)]
struct Components {
    schemas: Map<String, Value>,
    responses: Map<String, Value>,
}

impl Components {
    /// The reference to a schema. One that is there already is not there twice.
    fn schema(&mut self, name: &str, schema: &str) -> Value {
        let mut schema: Value = serde_json::from_str(schema).unwrap_or_default();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$schema");
        }
        let title = schema["title"].clone();
        let same = |(_, other): &(&String, &Value)| other["title"] == title && !title.is_null();
        let name = self.schemas.iter().find(same).map_or(name, |(name, _)| name).to_owned();
        lead_below(&mut schema, &format!("#/components/schemas/{name}/$defs/"));
        self.schemas.insert(name.clone(), schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// The reference to a response, under its status and a number, as there may be several.
    fn response(&mut self, status: &str, response: Value) -> Value {
        let mut names = (1..).map(|number| format!("{status}-{number}"));
        let is_free = |name: &String| self.responses.get(name).is_none_or(|known| *known == response);
        let name = names.find(is_free).expect("numbers do not end");
        self.responses.insert(name.clone(), response);
        json!({ "$ref": format!("#/components/responses/{name}") })
    }
}

/// References within a schema, where it stands in a larger document.
fn lead_below(node: &mut Value, place: &str) {
    match node {
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| match value {
            Value::String(text) if name == "$ref" => *text = text.replace("#/$defs/", place),
            value => lead_below(value, place),
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| lead_below(item, place)),
        _ => (),
    }
}
