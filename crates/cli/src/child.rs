//! A program that runs in front of the user, in the place of this one: how it is waited for, and what its end means.

use crate::error::CliError;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

/// What shells say of a program that a signal ended: this and the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;

/// Ctrl-C reaches the child from the terminal by itself; we wait for what it makes of it. `name`: what it is called.
pub(crate) async fn wait(mut child: Child, name: &str) -> Result<ExitStatus, CliError> {
    let watch = |kind| signal(kind).map_err(|error| CliError::local("watch for signals", error));
    let (mut interrupt, mut quit) = (watch(SignalKind::interrupt())?, watch(SignalKind::quit())?);
    let (mut terminate, mut hangup) = (watch(SignalKind::terminate())?, watch(SignalKind::hangup())?);
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    loop {
        let told = tokio::select! {
            ended = child.wait() => return ended.map_err(|error| CliError::local(format!("wait for {name}"), error)),
            _ = interrupt.recv() => continue,
            _ = quit.recv() => continue,
            _ = terminate.recv() => Signal::TERM,
            _ = hangup.recv() => Signal::HUP,
        };
        if let Some(pid) = pid {
            // It may have ended just now.
            let _gone = kill_process(pid, told).is_err();
        }
    }
}

/// The exit code that says the same of us.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| ENDED_BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
