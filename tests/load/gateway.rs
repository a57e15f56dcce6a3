//! The gateway, a process of its own, and stand-ins for the vendors in this one.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use interlingua_sandbox::{Ecgrid, Server, Textus, serve};
use serde_json::Value;

use crate::{processor, vendor};

pub(crate) struct Gateway {
    child: Child,
    /// Where clients of ECGrid are served from TextUs.
    pub(crate) crossed: SocketAddr,
    _stand_ins: [Server; 2],
    _config: tempfile::NamedTempFile,
}

impl Gateway {
    /// Starts it with these limits, and with a vendor that takes so long.
    pub(crate) async fn start(limits: &str, delay: Duration) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let ecgrid = serve(any_port, Ecgrid::new().generate(1000, 1)).await.unwrap();
        let textus = serve(any_port, Textus::new().generate(1000, 1)).await.unwrap();
        let text = include_str!("../../config/sandbox.toml");
        let (start, rest) = text.split_once("[sandbox]").unwrap();
        let (_, rest) = rest.split_once("[upstreams.ecgrid]").unwrap();
        let upstream = vendor::start(textus.address(), delay).await;
        let text = format!("{start}[upstreams.ecgrid]{rest}\n[limits]\n{limits}\n")
            .replace("127.0.0.1:8101", &ecgrid.address().to_string())
            .replace("127.0.0.1:8102", &upstream.to_string());
        let text = ["8080", "8081", "9090"].iter().fold(text, |text, port| text.replace(&format!(":{port}\""), ":0\""));
        let mut config = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        config.write_all(text.as_bytes()).unwrap();

        let mut command = Command::new(env!("CARGO_BIN_EXE_interlingua"));
        command.args(["serve", "--config"]).arg(config.path()).stderr(Stdio::piped());
        processor::choose(processor::GATEWAY);
        let mut child = command.spawn().unwrap();
        processor::choose(processor::OTHERS);
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut addresses: Vec<SocketAddr> = Vec::new();
        loop {
            let event: Value = serde_json::from_str(&log.next().unwrap().unwrap()).unwrap_or_default();
            match event["message"].as_str() {
                Some("listening") => addresses.push(event["address"].as_str().unwrap().parse().unwrap()),
                Some("admin listening") => break,
                _ => {}
            }
        }
        // Whoever writes a log has somebody who reads it.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, crossed: addresses[0], _stand_ins: [ecgrid, textus], _config: config }
    }

    /// What it takes up, in MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or_default() >> 10
    }

    /// How many seconds of a processor it has had: unlike the clock, these are not shared with whoever else is at work.
    pub(crate) fn processor(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The name, which comes before, may have spaces in it. In hundredths, on any usual Linux.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
    }

    pub(crate) fn stop(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
