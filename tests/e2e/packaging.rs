//! What is packaged is a configuration that works.

use std::fs;

use crate::{authority::Authority, cli::run, served::file};

const UNIT: &str = include_str!("../../packaging/debian/interlingua.service");
const DEBIAN: &str = include_str!("../../packaging/debian/interlingua.toml");
const KUBERNETES: &str = include_str!("../../packaging/kubernetes/interlingua.yaml");

#[track_caller]
fn is_good(text: &str) {
    let config = file(text);
    let ran = run(&["check", "--config", config.path().to_str().unwrap()], "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn the_packages_configuration_is_the_sandbox() {
    is_good(DEBIAN);
    let from = |text: &str| text.split_once("[admin]").unwrap().1.to_owned();
    assert_eq!(from(DEBIAN), from(include_str!("../../config/sandbox.toml")));
}

#[test]
fn the_units_command_line_is_one() {
    let command = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/interlingua ")).unwrap();
    assert_eq!(command, "serve --config /etc/interlingua/interlingua.toml");
    for line in ["DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet="] {
        assert!(UNIT.lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn the_configuration_of_the_manifest_is_good() {
    let lines = KUBERNETES.lines().skip_while(|line| !line.ends_with("interlingua.toml: |")).skip(1);
    let lines: Vec<_> = lines.take_while(|line| *line != "---").map(str::trim_start).collect();
    let secrets = tempfile::tempdir().unwrap();
    let at = |name: &str| secrets.path().join(name);
    for folder in ["interlingua", "interlingua-tls"] {
        fs::create_dir(at(folder)).unwrap();
    }
    let keys = [("journal-key", &*"0a".repeat(32)), ("ecgrid-key", "x"), ("textus-token", "y"), ("erp-key", "z")];
    for (name, secret) in keys {
        fs::write(at("interlingua").join(name), secret).unwrap();
    }
    let authority = Authority::new("test");
    let own = authority.issue("own", &["gateway.example"]);
    let tls = at("interlingua-tls");
    for (from, to) in [
        (authority.file(), at("interlingua").join("vendors-ca.pem")),
        (own.chain, tls.join("tls.crt")),
        (own.key, tls.join("tls.key")),
    ] {
        fs::copy(from, to).unwrap();
    }
    is_good(&lines.join("\n").replace("/run/secrets", secrets.path().to_str().unwrap()));
}
