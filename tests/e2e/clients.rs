//! The vendor's own examples, in four languages, against a crossed and a pass route.

use std::process::Command;

use crate::{
    cli::aside,
    harness::{ECGRID_KEY, World},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/run.sh");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs curl, python3 with requests, node and a JDK"]
async fn the_vendors_examples_work() {
    let world = World::start().await;
    for listener in [0, 1] {
        let base_url = format!("http://{}", world.address(listener));
        let output = aside(move || {
            let mut script = Command::new(SCRIPT);
            script.arg(base_url).env("ECGRID_API_KEY", ECGRID_KEY).env("NO_PROXY", "127.0.0.1").output().unwrap()
        })
        .await;
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(printed.matches("ok ").count(), 12, "{printed}");
    }
}
