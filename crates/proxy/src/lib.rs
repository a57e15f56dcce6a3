#![doc = include_str!("../README.md")]

mod admin;
mod answer;
mod auth;
mod body;
mod cli;
pub mod config;
mod executor;
mod fallback;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod headers;
mod layers;
mod linking;
mod listing;
mod pass;
mod prefer;
mod problem;
mod relay;
mod report;
mod route;
mod server;
#[cfg(test)]
mod simulation;
mod stack;
mod trace;
mod translate;
mod turns;
mod upstream;

pub use gateway::{Gateway, Running, StartError};

// The examples of the project's README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
