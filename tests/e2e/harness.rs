//! Two stand-ins and a gateway between them.

use std::net::SocketAddr;

use http::Method;
use interlingua::{
    Gateway, Running, StartError,
    config::{Config, Environment},
};
use interlingua_core::Adapter;
use interlingua_ecgrid::Ecgrid;
use interlingua_sandbox::{self as sandbox, Server, directory, serve};
use interlingua_textus::Textus;
use serde_json::Value;

use crate::{client::Client, served::on_free_ports};

/// The keys of config/sandbox.toml.
pub(crate) const ECGRID_KEY: &str = "sandbox-ecgrid-key";
pub(crate) const TEXTUS_TOKEN: &str = "sandbox-textus-token";

const SANDBOX: &str = include_str!("../../config/sandbox.toml");

/// A port of the system's choice on this machine.
pub(crate) fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// What a test changes of the world in config/sandbox.toml.
pub(crate) struct Setup {
    gateway: Gateway,
    ecgrid: sandbox::Ecgrid,
    textus: sandbox::Textus,
    text: String,
}

impl Setup {
    /// The world as it is, but no route falls back.
    pub(crate) fn new() -> Self {
        let lines = SANDBOX.lines().filter(|line| !line.starts_with("fallback = "));
        Self { text: lines.collect::<Vec<_>>().join("\n"), ..Self::falling_back() }
    }

    /// The world as it is.
    pub(crate) fn falling_back() -> Self {
        Self {
            gateway: Gateway::builder().adapter(Ecgrid::new()).adapter(Textus::new()),
            ecgrid: sandbox::Ecgrid::new(),
            textus: sandbox::Textus::new(),
            text: SANDBOX.to_owned(),
        }
    }

    pub(crate) fn adapter(mut self, adapter: impl Adapter + 'static) -> Self {
        self.gateway = self.gateway.adapter(adapter);
        self
    }

    /// Other starting data at ECGrid.
    pub(crate) fn ecgrid(mut self, ecgrid: sandbox::Ecgrid) -> Self {
        self.ecgrid = ecgrid;
        self
    }

    /// Other starting data at TextUs.
    pub(crate) fn textus(mut self, textus: sandbox::Textus) -> Self {
        self.textus = textus;
        self
    }

    /// Replaces a piece of the configuration.
    #[track_caller]
    pub(crate) fn replace(mut self, piece: &str, with: &str) -> Self {
        assert!(self.text.contains(piece), "the configuration has no {piece}");
        self.text = self.text.replace(piece, with);
        self
    }

    /// Adds tables to the configuration.
    pub(crate) fn with(mut self, tables: &str) -> Self {
        self.text.push('\n');
        self.text.push_str(tables);
        self
    }

    /// Sends what is for ECGrid to this address instead.
    pub(crate) fn ecgrid_at(self, address: SocketAddr) -> Self {
        self.replace("http://127.0.0.1:8101", &format!("http://{address}"))
    }

    /// Sends what is for TextUs to this address instead.
    pub(crate) fn textus_at(self, address: SocketAddr) -> Self {
        self.replace("http://127.0.0.1:8102", &format!("http://{address}"))
    }

    /// How long one call to an upstream may take.
    pub(crate) fn call_timeout(self, span: &str) -> Self {
        self.upstreams(&format!("timeout = \"{span}\""))
    }

    /// Adds a line to both upstreams.
    pub(crate) fn upstreams(self, line: &str) -> Self {
        ["ecgrid", "textus"].into_iter().fold(self, |setup, name| {
            let dialect = format!("dialect = \"{name}\"");
            setup.replace(&dialect, &format!("{dialect}\n{line}"))
        })
    }

    pub(crate) async fn start(self) -> World {
        self.try_start().await.unwrap()
    }

    pub(crate) async fn try_start(self) -> Result<World, StartError> {
        let ecgrid = serve(any_port(), self.ecgrid).await.unwrap();
        let textus = serve(any_port(), self.textus).await.unwrap();
        let text = on_free_ports(&self.text, ecgrid.address(), textus.address());
        let gateway = Gateway::start(load(&text, &self.gateway)).await?;
        let addresses = gateway.addresses();
        Ok(World { ecgrid, textus, addresses, gateway })
    }
}

fn load(text: &str, gateway: &Gateway) -> Config {
    // A machine that is busy with other tests is no gateway that has too much to do.
    let patient = Environment::from_iter([("INTERLINGUA_LIMITS__LAG".to_owned(), "1h".to_owned())]);
    Config::parse(&patient, text, gateway.adapters()).unwrap()
}

/// A gateway at work, and the vendors behind it.
pub(crate) struct World {
    pub(crate) ecgrid: Server,
    pub(crate) textus: Server,
    addresses: Vec<SocketAddr>,
    gateway: Running,
}

impl World {
    /// The world of config/sandbox.toml, but no route falls back.
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// An ECGrid client in front of TextUs.
    pub(crate) fn crossed_ecgrid(&self) -> Client {
        Client::ecgrid(self.addresses[0], ECGRID_KEY)
    }

    /// A TextUs client in front of ECGrid.
    pub(crate) fn crossed_textus(&self) -> Client {
        Client::textus(self.addresses[0], TEXTUS_TOKEN)
    }

    /// An ECGrid client in front of ECGrid.
    pub(crate) fn pass_ecgrid(&self) -> Client {
        Client::ecgrid(self.addresses[1], ECGRID_KEY)
    }

    /// A TextUs client in front of TextUs.
    pub(crate) fn pass_textus(&self) -> Client {
        Client::textus(self.addresses[1], TEXTUS_TOKEN)
    }

    /// Where a listener is, in the order of the configuration.
    pub(crate) fn address(&self, listener: usize) -> SocketAddr {
        self.addresses[listener]
    }

    pub(crate) fn admin(&self) -> Client {
        Client::new(self.gateway.admin())
    }

    /// Stops the gateway; whether everything had ended by itself.
    pub(crate) async fn stop(self) -> bool {
        self.gateway.stop().await
    }

    /// The same, and ECGrid, which goes on.
    pub(crate) async fn stop_before_ecgrid(self) -> (bool, Server) {
        (self.gateway.stop().await, self.ecgrid)
    }

    // === What the vendors hold, asked past the gateway ===

    /// The user as ECGrid shows it.
    pub(crate) async fn at_ecgrid(&self, user: u32) -> Value {
        self.ecgrid_itself().get(&format!("/v2/users/{user}")).await.expect(200).at("/data")
    }

    /// The user as TextUs shows it.
    pub(crate) async fn at_textus(&self, user: &str) -> Value {
        self.textus_itself().get(&format!("/users/{user}")).await.expect(200).json()
    }

    /// A client that speaks to ECGrid past the gateway.
    pub(crate) fn ecgrid_itself(&self) -> Client {
        Client::ecgrid(self.ecgrid.address(), directory::ECGRID_KEY)
    }

    /// A client that speaks to TextUs past the gateway.
    pub(crate) fn textus_itself(&self) -> Client {
        Client::textus(self.textus.address(), directory::TEXTUS_TOKEN)
    }

    /// The user's memberships at TextUs, as `account: role`.
    pub(crate) async fn memberships(&self, user: &str) -> Vec<String> {
        memberships(&self.at_textus(user).await)
    }
}

/// The memberships of a user document, as `account: role`, sorted.
pub(crate) fn memberships(user: &Value) -> Vec<String> {
    let members = user["memberships"]["members"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut shown: Vec<_> = members
        .iter()
        .map(|member| {
            format!("{}: {}", text(&member["account"]["id"]).replace("/accounts/", ""), text(&member["role"]))
        })
        .collect();
    shown.sort();
    shown
}

/// The calls that a vendor received, as `METHOD path`.
pub(crate) fn calls(vendor: &Server) -> Vec<String> {
    vendor.calls().iter().map(|call| format!("{} {}", call.method, call.path_and_query)).collect()
}

/// The calls that a vendor received and that may have changed something, as `METHOD path`.
pub(crate) fn writes(vendor: &Server) -> Vec<String> {
    let calls = vendor.calls();
    let writes = calls.iter().filter(|call| call.method != Method::GET);
    writes.map(|call| format!("{} {}", call.method, call.path_and_query)).collect()
}

/// A document of the vendors' pages.
pub(crate) fn document(name: &str) -> String {
    let path = format!("{}/../../tests/documents/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of an object's members.
pub(crate) fn names(object: &Value) -> Vec<&str> {
    object.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}
