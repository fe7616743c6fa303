//! The programs that are compared, each started in front of the back end.

use crate::process::{Running, family, go_ahead};
use crate::scenario::{HOST, Scenario};
use crate::{Failure, conf};
use model::route::{Backend, Route, Web};
use router::link::{LinkConfig, RouterEvent, RouterLink};
use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Every program gets as many.
pub(crate) const THREADS: usize = 2;

/// Something that passes requests on.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// What it is called in the figures.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Its processes; none: the back end itself.
    pub(crate) pids: Vec<u32>,
}

/// Where a program's log lines go.
enum Log {
    /// To a file.
    File(PathBuf),
    /// To us, who count them.
    Here(Arc<AtomicU64>),
}

/// All of them, running.
pub(crate) struct Programs {
    pub(crate) targets: Vec<Target>,
    running: Vec<Running>,
    links: Vec<RouterLink>,
    logs: Vec<(&'static str, Log)>,
}

impl Programs {
    /// Ends them; who wrote how many log lines.
    pub(crate) async fn stop(self) -> Result<Vec<(&'static str, u64)>, Failure> {
        for link in &self.links {
            link.stop().await?;
        }
        drop(self.running);
        let lines = |(name, log): (&'static str, Log)| match log {
            Log::File(path) => Ok((name, u64::try_from(fs::read_to_string(path)?.lines().count())?)),
            Log::Here(count) => Ok((name, count.load(Ordering::Relaxed))),
        };
        self.logs.into_iter().map(lines).collect()
    }

    fn add(&mut self, name: &'static str, addr: SocketAddr, pids: Vec<u32>) {
        pids.iter().for_each(|pid| go_ahead(*pid));
        self.targets.push(Target { name, addr, pids });
    }
}

/// Starts what the scenario compares; what is not installed is said and left out.
pub(crate) async fn start(dir: &Path, backend: SocketAddr, scenario: &Scenario) -> Result<Programs, Failure> {
    let mut programs = Programs { targets: Vec::new(), running: Vec::new(), links: Vec::new(), logs: Vec::new() };
    programs.add("direct", backend, Vec::new());
    let every: &[(&'static str, &str)] =
        &[("nginx", "LOG bench"), ("nginx_buffered", "LOG bench buffer=64k flush=1s"), ("nginx_silent", "off")];
    for (name, log) in if scenario.all_logs { every } else { &every[..1] } {
        let path = dir.join(format!("{name}.access"));
        let log = log.replace("LOG", &path.display().to_string());
        nginx(dir, name, backend, &log, &mut programs).await?;
        if path.exists() {
            programs.logs.push((name, Log::File(path)));
        }
    }
    haproxy(dir, backend, &mut programs).await?;
    let every = [("router", true), ("router_silent", false)];
    for (name, request_log) in if scenario.all_logs { &every[..] } else { &every[..1] } {
        router(&dir.join(name), name, *request_log, backend, &mut programs).await?;
    }
    Ok(programs)
}

/// Where Debian puts servers, which is not on everybody's path.
fn installed(program: &str) -> Option<String> {
    let path = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(|folder| format!("{folder}/{program}"));
    let found = path.into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        println!("# {program} is left out: it is not installed (`scripts/setup bench` installs it)");
    }
    found
}

/// A session of its own for it, as the router has.
fn session(program: &str) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

fn free() -> Result<SocketAddr, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn nginx(
    dir: &Path,
    name: &'static str,
    backend: SocketAddr,
    log: &str,
    programs: &mut Programs,
) -> Result<(), Failure> {
    let (Some(program), addr) = (installed("nginx"), free()?) else { return Ok(()) };
    let path = dir.join(format!("{name}.conf"));
    fs::write(&path, conf::nginx(dir, name, addr, backend, log))?;
    let child = session(&program).arg("-p").arg(dir).arg("-c").arg(&path).stderr(Stdio::inherit()).spawn()?;
    // The master listens before it has all its workers.
    let pids = listening(name, child, addr, 1 + THREADS, programs).await?;
    programs.add(name, addr, pids);
    Ok(())
}

async fn haproxy(dir: &Path, backend: SocketAddr, programs: &mut Programs) -> Result<(), Failure> {
    let (Some(program), addr) = (installed("haproxy"), free()?) else { return Ok(()) };
    let (log, path) = (dir.join("haproxy.log"), dir.join("haproxy.conf"));
    fs::write(&path, conf::haproxy(addr, backend))?;
    let stdout = fs::File::create(&log)?;
    programs.logs.push(("haproxy", Log::File(log)));
    let mut command = session(&program);
    let child = command.arg("-db").arg("-f").arg(&path).stdout(stdout).stderr(Stdio::inherit()).spawn()?;
    let pids = listening("haproxy", child, addr, 1, programs).await?;
    programs.add("haproxy", addr, pids);
    Ok(())
}

/// Waits until it listens and has so many processes; which.
async fn listening(
    name: &str,
    child: std::process::Child,
    addr: SocketAddr,
    processes: usize,
    programs: &mut Programs,
) -> Result<Vec<u32>, Failure> {
    let pid = child.id();
    programs.running.push(Running(child));
    for _ in 0..500 {
        let pids = family(pid);
        if pids.len() == processes && tokio::net::TcpStream::connect(addr).await.is_ok() {
            return Ok(pids);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("{name} did not start").into())
}

async fn router(
    dir: &Path,
    name: &'static str,
    request_log: bool,
    backend: SocketAddr,
    programs: &mut Programs,
) -> Result<(), Failure> {
    fs::create_dir(dir)?;
    let config = LinkConfig {
        exe: std::env::current_exe()?,
        dir: dir.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        request_log,
        threads: NonZeroUsize::new(THREADS),
    };
    let (link, mut events) = RouterLink::ensure(config).await?;
    let count = Arc::new(AtomicU64::new(0));
    programs.logs.push((name, Log::Here(Arc::clone(&count))));
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            count.fetch_add(u64::from(matches!(event, RouterEvent::Log { .. })), Ordering::Relaxed);
        }
    });
    let id = uuid::Uuid::from_u128(1);
    let backends = vec![Backend { dyno: id.into(), name: "web.1".into(), addr: backend }];
    let web = Web::Up { backends };
    link.set(Route { app: id.into(), name: "bench".parse()?, hosts: vec![HOST.into()], web }).await?;
    programs.add(name, link.addr(), vec![link.pid()]);
    programs.links.push(link);
    Ok(())
}
