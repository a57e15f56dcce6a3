//! An adapter's schemas, compiled: what a request must be before anybody reads it, and what an answer must be before
//! it leaves.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use crate::{
    adapter::{Adapter, Dialect, NoOperation, Operation, Reading},
    error::{Error, ErrorKind, Problem, Result},
    json,
    message::{Request, Response},
    note::{Document, Note, Place, pointer_token},
    schema::{Schema, SchemaError},
};

/// The compiled schemas of one dialect.
#[derive(Debug)]
pub struct Validator {
    requests: HashMap<&'static str, Schema>,
    responses: HashMap<&'static str, Schema>,
    error: Schema,
}

impl Validator {
    /// Compiles the schemas of a dialect.
    ///
    /// # Errors
    ///
    /// A schema that cannot be used.
    pub fn new(dialect: &Dialect) -> Result<Self, SchemaError> {
        let compile = |select: fn(&Operation) -> Option<&'static str>| {
            let schemas = dialect.operations.iter().filter_map(|operation| Some((operation.name, select(operation)?)));
            schemas.map(|(name, schema)| Ok((name, Schema::compile(schema)?))).collect::<Result<_, SchemaError>>()
        };
        Ok(Self {
            requests: compile(|operation| operation.request_schema)?,
            responses: compile(|operation| operation.response_schema)?,
            error: Schema::compile(dialect.error_schema)?,
        })
    }

    /// Finds the operation that a request means and checks the body against its schema.
    ///
    /// Members that the schema does not know, and parameters of the query that the operation does not have, come back as
    /// notes: to pass the request on as it came is no loss, to translate it is one. A note names a parameter as if the
    /// query were a document, such as `/page`.
    ///
    /// # Errors
    ///
    /// No such path or method, no JSON, or every problem that the schema finds, with a pointer each.
    pub fn request<'a>(&self, dialect: &'a Dialect, request: &Request) -> Result<(&'a Operation, Vec<Note>)> {
        let (operation, parameters) = dialect.find(&request.method, &request.path).map_err(no_operation)?;
        operation.path.check(&parameters)?;
        let mut notes = unknown_parameters(operation, &request.query);
        let Some(schema) = self.requests.get(operation.name) else { return Ok((operation, notes)) };
        let findings = schema.check(Document::Request, &json::parse(&request.body)?);
        if !findings.problems.is_empty() {
            return Err(Error::invalid(findings.problems));
        }
        let unknown = findings.unknown.into_iter();
        notes.extend(
            unknown.map(|pointer| Note::dropped(Place::request(pointer), "not a known member of this request")),
        );
        Ok((operation, notes))
    }

    /// [`request`](Self::request), and what the request means. Where the adapter [vouches](Adapter::read_valid) for the
    /// request the schema is not asked.
    ///
    /// # Errors
    ///
    /// Those of `request`. What the adapter says of one that is valid is for the caller: not all that is valid means
    /// something.
    pub fn read<'a>(
        &self,
        adapter: &'a dyn Adapter,
        request: &Request,
    ) -> Result<(&'a Operation, Vec<Note>, Result<Reading>)> {
        if let Some(reading) = adapter.read_valid(request)
            && let Some(operation) = adapter.dialect().operation(&reading.operation)
        {
            return Ok((operation, Vec::new(), Ok(reading)));
        }
        let (operation, notes) = self.request(adapter.dialect(), request)?;
        Ok((operation, notes, adapter.read(request)))
    }

    /// Checks an answer to a request for `operation`.
    ///
    /// # Errors
    ///
    /// What is wrong with it. It is our fault and not the client's.
    pub fn response(&self, operation: &str, response: &Response) -> Result<(), Vec<Problem>> {
        let schema = if response.status.is_success() { self.responses.get(operation) } else { Some(&self.error) };
        match schema {
            Some(schema) => check(schema, response),
            None if response.body.is_empty() => Ok(()),
            None => Err(vec![Problem::new(Place::response(""), "expected no body")]),
        }
    }
}

fn check(schema: &Schema, response: &Response) -> Result<(), Vec<Problem>> {
    let value = json::parse(&response.body)
        .map_err(|error| vec![Problem::new(Place::response(""), error.message().to_owned())])?;
    let findings = schema.check(Document::Response, &value);
    if findings.problems.is_empty() { Ok(()) } else { Err(findings.problems) }
}

fn unknown_parameters(operation: &Operation, query: &str) -> Vec<Note> {
    let names: BTreeSet<_> = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).collect();
    let unknown = names.into_iter().filter(|name| !operation.query.contains(&&**name));
    let place = |name: Cow<'_, str>| Place::request(format!("/{}", pointer_token(&name)));
    unknown.map(|name| Note::dropped(place(name), "not a query parameter of this operation")).collect()
}

fn no_operation(reason: NoOperation) -> Error {
    match reason {
        NoOperation::NoSuchPath => Error::new(ErrorKind::NoSuchPath, "there is no such path"),
        NoOperation::MethodNotAllowed(allowed) => {
            let allowed: Vec<_> = allowed.iter().map(http::Method::as_str).collect();
            Error::new(ErrorKind::MethodNotAllowed, format!("this path knows only {}", allowed.join(", ")))
                .with_allowed(allowed.join(", "))
        }
    }
}
