//! Any text is a configuration, or everything that is wrong with it is told.

use std::sync::LazyLock;

use interlingua::config::{Config, Environment};
use interlingua_core::Adapter;
use interlingua_ecgrid::Ecgrid;
use interlingua_textus::Textus;

use crate::input;

pub(crate) static ADAPTERS: LazyLock<[Box<dyn Adapter>; 2]> =
    LazyLock::new(|| [Box::new(Ecgrid::new()), Box::new(Textus::new())]);

/// Reads a configuration file, the first part, with environment variables, the other parts: `NAME=value`.
pub fn configuration(bytes: &[u8]) {
    let Ok(whole) = str::from_utf8(bytes) else { return };
    // Credentials and certificates that are kept in files are read from there, and a fuzzer shall read no files.
    if ["file", "tls", "https"].iter().any(|word| whole.to_ascii_lowercase().contains(word)) {
        return;
    }
    let (text, variables) = whole.split_once(input::SEPARATOR).unwrap_or((whole, ""));
    let variables = variables.split(input::SEPARATOR).filter_map(|variable| variable.split_once('='));
    let environment: Environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let parse = || Config::parse(&environment, text, &*ADAPTERS);
    match (parse(), parse()) {
        (Ok(config), Ok(again)) => {
            assert!(
                config.listeners.iter().all(|listener| !listener.routes.is_empty()) && !config.listeners.is_empty()
            );
            assert_eq!(format!("{config:?}"), format!("{again:?}"));
        }
        (Err(errors), Err(again)) => {
            let told = errors.to_string();
            assert!(!told.is_empty(), "refused, and nobody says why");
            assert_eq!(told, again.to_string());
        }
        _ => panic!("taken once and refused once"),
    }
}
