//! What it costs to start `/bin/true` and see it end: bare, as a dyno, in bubblewrap and in runc, in turns in one process.
//!
//! Prints the median of each: `name value unit`. `cargo run --release -p runtime --example start_cost [rounds]`
#![allow(clippy::disallowed_methods, reason = "measures real time")]

use model::dyno::{DynoSize, Exit, Slice};
use model::id::DynoId;
use runtime::{DynoSpec, Output, Runtime, RuntimeConfig};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Enough for a steady median on a noisy machine.
const ROUNDS: usize = 200;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.peek().is_some_and(|word| word == "keeper") {
        return runtime::keeper::main(args.skip(1));
    }
    let rounds = args.next().and_then(|word| word.to_str()?.parse().ok()).unwrap_or(ROUNDS);
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|tokio| tokio.block_on(measure(rounds)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(rounds: usize) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let config = RuntimeConfig::new(dir.path().join("dynos"), std::env::current_exe()?);
    let (runtime, _) = Runtime::open(config).await?;
    let bundle = dir.path().join("bundle");
    let mut others = vec![("bare", vec!["/bin/true".to_owned()])];
    others.extend(bubblewrap());
    others.extend(runc(&bundle)?);
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds + 5 {
        let own = dyno(&runtime, round).await?;
        let mut all = vec![("dyno", own)];
        for (name, argv) in &others {
            all.push((name, command(argv)?));
        }
        // The first rounds only warm the caches.
        for (name, time) in all.into_iter().filter(|_| round >= 5) {
            times.entry(name).or_default().push(time);
        }
    }
    let mut out = std::io::stdout();
    for (name, mut times) in times {
        times.sort_by(f64::total_cmp);
        writeln!(out, "{name} {:.3} ms", times[times.len() / 2])?;
    }
    Ok(())
}

/// From `start` to the news of its end; clearing up is not part of a start.
async fn dyno(runtime: &Runtime, round: usize) -> Outcome<f64> {
    let spec = DynoSpec {
        id: DynoId(uuid::Uuid::from_u128(round as u128)),
        name: "run.1".into(),
        argv: vec!["/bin/true".into()],
        cwd: "/app".into(),
        env: BTreeMap::new(),
        root: None,
        mounts: Vec::new(),
        limits: DynoSize::Standard1X.limits(),
        slice: Slice::Apps,
        port: false,
        labels: BTreeMap::new(),
        attach: None,
    };
    let begin = Instant::now();
    let mut dyno = runtime.start(spec).await?;
    let end = dyno.next().await;
    let time = begin.elapsed().as_secs_f64() * 1000.0;
    if end != Some(Output::Exited(Exit::Code(0))) {
        return Err(format!("the dyno ended with {end:?}").into());
    }
    dyno.control().finish().await?;
    Ok(time)
}

fn command(argv: &[String]) -> Outcome<f64> {
    let (program, args) = argv.split_first().ok_or("no program")?;
    let begin = Instant::now();
    let status = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let time = begin.elapsed().as_secs_f64() * 1000.0;
    if status.success() { Ok(time) } else { Err(format!("{program}: {status}").into()) }
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn bubblewrap() -> Option<(&'static str, Vec<String>)> {
    let words = "bwrap --unshare-user-try --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try --die-with-parent \
                 --new-session --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
                 --ro-bind /etc /etc --proc /proc --dev /dev --tmpfs /tmp --dir /app --clearenv /bin/true";
    is_installed("bwrap").then(|| ("bwrap", words.split_whitespace().map(str::to_owned).collect()))
}

/// A bundle as `runc spec` makes it, with the host's `/usr` and our memory limit.
fn runc(bundle: &Path) -> Outcome<Option<(&'static str, Vec<String>)>> {
    if !is_installed("runc") {
        return Ok(None);
    }
    let root = bundle.join("rootfs");
    std::fs::create_dir_all(root.join("usr"))?;
    for (link, target) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        std::os::unix::fs::symlink(target, root.join(link))?;
    }
    if !Command::new("runc").arg("spec").current_dir(bundle).status()?.success() {
        return Ok(None);
    }
    let path = bundle.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = vec!["/bin/true"].into();
    let memory = format!(r#"{{"limit": {}}}"#, DynoSize::Standard1X.limits().memory_bytes);
    config["linux"]["resources"]["memory"] = serde_json::from_str(&memory)?;
    if let Some(mounts) = config["mounts"].as_array_mut() {
        let usr = r#"{"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro", "nosuid", "nodev"]}"#;
        mounts.push(serde_json::from_str(usr)?);
    }
    std::fs::write(path, serde_json::to_vec(&config)?)?;
    let bundle = bundle.display().to_string();
    Ok(Some(("runc", ["runc", "run", "-b", &bundle, "flowline-start-cost"].map(str::to_owned).to_vec())))
}
