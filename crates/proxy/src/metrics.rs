//! What is counted of requests, and how it is told, in the text format of Prometheus.
//!
//! Requests and calls have the names that OpenTelemetry has for them. All that can be counted is known when the gateway
//! starts, or stands in a table by status that is made when it is first needed: to count is to add to atomics, and takes
//! no lock. Nothing that a client writes becomes a label.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use interlingua_core::{
    Adapter, Document, Effect, ErrorKind, Fault, Field, LossPolicy, NOTIFY_AUDIO, NOTIFY_EMAIL, NoteKind, Sessions,
    Shape, pointer_token, without_indices,
};

use crate::{report::Entry, trace::Seen};

// === Numbers ===

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Up to how many seconds each bucket counts: those that OpenTelemetry advises, and two below them.
const BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How long things took.
#[derive(Debug, Default)]
struct Histogram {
    /// Each for itself, and last those that took longer.
    buckets: [Counter; BUCKETS.len() + 1],
    microseconds: Counter,
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.buckets[BUCKETS.partition_point(|limit| *limit < seconds)].add(1);
        self.microseconds.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn write(&self, text: &mut String, name: &str, labels: &str) {
        let mut count = 0;
        let limits = BUCKETS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bucket, limit) in self.buckets.iter().zip(limits) {
            count += bucket.value();
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{limit}\"}} {count}");
        }
        #[expect(clippy::cast_precision_loss, reason = "a sum of durations")]
        let sum = self.microseconds.value() as f64 / 1e6;
        let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}");
    }
}

/// The methods that have a name of their own in metrics.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::HEAD,
    Method::PATCH,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];

/// A method, by its place among [`METHODS`]; one that is not among them is after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verb(usize);

impl Verb {
    pub(crate) fn of(method: &Method) -> Self {
        Self(METHODS.iter().position(|known| known == method).unwrap_or(METHODS.len()))
    }

    pub(crate) fn is_known(self) -> bool {
        self.0 < METHODS.len()
    }

    pub(crate) fn name(self) -> &'static str {
        // As OpenTelemetry calls what nobody has heard of.
        const NAMES: [&str; METHODS.len() + 1] =
            ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "_OTHER"];
        NAMES[self.0]
    }
}

/// No status is lower, and none is as high.
const STATUSES: std::ops::Range<usize> = 100..1000;

/// A histogram for each of [`STATUSES`] that has come up.
type ByStatus = Box<[OnceLock<Box<Histogram>>]>;

/// How long requests took, by method and status.
#[derive(Debug, Default)]
struct Durations([OnceLock<ByStatus>; METHODS.len() + 1]);

impl Durations {
    fn observe(&self, method: Verb, status: StatusCode, took: Duration) {
        let statuses = self.0[method.0].get_or_init(|| STATUSES.map(|_| OnceLock::new()).collect());
        let status = usize::from(status.as_u16()) - STATUSES.start;
        statuses[status].get_or_init(Box::default).observe(took);
    }

    fn write(&self, text: &mut String, name: &str, labels: &str) {
        for (method, statuses) in self.0.iter().enumerate() {
            for (status, histogram) in statuses.get().into_iter().flatten().enumerate() {
                let Some(histogram) = histogram.get() else { continue };
                let (method, status) = (Verb(method).name(), STATUSES.start + status);
                let http = format!("http_request_method=\"{method}\",http_response_status_code=\"{status}\"");
                histogram.write(text, name, &format!("{labels},{http}"));
            }
        }
    }
}

// === Requests ===

/// What requests that are for none of the dialect's operations are counted as.
const OTHERS: [&str; 3] = ["", "fallback", "file"];

/// What came of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Whole,
    Lossy,
    Repeated,
    Refused,
    Failed,
    Undone,
    Partial,
}

impl Outcome {
    const NAMES: [&str; 7] = ["whole", "lossy", "repeated", "refused", "failed", "undone", "partial"];

    fn of(seen: &Seen) -> Self {
        match (seen.failure.get(), seen.success.get()) {
            (Some(failure), _) if failure.kind == ErrorKind::Partial => Self::Partial,
            (Some(failure), _) if failure.is_undone => Self::Undone,
            (Some(failure), _) if failure.fault == Fault::Client => Self::Refused,
            (Some(_), _) => Self::Failed,
            (None, Some(success)) if success.dropped + success.narrowed > 0 => Self::Lossy,
            (None, Some(_)) => Self::Whole,
            // Nothing was translated: what came of the first request was told once more.
            (None, None) => Self::Repeated,
        }
    }
}

/// What is counted of one operation.
#[derive(Debug, Default)]
struct Operation {
    name: &'static str,
    /// Whether it is one of the dialect's, and may be translated.
    is_own: bool,
    requests: Durations,
    translations: [Counter; Outcome::NAMES.len()],
    invalid: Counter,
    calls: Counter,
}

/// What is counted of a face and an upstream, whichever listeners join them.
#[derive(Debug)]
pub(crate) struct Pair {
    face: &'static str,
    upstream: String,
    translates: bool,
    operations: Vec<Operation>,
    failures: [[Counter; Fault::ALL.len()]; ErrorKind::ALL.len()],
    lost: Lost,
}

/// A request that has been answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Verb,
    pub(crate) status: StatusCode,
    pub(crate) took: Duration,
    pub(crate) seen: &'a Seen,
}

impl Pair {
    fn new(face: &dyn Adapter, upstream: &str, of_upstream: &dyn Adapter, loss: &LossPolicy) -> Self {
        let own = face.dialect().operations.iter().map(|operation| (operation.name, true));
        let sessions = face.sessions().into_iter().flat_map(Sessions::endpoints);
        let others = sessions.map(|endpoint| endpoint.name).chain(OTHERS).map(|name| (name, false));
        Self {
            face: face.dialect().name,
            upstream: upstream.to_owned(),
            translates: translates(face, of_upstream),
            operations: own
                .chain(others)
                .map(|(name, is_own)| Operation { name, is_own, ..Operation::default() })
                .collect(),
            failures: Default::default(),
            lost: Lost::new(face, of_upstream, loss),
        }
    }

    /// What no route is for.
    fn nobody() -> Self {
        Self {
            face: "",
            upstream: String::new(),
            translates: false,
            operations: vec![Operation::default()],
            failures: Default::default(),
            lost: Lost::default(),
        }
    }

    /// Counts a request.
    pub(crate) fn count(&self, Request { method, status, took, seen }: Request<'_>) {
        let Some(operation) = self.operation(seen) else { return };
        operation.requests.observe(method, status, took);
        operation.calls.add(u64::from(seen.calls.load(Relaxed)));
        if let Some(outcome) = self.translated(operation, seen) {
            operation.translations[outcome as usize].add(1);
        }
        let Some(failure) = seen.failure.get() else { return };
        self.failures[failure.kind.position()][failure.fault as usize].add(1);
        if failure.effect == Effect::NothingSent && matches!(failure.kind, ErrorKind::Malformed | ErrorKind::Invalid) {
            operation.invalid.add(1);
        }
    }

    /// What came of a request, if it was to be translated, as labels have it.
    pub(crate) fn outcome(&self, seen: &Seen) -> Option<&'static str> {
        let outcome = self.translated(self.operation(seen)?, seen);
        outcome.map(|outcome| Outcome::NAMES[outcome as usize])
    }

    fn operation(&self, seen: &Seen) -> Option<&Operation> {
        let name = seen.operation.get().copied().unwrap_or_default();
        self.operations.iter().find(|operation| operation.name == name).or(self.operations.last())
    }

    fn translated(&self, operation: &Operation, seen: &Seen) -> Option<Outcome> {
        (self.translates && operation.is_own).then(|| Outcome::of(seen))
    }

    /// Counts what a translation could not carry.
    pub(crate) fn lost(&self, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.lost.count(entry));
    }

    fn labels(&self) -> String {
        format!("face=\"{}\",upstream=\"{}\"", escaped(self.face), escaped(&self.upstream))
    }
}

fn translates(face: &dyn Adapter, upstream: &dyn Adapter) -> bool {
    face.dialect().name != upstream.dialect().name
}

// === Losses ===

const DOCUMENTS: [Document; 3] = [Document::Request, Document::Response, Document::Upstream];

/// How often something was dropped, and narrowed.
type Losses = [(NoteKind, Counter); 2];

/// What was lost, by pointer. A member that no schema names is counted with the nearest above it that one does.
#[derive(Debug, Default)]
struct Lost {
    /// By document, as in [`DOCUMENTS`].
    known: [HashMap<String, Losses>; DOCUMENTS.len()],
}

/// What is at no place that anybody knows.
const ELSEWHERE: &str = "other";

impl Lost {
    fn new(face: &dyn Adapter, upstream: &dyn Adapter, loss: &LossPolicy) -> Self {
        let mut lost = Self::default();
        for (index, document) in DOCUMENTS.into_iter().enumerate() {
            let adapter = if document == Document::Upstream { upstream } else { face };
            let mut pointers: Vec<String> = vec![ELSEWHERE.to_owned()];
            for operation in &adapter.dialect().operations {
                let schema =
                    if document == Document::Request { operation.request_schema } else { operation.response_schema };
                let shape = schema.map(Shape::of).unwrap_or_default();
                let query = operation.query.iter().filter(|_| document == Document::Request);
                pointers.extend(query.map(|name| format!("/{}", pointer_token(name))));
                pointers.extend(shape.members().flat_map(|member| [member.to_owned(), format!("{member}/*")]));
            }
            let preferences = [NOTIFY_EMAIL, NOTIFY_AUDIO].map(|key| Field::Preference(key.into()));
            let fields = Field::PLAIN.into_iter().chain(preferences);
            pointers.extend(fields.map(|field| without_indices(&adapter.pointer(&field, document)).into_owned()));
            pointers.extend(loss.fields.keys().map(ToString::to_string));
            let none = || [NoteKind::Dropped, NoteKind::Narrowed].map(|kind| (kind, Counter::default()));
            lost.known[index] = pointers.into_iter().map(|pointer| (pointer, none())).collect();
        }
        lost
    }

    fn count(&self, entry: &Entry) {
        let Some(known) = DOCUMENTS.iter().position(|document| *document == entry.document) else { return };
        let Some(losses) = nearest(&self.known[known], &entry.pointer) else { return };
        if let Some((_, counter)) = losses.iter().find(|(kind, _)| *kind == entry.kind) {
            counter.add(1);
        }
    }
}

fn nearest<'a>(known: &'a HashMap<String, Losses>, pointer: &str) -> Option<&'a Losses> {
    let pointer = without_indices(pointer);
    let mut above = &*pointer;
    if let Some(losses) = known.get(above) {
        return Some(losses);
    }
    while let Some((parent, _)) = above.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
        if let Some(losses) = known.get(&format!("{parent}/*")) {
            return Some(losses);
        }
        above = parent;
    }
    known.get(ELSEWHERE)
}

// === Calls ===

/// What is counted of the calls of one upstream: each try for itself.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    answered: Durations,
    /// Those that got no answer, by why.
    failed: [[OnceLock<Box<Histogram>>; ErrorKind::ALL.len()]; METHODS.len() + 1],
}

impl Calls {
    /// Counts a try.
    pub(crate) fn count(&self, method: Verb, came: Result<StatusCode, ErrorKind>, took: Duration) {
        match came {
            Ok(status) => self.answered.observe(method, status, took),
            Err(kind) => self.failed[method.0][kind.position()].get_or_init(Box::default).observe(took),
        }
    }

    fn write(&self, text: &mut String, name: &str, labels: &str) {
        self.answered.write(text, name, labels);
        for (method, kinds) in self.failed.iter().enumerate() {
            for (kind, histogram) in ErrorKind::ALL.into_iter().zip(kinds) {
                let Some(histogram) = histogram.get() else { continue };
                let (method, kind) = (Verb(method).name(), word(kind));
                let labels = format!("{labels},http_request_method=\"{method}\",error_type=\"{kind}\"");
                histogram.write(text, name, &labels);
            }
        }
    }
}

/// A kind as labels are spelled: `bad_reply`.
pub(crate) fn word(kind: ErrorKind) -> String {
    let mut word = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

// === All of it ===

/// All that is counted of requests.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// By face and upstream. Looked into when the gateway starts and when somebody asks, and not for a request.
    pairs: Mutex<BTreeMap<(&'static str, String), Arc<Pair>>>,
    /// Requests that no route is for.
    pub(crate) nobody: Arc<Pair>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { pairs: Mutex::default(), nobody: Arc::new(Pair::nobody()) }
    }
}

impl Metrics {
    /// What is counted of a face and an upstream.
    pub(crate) fn pair(
        &self,
        face: &dyn Adapter,
        upstream: &str,
        of_upstream: &dyn Adapter,
        loss: &LossPolicy,
    ) -> Arc<Pair> {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Pair::new(face, upstream, of_upstream, loss));
        let pair = pairs.entry((face.dialect().name, upstream.to_owned())).or_insert_with(fresh);
        // Another configuration may mean another server by the same name.
        if pair.translates != translates(face, of_upstream) {
            *pair = fresh();
        }
        Arc::clone(pair)
    }

    /// All that was counted, and of the calls of these upstreams.
    pub(crate) fn text<'a>(&self, upstreams: impl Iterator<Item = (&'a str, &'a Calls)>) -> String {
        let pairs: Vec<_> = self.pairs.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let mut text = String::new();
        head(&mut text, "interlingua_build_info", "gauge", "Which program this is.");
        let _ = writeln!(
            text,
            "interlingua_build_info{{version=\"{}\",os=\"{}\",arch=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        );
        let name = "http_server_request_duration_seconds";
        head(&mut text, name, "histogram", "How long requests took, to the end of their answer.");
        for pair in pairs.iter().chain([&self.nobody]) {
            for operation in &pair.operations {
                let labels = format!("{},operation=\"{}\"", pair.labels(), operation.name);
                operation.requests.write(&mut text, name, &labels);
            }
        }
        let name = "http_client_request_duration_seconds";
        head(&mut text, name, "histogram", "How long calls of upstreams took, each try for itself.");
        for (upstream, calls) in upstreams {
            calls.write(&mut text, name, &format!("upstream=\"{}\"", escaped(upstream)));
        }
        write_pairs(&mut text, &pairs, &self.nobody);
        text
    }
}

/// A metric of pairs: its name, its help, and its further labels and numbers; those that are zero are left out.
type OfPairs = (&'static str, &'static str, fn(&Pair) -> Vec<(String, u64)>);

const OF_PAIRS: [OfPairs; 5] = [
    ("translations_total", "Requests that were to be translated, by what came of them.", |pair| {
        let operations = pair.operations.iter().filter(|_| pair.translates);
        let outcomes = operations.flat_map(|operation| {
            let counted = Outcome::NAMES.iter().zip(&operation.translations);
            counted.map(|(outcome, count)| {
                (format!("operation=\"{}\",outcome=\"{outcome}\"", operation.name), count.value())
            })
        });
        outcomes.collect()
    }),
    ("fields_lost_total", "Fields that a translation dropped or narrowed, by pointer.", |pair| {
        let documents = DOCUMENTS.iter().zip(&pair.lost.known);
        let places = documents.flat_map(|(document, known)| known.iter().map(move |known| (document, known)));
        let losses = places.flat_map(|(document, (pointer, losses))| {
            losses.iter().map(move |(kind, count)| {
                let (document, pointer) = (document.name(), escaped(pointer));
                (format!("document=\"{document}\",pointer=\"{pointer}\",kind=\"{kind}\""), count.value())
            })
        });
        let mut losses: Vec<_> = losses.collect();
        losses.sort();
        losses
    }),
    ("validation_failures_total", "Requests that break a rule of their own API.", |pair| {
        of_operations(pair, |operation| &operation.invalid)
    }),
    ("plan_calls_total", "Calls that plans took.", |pair| of_operations(pair, |operation| &operation.calls)),
    ("failures_total", "Requests that failed, by whose fault it was, and why.", |pair| {
        let kinds = ErrorKind::ALL.into_iter().zip(&pair.failures);
        let faults = kinds.flat_map(|(kind, faults)| {
            Fault::ALL.iter().zip(faults).map(move |(fault, count)| {
                (format!("fault=\"{}\",kind=\"{}\"", fault.name(), word(kind)), count.value())
            })
        });
        faults.collect()
    }),
];

fn of_operations(pair: &Pair, counter: fn(&Operation) -> &Counter) -> Vec<(String, u64)> {
    let labels = |operation: &Operation| format!("operation=\"{}\"", operation.name);
    pair.operations.iter().map(|operation| (labels(operation), counter(operation).value())).collect()
}

fn write_pairs(text: &mut String, pairs: &[Arc<Pair>], nobody: &Arc<Pair>) {
    for (name, help, values) in OF_PAIRS {
        let name = format!("interlingua_{name}");
        head(text, &name, "counter", help);
        for pair in pairs.iter().chain([nobody]) {
            for (more, value) in values(pair).into_iter().filter(|(_, value)| *value > 0) {
                let _ = writeln!(text, "{name}{{{},{more}}} {value}", pair.labels());
            }
        }
    }
}

/// What stands before a metric's values.
pub(crate) fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // To write to a text cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label's value, as the format wants it.
pub(crate) fn escaped(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use interlingua_ecgrid::Ecgrid;
    use interlingua_textus::Textus;

    use super::*;
    use crate::trace::{Failure, Success};

    fn pair(metrics: &Metrics) -> Arc<Pair> {
        metrics.pair(&Ecgrid::new(), "textus", &Textus::new(), &LossPolicy::default())
    }

    fn request(seen: &Seen) -> Request<'_> {
        let (method, took) = (Verb::of(&Method::PUT), Duration::from_millis(3));
        Request { method, status: StatusCode::OK, took, seen }
    }

    fn entry(document: Document, pointer: &str, kind: NoteKind) -> Entry {
        Entry { document, pointer: pointer.into(), kind, reason: String::new(), told: true }
    }

    fn seen(operation: &'static str) -> Seen {
        let seen = Seen::default();
        seen.operation.set(operation).unwrap();
        seen
    }

    #[track_caller]
    fn has(metrics: &Metrics, lines: &[&str]) {
        let text = metrics.text(std::iter::empty());
        for line in lines {
            assert!(text.lines().any(|known| known == *line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_request_is_counted_with_what_came_of_it() {
        let metrics = Metrics::default();
        let lossy = seen("update-user");
        lossy.calls.store(2, Relaxed);
        lossy.success.set(Success { calls: 2, dropped: 1, narrowed: 0 }).unwrap();
        pair(&metrics).count(request(&lossy));
        pair(&metrics).count(request(&lossy));
        let (kind, effect, fault) = (ErrorKind::Invalid, Effect::NothingSent, Fault::Client);
        let invalid = seen("update-user");
        invalid.failure.set(Failure { kind, effect, fault, is_undone: false, message: String::new() }).unwrap();
        pair(&metrics).count(request(&invalid));
        let http = r#"http_request_method="PUT",http_response_status_code="200""#;
        let of = r#"face="ecgrid",upstream="textus""#;
        let operation = format!(r#"{of},operation="update-user""#);
        has(
            &metrics,
            &[
                &format!(r#"http_server_request_duration_seconds_bucket{{{operation},{http},le="0.0025"}} 0"#),
                &format!(r#"http_server_request_duration_seconds_bucket{{{operation},{http},le="0.005"}} 3"#),
                &format!(r#"http_server_request_duration_seconds_bucket{{{operation},{http},le="+Inf"}} 3"#),
                &format!("http_server_request_duration_seconds_sum{{{operation},{http}}} 0.009"),
                &format!("http_server_request_duration_seconds_count{{{operation},{http}}} 3"),
                &format!(r#"interlingua_translations_total{{{operation},outcome="lossy"}} 2"#),
                &format!(r#"interlingua_translations_total{{{operation},outcome="refused"}} 1"#),
                &format!("interlingua_validation_failures_total{{{operation}}} 1"),
                &format!("interlingua_plan_calls_total{{{operation}}} 4"),
                &format!(r#"interlingua_failures_total{{{of},fault="client",kind="invalid"}} 1"#),
            ],
        );
    }

    #[test]
    fn a_request_that_is_for_nobody_is_counted_too() {
        let metrics = Metrics::default();
        metrics.nobody.count(request(&Seen::default()));
        let http = r#"http_request_method="PUT",http_response_status_code="200""#;
        let labels = format!(r#"face="",upstream="",operation="",{http}"#);
        has(&metrics, &[&format!("http_server_request_duration_seconds_count{{{labels}}} 1")]);
    }

    #[test]
    fn only_pointers_that_a_schema_knows_become_labels() {
        let metrics = Metrics::default();
        let pair = metrics.pair(&Textus::new(), "ecgrid", &Ecgrid::new(), &LossPolicy::default());
        pair.lost(&[
            entry(Document::Request, "/settings/customSettings/secret~1of~1a~1client", NoteKind::Dropped),
            entry(Document::Request, "/jon.doe@example.com", NoteKind::Dropped),
            entry(Document::Response, "/members/17/name", NoteKind::Narrowed),
            entry(Document::Response, "/name", NoteKind::Unknown),
        ]);
        let text = metrics.text(std::iter::empty());
        let lost: Vec<_> = text.lines().filter(|line| line.starts_with("interlingua_fields_lost")).collect();
        let of = r#"interlingua_fields_lost_total{face="textus",upstream="ecgrid""#;
        assert_eq!(
            lost,
            [
                format!(r#"{of},document="request",pointer="/settings/customSettings/*",kind="dropped"}} 1"#),
                format!(r#"{of},document="request",pointer="other",kind="dropped"}} 1"#),
                format!(r#"{of},document="response",pointer="/members/*/name",kind="narrowed"}} 1"#),
            ]
        );
    }

    #[test]
    fn calls_without_an_answer_are_counted_by_why() {
        let calls = Calls::default();
        let get = Verb::of(&Method::GET);
        calls.count(get, Ok(StatusCode::NOT_FOUND), Duration::from_secs(20));
        calls.count(get, Err(ErrorKind::BadReply), Duration::ZERO);
        let text = Metrics::default().text([("a\"b", &calls)].into_iter());
        let of = r#"http_client_request_duration_seconds_count{upstream="a\"b",http_request_method="GET""#;
        assert!(text.contains(&format!("{of},http_response_status_code=\"404\"}} 1\n")), "{text}");
        assert!(text.contains(&format!("{of},error_type=\"bad_reply\"}} 1\n")), "{text}");
    }

    #[test]
    fn methods_have_their_names() {
        for method in METHODS {
            assert_eq!(Verb::of(&method).name(), method.as_str());
        }
        assert_eq!(Verb::of(&Method::from_bytes(b"BREW").unwrap()).name(), "_OTHER");
    }
}
