//! What is legal in a configuration, and unwise: told by `interlingua check`, and no error.

use http::uri::Scheme;

use super::Config;

impl Config {
    /// What the operator may want to do otherwise, each with its key and the remedy.
    pub(crate) fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        // Stand-ins forget everything at the same time.
        let is_sandbox = self.sandbox.ecgrid.is_some() || self.sandbox.textus.is_some();
        if self.store.is_memory() && self.clients.len() > 1 && !is_sandbox {
            advice.push(
                "links.store: with \"memory\", the ids that clients got for users mean nothing after a restart; name a \
                 file or a database"
                    .to_owned(),
            );
        }
        if !self.store.is_memory() && self.journal.key.is_none() {
            advice.push(
                "journal.key: without one, what a crash has left half done can be told, and neither finished nor \
                 undone; name a file with the output of `openssl rand -hex 32`"
                    .to_owned(),
            );
        }
        if self.clients.is_empty() {
            advice.push("clients: there are none, and every request is refused; add [[clients]]".to_owned());
        }
        for (name, upstream) in &self.upstreams {
            if *upstream.base_url.scheme() == Scheme::HTTP && !upstream.base_url.is_loopback() {
                advice.push(format!(
                    "upstreams.{name}.base_url: the credential and all about users go over the network in clear; use TLS"
                ));
            }
        }
        advice
    }
}
