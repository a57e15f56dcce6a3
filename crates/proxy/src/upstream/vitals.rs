//! How upstreams do, in the text format of Prometheus.

use std::{fmt::Write, sync::atomic::Ordering::Relaxed};

use interlingua_core::Access;

use super::{Upstream, breaker::State, drift::Change};
use crate::metrics::{escaped, head};

/// One metric, and what an upstream has of it: further labels, and the value.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: fn(&Upstream) -> Vec<(&'static str, u64)>,
}

const METRICS: &[Metric] = &[
    Metric {
        name: "breaker",
        kind: "gauge",
        help: "What the breaker does: 0 lets calls go on, 1 lets one try, 2 refuses them.",
        values: |upstream| {
            let state = |access| match upstream.guards.breaker.guard.state(access) {
                State::Closed { .. } => 0,
                State::HalfOpen => 1,
                State::Open { .. } => 2,
            };
            vec![(r#",access="read""#, state(Access::Read)), (r#",access="write""#, state(Access::Write))]
        },
    },
    Metric {
        name: "calls_under_way",
        kind: "gauge",
        help: "Calls that are under way.",
        values: |upstream| vec![("", upstream.guards.crowd.guard.under_way() as u64)],
    },
    Metric {
        name: "calls_refused_total",
        kind: "counter",
        help: "Calls that were not sent, and by what they were refused.",
        values: |upstream| {
            let guards = &upstream.guards;
            vec![
                (r#",by="retry_after""#, guards.heed.refused()),
                (r#",by="breaker""#, guards.breaker.refused()),
                (r#",by="concurrency""#, guards.crowd.refused()),
                (r#",by="rate""#, guards.share.refused()),
            ]
        },
    },
    Metric {
        name: "rate_left",
        kind: "gauge",
        help: "Calls that the vendor's rate limit leaves in this window, where it is known.",
        values: |upstream| upstream.guards.share.guard.left().map(|left| ("", left)).into_iter().collect(),
    },
    Metric {
        name: "retries_total",
        kind: "counter",
        help: "Tries beyond the first.",
        values: |upstream| vec![("", upstream.tries.made.load(Relaxed))],
    },
    Metric {
        name: "retries_denied_total",
        kind: "counter",
        help: "Tries that were not made because the budget for them was used up.",
        values: |upstream| vec![("", upstream.tries.denied.load(Relaxed))],
    },
    Metric {
        name: "answers_checked_total",
        kind: "counter",
        help: "Answers that were compared with what the dialect says of them.",
        values: |upstream| upstream.drift.iter().map(|drift| ("", drift.looks.value())).collect(),
    },
    Metric {
        name: "schema_drift_total",
        kind: "counter",
        help: "Members of answers that are not what the dialect says, each once.",
        values: |upstream| {
            let labels = [r#",change="new""#, r#",change="missing""#, r#",change="retyped""#];
            let drift = upstream.drift.iter();
            drift.flat_map(|drift| labels.into_iter().zip(Change::ALL.map(|change| drift.found(change)))).collect()
        },
    },
];

/// The metrics of all upstreams. There are as many labels as the configuration has upstreams.
pub(crate) fn metrics<'a>(upstreams: impl Iterator<Item = &'a Upstream> + Clone) -> String {
    let mut text = String::new();
    for Metric { name, kind, help, values } in METRICS {
        let name = format!("interlingua_upstream_{name}");
        head(&mut text, &name, kind, help);
        for upstream in upstreams.clone() {
            let label = escaped(&upstream.name);
            for (more, value) in values(upstream) {
                // To write to a text cannot fail.
                let _ = writeln!(text, "{name}{{upstream=\"{label}\"{more}}} {value}");
            }
        }
    }
    text
}
