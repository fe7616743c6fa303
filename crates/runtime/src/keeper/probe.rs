//! `flowline keeper probe DIR`: tries on this machine, for real, what a dyno needs, and prints what came of it.

use super::clock::monotonic_ms;
use super::nursery;
use crate::cgroup::{self, Cgroups, Claim};
use crate::dirs::prepare_dir;
use crate::network::{Openings, Place, Walls};
use crate::sandbox::{self, Ground, Job, Report, Sandbox};
use crate::spec::DynoSpec;
use model::dyno::{DynoSize, Exit, Slice};
use model::id::DynoId;
use model::mount::Mount;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, WaitOptions, waitpid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::ExitCode;

/// A sandbox takes milliseconds; one that takes longer than this does not work.
const LIMIT_MS: u64 = 10_000;

/// What came of it, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Findings {
    /// `cgroup v2`, `cgroup v1`, `no cgroups`.
    pub(crate) cgroups: String,
    /// What cannot be limited.
    pub(crate) unlimited: Vec<String>,
    /// Milliseconds to run `true` in a sandbox, or why not.
    pub(crate) sandbox: Result<u64, String>,
    /// The same with an overlay.
    pub(crate) overlay: Result<u64, String>,
    /// Did walls keep a sandbox away from a service of this machine? Or why not.
    pub(crate) network: Result<(), String>,
}

/// Prints the findings.
pub(super) fn run(dir: &Path) -> ExitCode {
    let (cgroups, unlimited) = Cgroups::prepare(dir);
    let findings = Findings {
        cgroups: cgroups.kind().to_owned(),
        unlimited,
        sandbox: attempt(dir, &cgroups, spec("true", Vec::new()), None),
        overlay: overlay(dir).and_then(|mount| attempt(dir, &cgroups, spec("true", vec![mount]), None)),
        network: network(dir, &cgroups),
    };
    cgroups.claim().map(Claim::give_up);
    let printed =
        serde_json::to_vec(&findings).map_err(io::Error::other).and_then(|json| io::stdout().write_all(&json));
    if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn overlay(dir: &Path) -> Result<Mount, String> {
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| dir.join(name));
    for folder in [&lower, &upper, &work] {
        prepare_dir(folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
    }
    Ok(Mount::Overlay { lowers: vec![lower], upper, work, to: "/app".into() })
}

/// Raises walls, and has a sandbox try to get out to a service that listens here.
fn network(dir: &Path, cgroups: &Cgroups) -> Result<(), String> {
    let walls = nursery::raise(cgroups, dir, &Openings::default())?;
    let listening = |error: io::Error| format!("listening at 127.0.0.1: {error}");
    let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(listening)?;
    let port = service.local_addr().map_err(listening)?.port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && exit 1; exit 0");
    match attempt(dir, cgroups, spec(&script, Vec::new()), Some(walls)) {
        Ok(_) => Ok(()),
        Err(why) => Err(format!("a sandbox was not kept from a service of this machine: {why}")),
    }
}

fn attempt(dir: &Path, cgroups: &Cgroups, spec: DynoSpec, walls: Option<Walls>) -> Result<u64, String> {
    let begin = monotonic_ms();
    let ground = Ground::prepare(dir).map_err(|fault| fault.to_string())?;
    let cgroup = cgroups.create(Slice::Apps).map_err(|error| format!("making a cgroup: {error}"))?;
    let own = walls.as_ref().map(Walls::first_address);
    let _place = Place::take(walls, cgroup.unified(), own)?;
    let (sandbox, ()) = sandbox::open(&ground, &cgroup, ());
    let outcome = sandbox.map_err(|fault| fault.to_string()).and_then(|mut sandbox| {
        // One that could not even be opened says so below.
        let _says_why = sandbox.give(&Job { spec, tmp: dir.to_owned() });
        let outcome = watch(&sandbox);
        sandbox.signal(Signal::KILL);
        let _reaped = waitpid(Some(sandbox.pid), WaitOptions::empty());
        outcome
    });
    cgroup::remove_at_last(cgroup.dirs(), || super::clock::pause(1));
    outcome.map(|()| monotonic_ms() - begin)
}

fn watch(sandbox: &Sandbox) -> Result<(), String> {
    let limit = super::clock::timespec(LIMIT_MS);
    match poll(&mut [PollFd::new(&sandbox.end, PollFlags::IN)], Some(&limit)) {
        Ok(1..) => {}
        Ok(0) | Err(_) => return Err(format!("no answer within {LIMIT_MS} ms")),
    }
    let mut bytes = [0; 4096];
    let count = rustix::io::read(&sandbox.reports, &mut bytes).unwrap_or(0);
    match Report::read(bytes.get(..count).unwrap_or_default()).pop() {
        Some(Report::Ended(Exit::Code(0))) => Ok(()),
        Some(Report::Failed(why)) => Err(why),
        Some(other @ (Report::Ready | Report::Ended(_))) => Err(format!("it ended with this result: {other:?}")),
        None => Err("the sandbox ended without a word".to_owned()),
    }
}

fn spec(script: &str, mounts: Vec<Mount>) -> DynoSpec {
    DynoSpec {
        id: DynoId(Default::default()),
        name: "doctor.1".to_owned(),
        argv: ["bash", "-c", script].map(str::to_owned).to_vec(),
        cwd: "/app".into(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        root: None,
        mounts,
        limits: DynoSize::Eco.limits(),
        slice: Slice::Apps,
        port: false,
        labels: BTreeMap::new(),
        attach: None,
    }
}
