#![doc = include_str!("../README.md")]

mod admin;
mod again;
mod answer;
mod auth;
mod body;
mod cli;
pub mod config;
mod entered;
mod executor;
mod fallback;
mod gateway;
mod headers;
mod layers;
mod ledger;
mod linking;
mod listing;
mod locks;
mod pass;
mod prefer;
mod problem;
mod recovery;
mod relay;
mod repeat_key;
mod repeats;
mod report;
mod route;
mod server;
mod settle;
mod stack;
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
