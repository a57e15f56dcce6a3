//! Whether an upstream's answers are still what its dialect takes them for.
//!
//! Nothing is refused because of it: what an adapter needs, it asks for itself. But a vendor that renames a member, or
//! adds one, says so nowhere else. Answers to plans are looked at now and then, so that it costs next to nothing, and what
//! is found is told once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use interlingua_core::{
    Adapter, Call, Document, Field, Reply, Response, Shape, Validator, http::StatusCode, without_indices,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::metrics::Counter;

/// So long no other answer is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// Larger answers are not looked at.
const LARGEST: usize = 256 << 10;

/// So much is told of one upstream; whoever has read it knows enough.
const MOST: usize = 100;

/// How a member is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    New,
    Missing,
    Retyped,
}

impl Change {
    pub(crate) const ALL: [Self; 3] = [Self::New, Self::Missing, Self::Retyped];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Missing => "missing",
            Self::Retyped => "retyped",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Drift {
    validator: Arc<Validator>,
    start: Instant,
    /// When the next answer is looked at, in milliseconds since the start.
    next: AtomicU64,
    pub(crate) looks: Counter,
    known: Mutex<BTreeSet<(Change, String)>>,
    found: [Counter; Change::ALL.len()],
}

impl Drift {
    pub(crate) fn new(validator: Arc<Validator>) -> Self {
        Self {
            validator,
            start: Instant::now(),
            next: AtomicU64::default(),
            looks: Counter::default(),
            known: Mutex::default(),
            found: Default::default(),
        }
    }

    /// How many members changed in this way.
    pub(crate) fn found(&self, change: Change) -> u64 {
        self.found[change as usize].value()
    }

    /// Looks at an answer of the upstream of this name, if it is time for another one.
    pub(crate) fn look(&self, upstream: &str, adapter: &dyn Adapter, call: &Call, reply: &Reply) {
        if !self.is_time() || !reply.status.is_success() || reply.body.is_empty() || reply.body.len() > LARGEST {
            return;
        }
        let path = call.target.split('?').next().unwrap_or_default();
        let Ok((operation, _)) = adapter.dialect().find(&call.method, path) else { return };
        self.looks.add(1);
        for (change, pointer) in self.changes(operation.name, operation.response_schema, reply) {
            if !self.is_news(change, &pointer) {
                continue;
            }
            self.found[change as usize].add(1);
            let fields = affected(adapter, &pointer).join(", ");
            tracing::warn!(
                upstream,
                operation = operation.name,
                pointer,
                change = change.name(),
                fields,
                "an upstream's answers are not what they were"
            );
        }
    }

    /// Of those that ask at the same time, one is told that it is.
    fn is_time(&self) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Relaxed);
        let pause = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
        now >= next && self.next.compare_exchange(next, now.saturating_add(pause), Relaxed, Relaxed).is_ok()
    }

    fn changes(&self, operation: &str, schema: Option<&str>, reply: &Reply) -> BTreeSet<(Change, String)> {
        let Ok(document) = serde_json::from_slice::<Value>(&reply.body) else { return BTreeSet::new() };
        let response = |status| Response::new(status, reply.body.clone());
        let problems = self.validator.response(operation, &response(StatusCode::OK)).err().unwrap_or_default();
        // A refusal may say 200.
        let is_refusal = || self.validator.response(operation, &response(StatusCode::INTERNAL_SERVER_ERROR)).is_ok();
        if !problems.is_empty() && is_refusal() {
            return BTreeSet::new();
        }
        let unknown = schema.map(Shape::of).unwrap_or_default().unknown(&document);
        let new = unknown.into_iter().map(|pointer| (Change::New, pointer));
        let others = problems.iter().map(|problem| {
            let change = if problem.expected == "required" { Change::Missing } else { Change::Retyped };
            (change, without_indices(&problem.place.to_string()).into_owned())
        });
        new.chain(others).collect()
    }

    fn is_news(&self, change: Change, pointer: &str) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.len() < MOST && known.insert((change, pointer.to_owned()))
    }
}

/// The fields of a user that stand at a place of an upstream's document, above or below it, by their canonical names.
fn affected(adapter: &dyn Adapter, pointer: &str) -> Vec<String> {
    let is_within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let stands_there = |field: &Field| {
        let at = adapter.pointer(field, Document::Upstream);
        let listed = adapter.in_list(&at, 0);
        let places = [without_indices(&at), without_indices(&listed)];
        !at.is_empty() && places.iter().any(|at| is_within(at, pointer) || is_within(pointer, at))
    };
    Field::PLAIN.iter().filter(|field| stands_there(field)).map(|field| field.name().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use interlingua_core::http::Method;
    use interlingua_textus::Textus;
    use serde_json::json;
    use tokio::time::advance;

    use super::*;

    fn user() -> Value {
        json!({
            "@type": "User", "@context": "/contexts/User.jsonld", "id": "/users/wqyODPA", "name": "Chuck Norris",
            "email": "chuck@textus.example", "automatedActor": false, "settings": {"customSettings": {"free": 1}}
        })
    }

    fn found(document: &Value) -> Vec<(Change, String)> {
        let textus = Textus::new();
        let drift = Drift::new(Arc::new(Validator::new(textus.dialect()).unwrap()));
        let reply = Reply::new(StatusCode::OK, document.to_string());
        let operation = textus.dialect().operation("get-user").unwrap();
        drift.changes(operation.name, operation.response_schema, &reply).into_iter().collect()
    }

    fn without(member: &str) -> Value {
        let mut user = user();
        user.as_object_mut().unwrap().remove(member);
        user
    }

    #[test]
    fn what_is_new_missing_or_retyped_is_found() {
        assert_eq!(found(&user()), []);
        let changed = |member: &str, value: Value| {
            let mut user = user();
            user[member] = value;
            found(&user)
        };
        assert_eq!(changed("pronouns", json!("they")), [(Change::New, "/pronouns".into())]);
        assert_eq!(changed("email", json!(["a"])), [(Change::Retyped, "/email".into())]);
        assert_eq!(found(&without("id")), [(Change::Missing, "/id".into())]);
    }

    #[test]
    fn the_fields_that_it_affects_are_named() {
        let textus = Textus::new();
        assert_eq!(affected(&textus, "/email"), ["email"]);
        assert_eq!(affected(&textus, "/memberships/members/*/role"), ["grants", "grants.role", "grants.scope"]);
        assert_eq!(affected(&textus, "/members/*/email"), ["email"]);
        assert_eq!(affected(&textus, "/pronouns"), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_once_and_looked_at_now_and_then() {
        let textus = Textus::new();
        let drift = Drift::new(Arc::new(Validator::new(textus.dialect()).unwrap()));
        let call = Call::read(Method::GET, "/users/wqyODPA?x=1");
        let mut changed = user();
        changed["pronouns"] = json!("they");
        let reply = Reply::new(StatusCode::OK, changed.to_string());
        for _ in 0..3 {
            drift.look("textus", &textus, &call, &reply);
            drift.look("textus", &textus, &call, &reply);
            advance(PAUSE).await;
        }
        assert_eq!((drift.looks.value(), drift.found(Change::New), drift.found(Change::Retyped)), (3, 1, 0));
    }
}
