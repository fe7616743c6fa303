//! What dynos cost in memory beside their payloads: keeper and init, as proportional set size.
//!
//! Prints the medians: `name value unit`. `cargo run --release -p runtime --example keeper_memory [dynos [flowline]]`

use model::dyno::{DynoSize, Slice};
use model::id::DynoId;
use runtime::{DynoSpec, Output, Runtime, RuntimeConfig};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Enough that what they share is divided.
const DYNOS: usize = 50;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.peek().is_some_and(|word| word == "keeper") {
        return runtime::keeper::main(args.skip(1));
    }
    let dynos = args.next().and_then(|word| word.to_str()?.parse().ok()).unwrap_or(DYNOS);
    // The keeper of the product, which is a larger program, or else of this one.
    let exe = args.next().map_or_else(std::env::current_exe, |path| Ok(path.into()));
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match tokio.map_err(Into::into).and_then(|tokio| tokio.block_on(measure(dynos, exe?))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(count: usize, exe: PathBuf) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let config = RuntimeConfig::new(dir.path().join("dynos"), exe);
    let (runtime, _) = Runtime::open(config).await?;
    let mut dynos = Vec::new();
    for number in 0..count {
        let mut dyno = runtime.start(spec(number)).await?;
        // It has said something: its keeper has done some work.
        if !matches!(dyno.next().await, Some(Output::Line { .. })) {
            return Err("the dyno does not run".into());
        }
        dyno.control().ack(1).await;
        dynos.push(dyno);
    }
    let mut sizes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for dyno in &dynos {
        let keeper = number(&format!("/proc/{}/status", dyno.pid), "PPid:")?;
        let nursery = number(&format!("/proc/{keeper}/status"), "PPid:")?;
        for (name, pid) in [("keeper", keeper), ("init", u64::from(dyno.pid)), ("nursery", nursery)] {
            sizes.entry(name).or_default().push(number(&format!("/proc/{pid}/smaps_rollup"), "Pss:")?);
        }
        // What it would be alone, with the pages of the binary that all share.
        sizes.entry("keeper_resident").or_default().push(number(&format!("/proc/{keeper}/status"), "VmRSS:")?);
    }
    let mut out = std::io::stdout();
    for (name, mut sizes) in sizes {
        sizes.sort_unstable();
        writeln!(out, "{name} {} KiB", sizes[sizes.len() / 2])?;
    }
    for dyno in dynos {
        dyno.control().kill().await;
        dyno.control().finish().await?;
    }
    Ok(())
}

fn spec(number: usize) -> DynoSpec {
    DynoSpec {
        id: DynoId(uuid::Uuid::from_u128(number as u128)),
        name: "web.1".into(),
        argv: ["sh", "-c", "echo started; exec sleep 1000"].map(str::to_owned).to_vec(),
        cwd: "/".into(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        root: None,
        mounts: Vec::new(),
        limits: DynoSize::Standard1X.limits(),
        slice: Slice::Apps,
        port: false,
        labels: BTreeMap::new(),
        attach: None,
    }
}

/// The number behind a word in one of the kernel's tables.
fn number(path: &str, word: &str) -> Outcome<u64> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(word)).ok_or("the kernel says it differently")?;
    Ok(line.split_whitespace().next().ok_or("a number is missing")?.parse()?)
}
