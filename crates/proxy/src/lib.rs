#![doc = include_str!("../README.md")]

mod admin;
mod again;
mod answer;
mod auth;
mod body;
mod busy;
mod ceiling;
mod cli;
pub mod config;
mod connections;
mod executor;
mod fallback;
mod framing;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod headers;
mod layers;
mod ledger;
mod linking;
mod listing;
mod locks;
mod log;
mod logins;
mod metrics;
mod openapi;
mod pass;
mod passwords;
mod ports;
mod prefer;
mod problem;
mod rarely;
mod recovery;
mod relay;
mod reload;
mod repeat_key;
mod repeats;
mod report;
mod room;
mod route;
mod server;
mod sessions;
mod settle;
#[cfg(test)]
mod simulation;
mod spans;
mod stack;
mod target;
mod tokens;
mod trace;
mod translate;
mod upkeep;
mod upstream;
mod version;
mod writing;

pub use gateway::{Gateway, Running, StartError};

// The examples of the project's README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
