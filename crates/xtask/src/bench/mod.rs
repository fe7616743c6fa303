//! Measurements of the product against its aims and against what else does the same work.
//!
//! Each benchmark is one module with one function that gives figures; this file runs them and prints the table.
//! Programs under measurement print one figure a line, `name value unit`, and anything else after a `#`.

mod dyno_start;
mod figure;
mod idle_memory;
mod program;
mod push_to_live;
mod router_cost;
mod server;

use std::path::{Path, PathBuf};

pub use figure::{Aim, Figure};

/// One benchmark.
struct Bench {
    name: &'static str,
    what: &'static str,
    run: fn(&Checkout) -> Result<Vec<Figure>, BenchError>,
}

/// Every benchmark, in the order they run.
const BENCHES: [Bench; 4] = [
    Bench { name: "dyno_start", what: "start of a dyno, to the end of `true` in it", run: dyno_start::run },
    Bench { name: "router_cost", what: "CPU time of the router per request", run: router_cost::run },
    Bench {
        name: "push_to_live",
        what: "git push of a small change until the new code answers",
        run: push_to_live::run,
    },
    Bench {
        name: "idle_memory",
        what: "memory of all Flowline processes while nothing happens",
        run: idle_memory::run,
    },
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
                write!(f, "no benchmark `{name}`: there are {}", BENCHES.map(|bench| bench.name).join(", "))
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

/// Runs the named benchmarks, or all, and prints a table after each.
///
/// # Errors
/// A name that is none, or a benchmark without figures; the others run all the same.
pub fn run(root: &Path, names: &[String]) -> Result<(), BenchError> {
    if let Some(name) = names.iter().find(|name| !BENCHES.iter().any(|bench| bench.name == **name)) {
        return Err(BenchError::NoSuchBench(name.clone()));
    }
    let checkout = Checkout { root: root.to_path_buf() };
    let mut failed = Vec::new();
    for bench in BENCHES.iter().filter(|bench| names.is_empty() || names.iter().any(|name| name == bench.name)) {
        say(&format!("\n{}: {}", bench.name, bench.what));
        match (bench.run)(&checkout) {
            Ok(figures) => say(&figure::table(&figures)),
            Err(error) => {
                say(&format!("  {error}"));
                failed.push(bench.name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(BenchError::Incomplete(failed)) }
}

#[allow(clippy::print_stdout, reason = "a tool for the terminal: its output is its product")]
fn say(text: &str) {
    println!("{text}");
}
