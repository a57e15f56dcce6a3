//! The vendor's own examples, in four languages, against a crossed and a pass route.

use std::process::{Command, Output};

use crate::{
    authority::Authority,
    cli::aside,
    harness::{ECGRID_KEY, World},
    served::BINARY,
};

const SANDBOX: &str = include_str!("../../config/sandbox.toml");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/run.sh");

/// How many examples there are, in all languages.
const EXAMPLES: usize = 12;

#[track_caller]
fn check(output: &Output, runs: usize) {
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed.matches("ok ").count(), runs * EXAMPLES, "{printed}");
}

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
        check(&output, 1);
    }
}

/// Starts the sandbox in a network of its own, in which the name that stands on the vendor's pages is that of one of its
/// listeners after the other, and runs the examples.
const UNDER_THEIR_NAME: &str = r#"
ip link set lo up
: >"$FOLDER/hosts"
mount --bind "$FOLDER/hosts" /etc/hosts
"$BINARY" serve --config "$FOLDER/gateway.toml" 2>"$FOLDER/log" &
trap "kill $!" EXIT
curl --disable -s -o "$FOLDER/ready" --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:9090/readyz
keytool -importcert -noprompt -file "$CURL_CA_BUNDLE" -keystore "$FOLDER/trusted" -storepass changeit 2>"$FOLDER/log"
for address in 127.0.0.1 127.0.0.2; do
    echo "$address rest.ecgrid.io" >"$FOLDER/hosts"
    "$0" https://rest.ecgrid.io
    cat "$FOLDER/answer" >&2
done
"#;

/// What has to be known of a client beside its example is an authority and nothing else.
#[test]
#[ignore = "needs curl, python3 with requests, node, a JDK, and namespaces of Linux"]
fn the_vendors_examples_work_at_the_url_of_their_pages() {
    let authority = Authority::new("test");
    let table = authority.issue("own", &["rest.ecgrid.io"]).table();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let config = [("127.0.0.1:8080", "127.0.0.1:443"), ("127.0.0.1:8081", "127.0.0.2:443")].into_iter().fold(
        SANDBOX.to_owned(),
        |text, (address, with)| {
            let tls = format!("address = \"{with}\"\ntls = {{ certificates = [{table}] }}");
            text.replace(&format!("address = \"{address}\""), &tls)
        },
    );
    std::fs::write(path("gateway.toml"), config).unwrap();
    let note = format!("dump-header = \"{}\"\n", path("answer"));
    std::fs::write(path(".curlrc"), note).unwrap();
    let trusted = format!("-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStorePassword=changeit", path("trusted"));
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount", "bash", "-euc", UNDER_THEIR_NAME, SCRIPT]);
    command.env("BINARY", BINARY).env("FOLDER", folder.path());
    command.env("ECGRID_API_KEY", ECGRID_KEY).env("NO_PROXY", "*").env("CURL_HOME", folder.path());
    for variable in ["CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
        command.env(variable, authority.file());
    }
    command.env("JDK_JAVA_OPTIONS", format!("{trusted} -Djdk.httpclient.HttpClient.log=requests"));
    let output = command.output().unwrap();
    check(&output, 2);
    // Those that can speak HTTP/2 do: Java's HttpClient, and curl, whose last answer is kept.
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((said.matches(" 200 HTTP_2 ").count(), said.matches("HTTP/2 200").count()), (6, 2), "{said}");
}
