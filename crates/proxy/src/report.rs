//! Reports: what a translation could not carry, told in a header, too; and what became of each write of a request that
//! failed half way. They are kept for a while.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderName, HeaderValue};
use interlingua_core::{Document, Error, Field, Note, NoteKind, Part};
use serde_json::{Value, json};

use crate::{route::Route, trace::Context};

/// The header of an answer whose translation has notes.
pub(crate) const FIDELITY: HeaderName = HeaderName::from_static("interlingua-fidelity");

/// How many reports are kept.
const KEPT: usize = 1024;

/// One request's notes.
#[derive(Debug)]
pub(crate) struct Report {
    /// The id of the request.
    pub(crate) id: String,
    pub(crate) face: &'static str,
    pub(crate) upstream: String,
    pub(crate) operation: String,
    pub(crate) entries: Vec<Entry>,
    /// What became of each write, where not all is well: the fields that it carried, by pointer, and in a word.
    pub(crate) writes: Vec<(Vec<String>, &'static str)>,
}

/// One note, with the pointer that the client, or whoever knows the upstream, can follow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) document: Document,
    pub(crate) pointer: String,
    pub(crate) kind: NoteKind,
    pub(crate) reason: String,
    /// Whether the header counts it; what a route allows stands here only.
    pub(crate) told: bool,
}

impl Entry {
    pub(crate) fn new(note: &Note, pointer: String, told: bool) -> Self {
        let (document, reason) = (note.place.document(), note.reason.clone().into_owned());
        Self { document, pointer, kind: note.kind, reason, told }
    }
}

impl Report {
    /// What became of a request that failed half way; nothing where there is no such half.
    pub(crate) fn of_failure(route: &Route, context: &Context, error: &Error) -> Option<Self> {
        let pointer = |field: &Field| route.face.pointer(field, Document::Request);
        let write = |part: &Part| (part.fields.iter().map(pointer).collect(), part.state.name());
        let writes: Vec<_> = error.parts().iter().map(write).collect();
        (!writes.is_empty()).then(|| Self {
            id: context.id().to_owned(),
            face: route.face.dialect().name,
            upstream: route.upstream.name.clone(),
            operation: context.seen.operation.get().copied().unwrap_or_default().to_owned(),
            entries: Vec::new(),
            writes,
        })
    }

    /// The value of the header: `lossy` where something is lost or narrowed, and how many fields of which kind.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let told = || self.entries.iter().filter(|entry| entry.told);
        told().next()?;
        let count = |kind| told().filter(|entry| entry.kind == kind).count();
        let kinds = [NoteKind::Dropped, NoteKind::Narrowed, NoteKind::Defaulted, NoteKind::Unknown];
        let lossy = count(NoteKind::Dropped) + count(NoteKind::Narrowed) > 0;
        let mut value = String::from(if lossy { "lossy" } else { "lossless" });
        for kind in kinds.into_iter().filter(|kind| count(*kind) > 0) {
            value.push_str(&format!("; {kind}={}", count(kind)));
        }
        value.push_str(&format!("; report=\"{}\"", self.id));
        HeaderValue::try_from(value).ok()
    }

    fn document(&self) -> Value {
        let writes = self.writes.iter().map(|(fields, state)| json!({"fields": fields, "state": state}));
        json!({
            "id": self.id,
            "face": self.face,
            "upstream": self.upstream,
            "operation": self.operation,
            "notes": self.entries.iter().map(|entry| json!({
                "document": entry.document.name(),
                "pointer": entry.pointer,
                "kind": entry.kind.name(),
                "reason": entry.reason,
            })).collect::<Vec<_>>(),
            "writes": writes.collect::<Vec<_>>(),
        })
    }
}

/// The latest reports.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<VecDeque<Arc<Report>>>);

impl Reports {
    pub(crate) fn keep(&self, report: Report) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.len() == KEPT {
            reports.pop_front();
        }
        reports.push_back(Arc::new(report));
    }

    /// The report on a request, as a document; the latest, where a client uses one id twice.
    pub(crate) fn document(&self, id: &str) -> Option<Value> {
        let report = {
            let reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            reports.iter().rev().find(|report| report.id == id).cloned()
        };
        report.map(|report| report.document())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(id: &str, kinds: &[NoteKind]) -> Report {
        let entry = |kind: &NoteKind| Entry {
            document: Document::Request,
            pointer: "/a".into(),
            kind: *kind,
            reason: "why".into(),
            told: true,
        };
        let entries = kinds.iter().map(entry).collect();
        let (face, upstream, operation) = ("a", "b".into(), "get-user".into());
        Report { id: id.into(), face, upstream, operation, entries, writes: Vec::new() }
    }

    #[test]
    fn the_header_counts_by_kind() {
        let header = |kinds| report("r1", kinds).header().map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header(&[]), None);
        assert_eq!(
            header(&[NoteKind::Unknown, NoteKind::Dropped, NoteKind::Dropped]).as_deref(),
            Some("lossy; dropped=2; unknown=1; report=\"r1\"")
        );
        assert_eq!(header(&[NoteKind::Defaulted]).as_deref(), Some("lossless; defaulted=1; report=\"r1\""));

        let mut allowed = report("r1", &[NoteKind::Dropped]);
        allowed.entries[0].told = false;
        assert_eq!(allowed.header(), None);
    }

    #[test]
    fn the_latest_reports_are_kept() {
        let reports = Reports::default();
        for number in 0..=KEPT {
            reports.keep(report(&number.to_string(), &[NoteKind::Dropped]));
        }
        assert!(reports.document("0").is_none());
        assert_eq!(reports.document("1").unwrap()["notes"][0]["pointer"], "/a");
    }
}
