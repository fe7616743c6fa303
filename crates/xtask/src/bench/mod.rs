//! Measurements of the product against its aims and against what else does the same work.
//!
//! Each benchmark is one module with one function that gives figures; this file runs them and prints the table.
//! Programs under measurement print one figure a line, `name value unit [ratio]`, and anything else after a `#`.

mod app_boot;
mod call;
mod clock;
mod deploys;
mod dyno_start;
mod figure;
mod idle_memory;
mod keeper_memory;
mod ledger;
mod memory;
mod program;
mod promotions;
mod push_to_live;
mod router_cost;
mod server;
mod sleeping_apps;
mod wake;

use std::path::{Path, PathBuf};

pub use figure::{Aim, Figure};

/// One benchmark: its name, what it measures, and the function that does.
struct Bench(&'static str, &'static str, fn(&Checkout) -> Result<Vec<Figure>, BenchError>);

/// Every benchmark, in the order they run.
const BENCHES: [Bench; 14] = [
    Bench("dyno_start", "start of a dyno, to the end of `true` in it", dyno_start::run),
    Bench("keeper_memory", "memory of a dyno's keeper and init", keeper_memory::run),
    Bench("router_keep_alive", "router: small requests over kept connections", router_cost::keep_alive),
    Bench("router_connections", "router: a connection for every request", router_cost::connections),
    Bench("router_downloads", "router: response bodies of 1 MB", router_cost::downloads),
    Bench("router_uploads", "router: request bodies of 1 MB", router_cost::uploads),
    Bench("router_websockets", "router: echoes over 500 WebSockets", router_cost::websockets),
    Bench("push_to_live", "git push of a small change until the new code answers", push_to_live::run),
    Bench("deploys", "100 deploys of one app at 500 requests a second", deploys::run),
    Bench("promotions", "promotion to one app, to ten, and a hundred times at 500 requests a second", promotions::run),
    Bench("ledger", "list and promote with 100 and with 100,000 releases in the ledger", ledger::run),
    Bench("wake", "an app that runs, is frozen, or was stopped, until it answers", wake::run),
    Bench("idle_memory", "memory of all Flowline processes while nothing happens", idle_memory::run),
    Bench("sleeping_apps", "1000 apps asleep on one machine", sleeping_apps::run),
];

/// Where the sources are, and what is built from them.
struct Checkout {
    root: PathBuf,
}

/// Why a benchmark gave no figures.
#[derive(Debug)]
pub enum BenchError {
    /// No benchmark has this name.
    NoSuchBench(String),
    /// A program could not be started.
    NotStarted(String, std::io::Error),
    /// A program ended badly.
    Ended(String, String),
    /// A line that should be a figure, or an answer that should be something else.
    Unexpected(String),
    /// Files or sockets failed.
    Io(String, std::io::Error),
    /// Some benchmarks gave no figures; the reasons were printed.
    Incomplete(Vec<&'static str>),
}

impl std::fmt::Display for BenchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSuchBench(name) => {
                write!(f, "no benchmark `{name}`: there are {}", BENCHES.map(|bench| bench.0).join(", "))
            }
            Self::NotStarted(program, error) => {
                write!(f, "cannot start {program}: {error}; `scripts/setup bench` installs what is missing")
            }
            Self::Ended(program, how) => write!(f, "{program} ended with {how}"),
            Self::Unexpected(what) => write!(f, "unexpected: {what}"),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Incomplete(names) => write!(f, "no figures from {}", names.join(", ")),
        }
    }
}

impl std::error::Error for BenchError {}

/// How the figures are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table for people, after each benchmark.
    Table,
    /// A line of JSON for each benchmark; everything else goes to standard error.
    Json,
}

/// Runs the named benchmarks, or all, and prints the figures after each.
///
/// # Errors
/// A name that is none, or a benchmark without figures; the others run all the same.
pub fn run(root: &Path, names: &[String], form: Form) -> Result<(), BenchError> {
    if let Some(name) = names.iter().find(|name| !BENCHES.iter().any(|bench| bench.0 == **name)) {
        return Err(BenchError::NoSuchBench(name.clone()));
    }
    let checkout = Checkout { root: root.to_path_buf() };
    let mut failed = Vec::new();
    for Bench(name, what, measure) in
        BENCHES.iter().filter(|bench| names.is_empty() || names.iter().any(|name| name == bench.0))
    {
        remark(&format!("{name}: {what}"));
        match measure(&checkout) {
            Ok(figures) if form == Form::Json => say(&figure::json(name, &figures)),
            Ok(figures) => say(&format!("\n{name}: {what}\n{}\n", figure::table(&figures))),
            Err(error) => {
                remark(&error.to_string());
                failed.push(*name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(BenchError::Incomplete(failed)) }
}

#[allow(clippy::print_stdout, reason = "a tool for the terminal: its output is its product")]
fn say(text: &str) {
    println!("{text}");
}

/// What goes on, for whoever waits.
#[allow(clippy::print_stderr, reason = "a tool for the terminal: its output is its product")]
fn remark(text: &str) {
    eprintln!("# {text}");
}
