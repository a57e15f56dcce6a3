//! What is legal in a configuration, and unwise: told by `interlingua check`, and no error.

use std::collections::BTreeSet;

use http::uri::Scheme;
use jiff::Timestamp;

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
        advice.extend(self.advice_on_logins(is_sandbox));
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

    fn advice_on_logins(&self, is_sandbox: bool) -> Vec<String> {
        let logins: Vec<_> = self.clients.iter().filter(|client| !client.logins.is_empty()).collect();
        let mut advice = Vec::new();
        if logins.is_empty() {
            return advice;
        }
        match (&self.sessions.key, self.store.is_memory()) {
            (None, _) if !is_sandbox => advice.push(
                "sessions.key: without one, sessions end with the process, and no other gateway knows them; name a file \
                 with the output of `openssl rand -hex 32`"
                    .to_owned(),
            ),
            (Some(_), true) => advice.push(
                "links.store: with \"memory\", who has logged out is known to this process only, and forgotten at a \
                 restart, which sessions outlast; name a file or a database"
                    .to_owned(),
            ),
            _ => (),
        }
        let knows_logins = |listener: &super::Listener| {
            listener.routes.iter().any(|route| self.adapters[route.face].sessions().is_some())
        };
        if !self.listeners.iter().any(knows_logins) {
            advice.push(format!(
                "clients.{}.logins: nobody can use them, as no listener has a face that knows logins, such as ecgrid",
                logins[0].name
            ));
        }
        for client in &logins {
            let now = Timestamp::now();
            if !client.keys.is_empty() && client.keys.iter().all(|key| key.expires.is_some_and(|end| end <= now)) {
                advice.push(format!(
                    "clients.{}.keys: all have expired, which locks the client out, its logins as well; take them away",
                    client.name
                ));
            }
            if client.logins.iter().any(|login| login.password.is_cheap()) {
                advice.push(format!(
                    "clients.{}.logins: a hash that takes less than 19 MiB and 2 passes is cheap to try passwords on",
                    client.name
                ));
            }
        }
        let costs: BTreeSet<_> =
            logins.iter().flat_map(|client| &client.logins).map(|login| login.password.cost()).collect();
        if costs.len() > 1 {
            advice.push(
                "clients: their hashes of passwords take differently long, which tells strangers some names of logins; \
                 make all with the same memory and passes"
                    .to_owned(),
            );
        }
        advice
    }
}
