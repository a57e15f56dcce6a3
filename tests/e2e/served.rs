//! The binary at work as a gateway, and the files that configure it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::Value;

/// The binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_interlingua");

/// The configuration with these stand-ins, and everything of the gateway's on free ports.
pub(crate) fn on_free_ports(text: &str, ecgrid: SocketAddr, textus: SocketAddr) -> String {
    let text = text.replace("http://127.0.0.1:8101", &format!("http://{ecgrid}"));
    let text = text.replace("http://127.0.0.1:8102", &format!("http://{textus}"));
    ["8080", "8081", "8101", "8102", "9090"]
        .iter()
        .fold(text, |text, port| text.replace(&format!("\"127.0.0.1:{port}\""), "\"127.0.0.1:0\""))
}

/// A file that lives as long as the value.
pub(crate) fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// The binary at work as a gateway.
pub(crate) struct Served {
    child: Child,
    log: Option<thread::JoinHandle<String>>,
    /// The crossed listener, the pass listener, the admin listener.
    pub(crate) addresses: [SocketAddr; 3],
}

impl Served {
    /// Starts it with these environment variables, and no others, and waits until it listens.
    pub(crate) fn start(config: impl AsRef<Path>, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(["serve", "--config"]).arg(config.as_ref()).env_clear().envs(variables.iter().copied());
        // A machine that is busy with other tests is no gateway that has too much to do.
        command.env("INTERLINGUA_LIMITS__LAG", "1h");
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (mut seen, mut addresses) = (String::new(), Vec::new());
        while addresses.len() < 3 {
            let start = seen.len();
            assert!(lines.read_line(&mut seen).unwrap() > 0, "it ended: {seen}");
            addresses.extend(listening(&seen[start..]));
        }
        let log = thread::spawn(move || {
            lines.read_to_string(&mut seen).unwrap();
            seen
        });
        Self { child, log: Some(log), addresses: addresses.try_into().unwrap() }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(kill.unwrap().success());
    }

    /// Kills it, without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop and waits until it has: the exit code, and all that it logged.
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let code = self.child.wait().unwrap().code();
        (code, self.log.take().unwrap().join().unwrap())
    }
}

/// Where something listens, as a line of the log has it in either format.
fn listening(line: &str) -> Option<SocketAddr> {
    let Ok(event) = serde_json::from_str::<Value>(line) else {
        return line.trim_end().split_once("listening address=")?.1.parse().ok();
    };
    let is_ours = matches!(event["message"].as_str(), Some("listening" | "admin listening"));
    is_ours.then(|| event["address"].as_str().unwrap().parse().unwrap())
}

/// A test that fails leaves nothing running.
impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
