//! Every store keeps the same promises.
//!
//! The promises are functions over a [`Place`], where stores can be opened; the list of them runs over each place. The
//! PostgreSQL server is started here, from Debian's package; where that is missing its tests are counted as ignored.
//!
//! `cargo test -p interlingua-links --release --test conformance -- --ignored figures` measures.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "these are tests, without #[test]")]

/// The names of promises and the promises, from the names of their functions.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        [$((stringify!($promise), (|place| Box::pin($promise(place))) as crate::Promise)),*]
    };
}

mod crash;
mod faults;
mod model;
mod place;
mod promises;
mod server;
mod writes;

use std::{future::Future, pin::Pin, process::ExitCode};

use libtest_mimic::{Arguments, Completion, Trial};
use place::{Engine, Place};

/// A promise, kept or broken by the stores of a place.
type Promise = fn(Place) -> Pin<Box<dyn Future<Output = ()>>>;

fn main() -> ExitCode {
    if let Some(exit) = crash::child().or_else(faults::child) {
        return exit;
    }
    let arguments = Arguments::from_args();
    if !arguments.list && server::binaries().is_none() {
        eprintln!("\n*** {} The tests over PostgreSQL are IGNORED. ***\n", server::MISSING);
    }
    let mut trials = Vec::new();
    for (engine, cached) in [
        (Engine::Memory, false),
        (Engine::Memory, true),
        (Engine::Sqlite, false),
        (Engine::Sqlite, true),
        (Engine::Postgres, false),
        (Engine::Postgres, true),
    ] {
        let kind = format!("{}{}", engine.name(), if cached { "_cached" } else { "" });
        let mut add = |name: &str, promise: Promise| {
            trials.push(trial(name, &kind, engine, move || kept(promise, Place::new(engine, cached))));
        };
        promises::all().into_iter().for_each(|(name, promise)| add(name, promise));
        if engine != Engine::Memory {
            promises::of_databases().into_iter().for_each(|(name, promise)| add(name, promise));
        }
        if cached {
            promises::of_caches().into_iter().for_each(|(name, promise)| add(name, promise));
        }
        if !cached {
            writes::all().into_iter().for_each(|(name, promise)| add(name, promise));
        }
        if !cached && engine != Engine::Memory {
            writes::of_databases().into_iter().for_each(|(name, promise)| add(name, promise));
        }
        trials
            .push(trial("any_operations_do_what_the_model_does", &kind, engine, move || model::check(engine, cached)));
    }
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let kind = engine.name();
        let killed = move || kept(crash::killed_it_leaves_nothing, Place::new(engine, false));
        trials.push(trial("killed_in_the_middle_of_adding_it_leaves_nothing", kind, engine, killed));
        let killed = move || kept(crash::killed_it_leaves_what_was_marked, Place::new(engine, false));
        trials.push(trial("killed_in_the_middle_of_writing_it_leaves_what_was_marked", kind, engine, killed));
        let figures = trial("figures", kind, engine, move || kept(crash::figures, Place::new(engine, false)));
        trials.push(figures.with_ignored_flag(true));
    }
    let killed = || kept(crash::killed_it_leaves_no_locks_in_memory, Place::new(Engine::Sqlite, false));
    trials.push(trial("killed_while_alone_it_leaves_no_locks_in_memory", "sqlite", Engine::Sqlite, killed));
    for (name, promise) in writes::of_files() {
        trials.push(trial(name, "sqlite", Engine::Sqlite, move || kept(promise, Place::new(Engine::Sqlite, false))));
    }
    for (name, engine, promise) in faults::all() {
        trials.push(trial(name, engine.name(), engine, move || kept(promise, Place::new(engine, true))));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    server::stop_shared();
    conclusion.exit_code()
}

fn trial(name: &str, kind: &str, engine: Engine, test: impl FnOnce() + Send + 'static) -> Trial {
    let test = move || {
        if engine == Engine::Postgres && server::binaries().is_none() {
            return Ok(Completion::ignored_with(server::MISSING));
        }
        test();
        Ok(Completion::Completed)
    };
    Trial::ignorable_test(format!("{kind}::{name}"), test)
}

fn kept<F: Future<Output = ()>>(promise: impl FnOnce(Place) -> F, place: Place) {
    runtime().block_on(promise(place));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime")
}
