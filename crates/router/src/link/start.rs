//! Finding the router that runs, or starting one.

use super::Setup;
use crate::config::RouterConfig;
use crate::error::RouterError;
use crate::socket;
use crate::wire::{self, Command, Frame, Notice, Order, PROTOCOL};
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command as Program};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// A router that does not say hello within this is taken for dead. Ordinarily it takes milliseconds; on a machine that has
/// just booted, and starts everything at once, it may take seconds, and a server without a router does not start.
const HELLO_LIMIT: Duration = Duration::from_secs(30);

/// Between two looks whether a new router listens.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A router of another version or address gets this long to leave its port.
const LEAVE_LIMIT: Duration = Duration::from_secs(35);

/// A successor that does not serve within this is given up.
const UPGRADE_LIMIT: Duration = Duration::from_secs(10);

/// New routers that may be killed before they say hello: somebody does it on purpose, or the machine is short of memory.
const KILLED_LIMIT: u32 = 5;

const LOG_NAME: &str = "router.log";

/// The log is begun anew beyond this.
const LOG_LIMIT_BYTES: u64 = 1024 * 1024;

/// The end of the log that is looked at for the reason of a failed start.
const LAST_WORDS_BYTES: usize = 2000;

/// An open control connection.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) from: OwnedReadHalf,
    pub(super) to: OwnedWriteHalf,
    pub(super) addr: SocketAddr,
    pub(super) pid: u32,
}

/// A connection to the router of this folder, on `listen` unless its port is 0.
pub(super) async fn connect_or_start(setup: &Setup, listen: SocketAddr) -> Result<Connected, RouterError> {
    match connect(setup).await {
        Ok(Some(living)) if listen.port() == 0 || living.addr == listen => return Ok(living),
        Ok(Some(other)) => {
            tracing::info!(router.addr = %other.addr, "The router serves another address; replacing it");
            leave(other.from, other.to).await;
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "The router that runs cannot be used; replacing it"),
    }
    start(setup, listen).await
}

/// `None`: nobody listens.
async fn connect(setup: &Setup) -> Result<Option<Connected>, RouterError> {
    let Ok(stream) = socket::connect(&setup.link.dir, socket::ORDERS).await else { return Ok(None) };
    let (mut from, to) = stream.into_split();
    match timeout(HELLO_LIMIT, wire::read::<Notice>(&mut from)).await {
        Ok(Ok(Some(Frame::Json(Notice::Hello { protocol: PROTOCOL, addr, pid })))) => {
            Ok(Some(Connected { from, to, addr, pid }))
        }
        Ok(Ok(None)) => Ok(None),
        Ok(Ok(Some(other))) => {
            leave(from, to).await;
            Err(RouterError::Protocol(format!("{other:?}")))
        }
        Ok(Err(error)) => {
            leave(from, to).await;
            Err(error)
        }
        Err(_) => Err(RouterError::Protocol("no hello".into())),
    }
}

/// Tells a router to end and waits until it left its port.
async fn leave(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // It may be gone already.
    let _ = wire::write_json(&mut to, &Order { id: 0, command: Command::Stop }).await;
    let gone = async { while let Ok(Some(_)) = wire::read::<serde_json::Value>(&mut from).await {} };
    let _ = timeout(LEAVE_LIMIT, gone).await;
}

async fn start(setup: &Setup, listen: SocketAddr) -> Result<Connected, RouterError> {
    let mut child = spawn(setup, setup.router(listen))?;
    let mut killed = 0;
    let until = Instant::now() + HELLO_LIMIT;
    loop {
        if let Some(connected) = connect(setup).await? {
            // Takes the exit status whenever it comes; the child runs on when this process ends.
            tokio::spawn(async move { child.wait().await });
            return Ok(connected);
        }
        if let Ok(Some(status)) = child.try_wait() {
            // Killed by somebody: that says nothing about the next one, and a server without a router does not start.
            if status.signal().is_some() && killed < KILLED_LIMIT {
                killed += 1;
                child = spawn(setup, setup.router(listen))?;
                continue;
            }
            return Err(RouterError::DidNotStart { why: last_words(setup) });
        }
        if Instant::now() > until {
            // It must not come up later, beside the next attempt.
            let _ = child.kill().await;
            return Err(RouterError::DidNotStart { why: format!("it did not answer within {HELLO_LIMIT:?}") });
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Starts a successor of the router that runs; returns when `pid` says that the link talks to it.
pub(super) async fn upgrade(
    setup: &Setup,
    listen: SocketAddr,
    mut pid: watch::Receiver<u32>,
) -> Result<u32, RouterError> {
    let mut child = spawn(setup, RouterConfig { upgrade: true, ..setup.router(listen) })?;
    let new = child.id();
    let taken_over = tokio::select! {
        taken = timeout(UPGRADE_LIMIT, pid.wait_for(|pid| Some(*pid) == new)) => matches!(taken, Ok(Ok(_))),
        _ = child.wait() => false,
    };
    match new {
        Some(pid) if taken_over => {
            // Takes the exit status whenever it comes; the child runs on when this process ends.
            tokio::spawn(async move { child.wait().await });
            Ok(pid)
        }
        Some(_) | None => {
            // It must not take over later.
            let _ = child.kill().await;
            Err(RouterError::NotHandedOver { why: last_words(setup) })
        }
    }
}

fn spawn(setup: &Setup, router: RouterConfig) -> Result<Child, RouterError> {
    let log = log(setup)?;
    let mut program = Program::new(&setup.link.exe);
    // Its own log: a pipe or terminal of ours would be held open long after our end.
    program.arg("router").args(router.to_args());
    program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(false);
    program.spawn().map_err(RouterError::file("start", &setup.link.exe))
}

fn log_path(setup: &Setup) -> PathBuf {
    setup.link.dir.join(LOG_NAME)
}

fn log(setup: &Setup) -> Result<File, RouterError> {
    let path = log_path(setup);
    let old = std::fs::metadata(&path).map_or(0, |old| old.len());
    let mut open = OpenOptions::new();
    open.create(true).append(true);
    let file = open.open(&path).map_err(RouterError::file("open", &path))?;
    if old > LOG_LIMIT_BYTES {
        file.set_len(0).map_err(RouterError::file("shorten", &path))?;
    }
    Ok(file)
}

fn last_words(setup: &Setup) -> String {
    let log = std::fs::read(log_path(setup)).unwrap_or_default();
    let end = String::from_utf8_lossy(&log[log.len().saturating_sub(LAST_WORDS_BYTES)..]).into_owned();
    let last = end.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(|| "it ended without a word".to_owned(), ToOwned::to_owned)
}
