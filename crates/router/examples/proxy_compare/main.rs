//! The router beside nginx and haproxy in front of the same back end, under the same visitors: CPU per request as fast as
//! they can, p50 and p99 at a fixed rate. Lines: `name value unit [ratio]`.
//!
//! `proxy_compare keep_alive|connections|downloads|uploads|websockets [--seconds N] [--rounds N]`; `proxy_compare router …`
//! is the router process itself.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program whose output is its result")]

mod backend;
mod conf;
mod process;
mod program;
mod report;
mod rounds;
mod scenario;
mod socket;

use model::time::Timestamp;
use model::world::World;
use router::RouterConfig;
use scenario::Scenario;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

type Failure = Box<dyn Error + Send + Sync>;

/// The machine's own clock and dice.
struct Machine;

impl World for Machine {
    #[allow(clippy::disallowed_methods, reason = "this is the place where the machine is asked")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn random(&self, bytes: &mut [u8]) {
        // A kernel without it would not have got this far.
        let _ = rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty());
    }
}

/// How long each of the two measurements of a program takes in a round, and how many rounds there are.
#[derive(Debug, Clone, Copy)]
struct Plan {
    seconds: u64,
    rounds: u32,
}

impl Plan {
    fn from_args(args: &[String]) -> Self {
        let number = |name: &str| {
            let at = args.iter().position(|arg| arg == name);
            at.and_then(|at| args.get(at + 1)).and_then(|value| value.parse().ok())
        };
        Self { seconds: number("--seconds").map_or(2, u64::from), rounds: number("--rounds").unwrap_or(5) }
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    let done = if args.next_if(|first| first == "router").is_some() {
        let config = RouterConfig::from_args(args).map_err(Failure::from);
        config.and_then(|config| Ok(router::run(&config, Arc::new(Machine))?))
    } else {
        let args: Vec<_> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
        measure(&args)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The router's log has this as its last line.
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Three threads that do not wait for each other: the back end, whoever takes the log lines, and the visitors.
fn measure(args: &[String]) -> Result<(), Failure> {
    let scenario: Scenario = args.first().map_or("keep_alive", String::as_str).parse()?;
    let plan = Plan::from_args(args);
    process::go_ahead(std::process::id());
    let backend = backend::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let dir = tempfile::tempdir()?;
        let programs = program::start(dir.path(), backend, &scenario).await?;
        let (targets, visited) = (programs.targets.clone(), scenario.clone());
        let visits = tokio::task::spawn_blocking(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(rounds::run(plan, &visited, &targets))
        });
        let measured = visits.await?;
        let logged = programs.stop().await?;
        report::print(&scenario, &measured?, &logged);
        Ok(())
    })
}
