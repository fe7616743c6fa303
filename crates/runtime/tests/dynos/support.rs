//! A runtime on a folder of its own, and short words for what the tests do with it.
#![allow(unreachable_pub, reason = "a test program has no public side")]

use model::dyno::{Exit, Limits, Slice};
use model::id::DynoId;
use model::mount::Mount;
use runtime::{Adopted, Dyno, DynoSpec, Output, Runtime, RuntimeConfig};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Whatever hangs longer than this is broken.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The keeper: beside this program, where it was copied for another user, or where cargo made it.
pub fn keeper() -> PathBuf {
    let beside = std::env::current_exe().unwrap().with_file_name("flowline-keeper");
    if beside.exists() { beside } else { env!("CARGO_BIN_EXE_flowline-keeper").into() }
}

/// A runtime and the folder that it lives in.
pub struct Machine {
    pub runtime: Runtime,
    pub dir: tempfile::TempDir,
}

impl Machine {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (runtime, adopted) = open(dir.path()).await;
        assert!(adopted.is_empty());
        Self { runtime, dir }
    }

    /// Runs a shell command to its end.
    pub async fn sh(&self, script: &str) -> Run {
        self.run(shell(script)).await
    }

    pub async fn run(&self, spec: DynoSpec) -> Run {
        let mut dyno = self.runtime.start(spec).await.unwrap();
        Run::of(&mut dyno).await
    }

    /// A folder that dynos may write to.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        runtime::prepare_dir(&path).unwrap();
        path
    }

    pub fn dyno_folder(&self, id: DynoId) -> PathBuf {
        self.dir.path().join("dynos").join(id.to_string())
    }
}

pub async fn open(dir: &Path) -> (Runtime, Vec<Adopted>) {
    Runtime::open(RuntimeConfig::new(dir.join("dynos"), keeper())).await.unwrap()
}

pub fn id() -> DynoId {
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).unwrap();
    DynoId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

pub fn limits() -> Limits {
    model::dyno::DynoSize::Standard1X.limits()
}

pub fn spec(argv: &[&str]) -> DynoSpec {
    DynoSpec {
        id: id(),
        name: "web.1".into(),
        argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
        cwd: "/".into(),
        env: BTreeMap::from([("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())]),
        root: None,
        mounts: Vec::new(),
        limits: limits(),
        slice: Slice::Apps,
        port: false,
        labels: BTreeMap::new(),
        attach: None,
    }
}

pub fn shell(script: &str) -> DynoSpec {
    spec(&["bash", "-c", script])
}

pub fn with_mount(mut spec: DynoSpec, mount: Mount) -> DynoSpec {
    spec.mounts.push(mount);
    spec
}

/// What a dyno said until its end.
#[derive(Debug)]
pub struct Run {
    pub lines: Vec<String>,
    pub dropped: u64,
    pub exit: Exit,
}

impl Run {
    /// Reads to the end, acknowledging as it goes, and lets the keeper go.
    pub async fn of(dyno: &mut Dyno) -> Self {
        let run = tokio::time::timeout(PATIENCE, Self::read(dyno)).await.expect("the dyno hangs");
        dyno.control().finish().await.unwrap();
        run
    }

    async fn read(dyno: &mut Dyno) -> Self {
        let (mut lines, mut dropped) = (Vec::new(), 0);
        let control = dyno.control();
        while let Some(output) = dyno.next().await {
            match output {
                Output::Line { seq, text, .. } => {
                    control.ack(seq).await;
                    lines.push(text);
                }
                Output::Dropped { count } => dropped += count,
                Output::Exited(exit) => return Self { lines, dropped, exit },
            }
        }
        panic!("no end was told; lines: {lines:?}");
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// The next line of a dyno that is expected to say something.
pub async fn line(dyno: &mut Dyno) -> String {
    match tokio::time::timeout(PATIENCE, dyno.next()).await.expect("the dyno says nothing") {
        Some(Output::Line { text, .. }) => text,
        other => panic!("a line was expected, not {other:?}"),
    }
}
