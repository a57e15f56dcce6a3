//! The gateway, a process of its own, and stand-ins for the vendors in this one.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use interlingua_sandbox::{Ecgrid, Server, Textus, serve};
use serde_json::Value;

use crate::{processor, vendor};

pub(crate) struct Gateway {
    child: Child,
    /// The file that configures it.
    pub(crate) file: PathBuf,
    /// Where clients of ECGrid are served from TextUs.
    pub(crate) crossed: SocketAddr,
    /// Where they are served from ECGrid.
    pub(crate) straight: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The vendors: ECGrid, and TextUs.
    pub(crate) vendors: [SocketAddr; 2],
    _stand_ins: [Server; 2],
    _directory: tempfile::TempDir,
}

impl Gateway {
    /// Starts it on a processor, with these limits, with a database of links, and with vendors that take so long.
    pub(crate) async fn start(limits: &str, delay: Duration, on: usize) -> Self {
        Self::changed(limits, delay, on, |text, _| text).await
    }

    /// The same with another configuration, made of the usual one and the folder in which it will be.
    pub(crate) async fn changed(
        limits: &str,
        delay: Duration,
        on: usize,
        change: impl FnOnce(String, &Path) -> String,
    ) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let ecgrid = serve(any_port, Ecgrid::new().generate(1000, 1)).await.unwrap();
        let textus = serve(any_port, Textus::new().generate(1000, 1)).await.unwrap();
        let vendors = [vendor::start(ecgrid.address(), delay).await, vendor::start(textus.address(), delay).await];
        let directory = tempfile::tempdir().unwrap();
        let store = format!("store = \"sqlite:{}\"", directory.path().join("links.db").display());
        let text = include_str!("../../config/sandbox.toml");
        let (start, rest) = text.split_once("[sandbox]").unwrap();
        let (_, rest) = rest.split_once("[upstreams.ecgrid]").unwrap();
        let text = format!("{start}[upstreams.ecgrid]{rest}\n[limits]\n{limits}\n")
            .replace("127.0.0.1:8101", &vendors[0].to_string())
            .replace("127.0.0.1:8102", &vendors[1].to_string())
            .replace("store = \"memory\"", &store);
        let text = ["8080", "8081", "9090"].iter().fold(text, |text, port| text.replace(&format!(":{port}\""), ":0\""));
        let file = directory.path().join("gateway.toml");
        std::fs::write(&file, change(text, directory.path())).unwrap();

        let mut command = Command::new(env!("CARGO_BIN_EXE_interlingua"));
        command.args(["serve", "--config"]).arg(&file).stderr(Stdio::piped());
        let mut child = processor::spawn(&mut command, on);
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut addresses: Vec<SocketAddr> = Vec::new();
        while addresses.len() < 3 {
            let event: Value = serde_json::from_str(&log.next().unwrap().unwrap()).unwrap_or_default();
            if let Some("listening" | "admin listening") = event["message"].as_str() {
                addresses.push(event["address"].as_str().unwrap().parse().unwrap());
            }
        }
        // Whoever writes a log has somebody who reads it.
        std::thread::spawn(move || log.for_each(drop));
        let [crossed, straight, admin] = addresses.try_into().unwrap();
        Self { child, file, crossed, straight, admin, vendors, _stand_ins: [ecgrid, textus], _directory: directory }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stop(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
