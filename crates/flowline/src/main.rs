//! One binary: read the configuration once, build the parts, start, drain on signal.

mod args;
mod demo;
mod doctor;
mod home;
mod logging;
mod serve;
mod static_server;
mod system_world;

use args::{Program, Verb};
use clap::{CommandFactory, Parser};
use model::world::World;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use system_world::SystemWorld;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(ended) = cli::Env::become_engine(&words) {
        return ended;
    }
    let mut words = words.into_iter().skip(1);
    // The processes that Flowline starts itself: they come before any runtime, because they must stay small.
    match words.next().as_ref().and_then(|word| word.to_str()) {
        Some("keeper") => return runtime::keeper::main(words),
        Some("router") => return route(words),
        Some("hook") => return git::hook::pre_receive(),
        Some("static") => return static_server::main(),
        Some(_) | None => {}
    }
    let program = Program::parse();
    match program.verb {
        Verb::Serve(args) => serve::main(*args),
        Verb::Demo(args) => demo::main(&args),
        Verb::Doctor(args) => doctor::main(&args),
        Verb::Client(command) => client(command, program.ca.as_deref()),
    }
}

fn route(words: impl Iterator<Item = OsString>) -> ExitCode {
    logging::start(logging::Format::Text, "router");
    let ran = router::RouterConfig::from_args(words)
        .map_err(|error| error.to_string())
        .and_then(|config| router::run(&config, Arc::new(SystemWorld)).map_err(|error| error.to_string()));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn client(command: cli::Command, ca: Option<&Path>) -> ExitCode {
    let env = cli::Env::of_process(Program::command, || SystemWorld.now()).believing(ca);
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::run(command, env)),
        Err(error) => logging::fail(&format!("Cannot start: {error}")),
    }
}
