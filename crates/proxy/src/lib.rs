#![doc = include_str!("../README.md")]

mod admin;
mod answer;
mod auth;
mod body;
mod ceiling;
mod cli;
pub mod config;
mod connections;
mod executor;
mod fallback;
mod gateway;
mod headers;
mod layers;
mod linking;
mod listing;
mod pass;
mod prefer;
mod problem;
mod rarely;
mod relay;
mod report;
mod room;
mod route;
mod server;
mod stack;
mod target;
mod trace;
mod translate;
mod turns;
mod upstream;

pub use gateway::{Gateway, Running, StartError};

// The examples of the project's README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
