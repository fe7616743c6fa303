//! Those who attach to a dyno: they get the payload's streams, or have another program started.
//!
//! Init itself starts it. Init has the dyno's namespaces, cgroups and limits, no right left to lose and a memory that no
//! process of the dyno may look into, so whatever it starts is confined from its first instruction: nothing has to be
//! joined from outside.

use super::reach;
use super::report::exit_of;
use super::stream::{self, Outside, Program};
use crate::call::{Call, Mark, exit_frame, refusal_frame};
use crate::handover::{give_all, take};
use crate::keeper::{monotonic_ms, receive};
use crate::spec::ExecSpec;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitStatus, kill_process};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Programs that were asked for, in one dyno at the same time. Each holds some descriptors of init; a person has one or two.
const EXEC_LIMIT: usize = 16;

/// A call is one small write of `serve`; one that does not come is none.
const CALL_LIMIT: Duration = Duration::from_secs(2);

/// After SIGHUP a program whose client has gone may end in order for this long; then it is killed.
const HANG_UP_GRACE_MS: u64 = 10_000;

/// All sessions of a dyno.
pub(super) struct Sessions {
    calls: UnixStream,
    /// None: it has not been started.
    payload: Option<Pid>,
    /// None: it is not attached, or no longer.
    streams: Option<Outside>,
    opening: Opening,
    programs: Vec<Running>,
}

/// Has somebody the payload's streams?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Awaited,
    Opened,
    /// Nobody will have them.
    HungUp,
}

/// A program that was asked for.
struct Running {
    leader: Pid,
    client: UnixStream,
    /// When SIGKILL is due; its client has gone.
    kill_at: Option<u64>,
}

impl Sessions {
    pub(super) fn new(calls: UnixStream, streams: Option<Outside>) -> Self {
        Self { calls, payload: None, streams, opening: Opening::Awaited, programs: Vec::new() }
    }

    pub(super) fn opening(&self) -> Opening {
        self.opening
    }

    pub(super) fn started(&mut self, payload: Pid) {
        self.payload = Some(payload);
    }

    /// What to wait for.
    pub(super) fn sources(&self) -> impl Iterator<Item = PollFd<'_>> {
        let clients = self.programs.iter().filter(|running| running.kill_at.is_none());
        let clients = clients.map(|running| PollFd::new(&running.client, PollFlags::IN));
        std::iter::once(PollFd::new(&self.calls, PollFlags::IN)).chain(clients)
    }

    /// When there is something to do without being asked.
    pub(super) fn next_time(&self) -> Option<u64> {
        self.programs.iter().filter_map(|running| running.kill_at).min()
    }

    /// Does what is asked for and what is due. A dyno that is stopping starts nothing new.
    pub(super) fn attend(&mut self, stopping: bool) {
        while let Ok(client) = take(self.calls.as_fd()) {
            // Whoever has gone again needs no answer.
            let _gone = self.answer(client.into(), stopping);
        }
        let now = monotonic_ms();
        for running in &mut self.programs {
            if running.kill_at.is_none() && has_gone(&mut running.client) {
                running.kill_at = Some(now + HANG_UP_GRACE_MS);
                signal_session(running.leader, Signal::HUP);
            }
        }
        for running in self.programs.extract_if(.., |running| running.kill_at.is_some_and(|at| now >= at)) {
            signal_session(running.leader, Signal::KILL);
        }
    }

    /// A child has ended: if it is one that somebody waits for, they are told.
    pub(super) fn reaped(&mut self, pid: Pid, status: WaitStatus) {
        for mut running in self.programs.extract_if(.., |running| running.leader == pid) {
            let _gone = running.client.write_all(&exit_frame(exit_of(status)));
        }
    }

    fn answer(&mut self, mut client: UnixStream, stopping: bool) -> io::Result<()> {
        client.set_read_timeout(Some(CALL_LIMIT))?;
        let call = receive(&mut client)?.ok_or(ErrorKind::UnexpectedEof)?;
        match serde_json::from_slice(&call)? {
            Call::Open => match self.streams.take() {
                Some(streams) => {
                    // A terminal stays open here too: losing `serve` does not hang the program up. Pipes are given away:
                    // with a copy here their reader would never see their end.
                    streams.give(client.as_fd())?;
                    self.streams = streams.if_terminal();
                    self.opening = Opening::Opened;
                    Ok(())
                }
                None => refuse(&mut client, "its streams are not open to anybody"),
            },
            Call::HangUp => {
                (self.streams, self.opening) = (None, Opening::HungUp);
                self.payload.iter().for_each(|payload| signal_session(*payload, Signal::HUP));
                give_all(client.as_fd(), Mark::Done.byte(), &[])
            }
            Call::Exec(_) if stopping => refuse(&mut client, "it is stopping"),
            Call::Exec(_) if self.programs.len() >= EXEC_LIMIT => {
                refuse(&mut client, &format!("{EXEC_LIMIT} sessions are open in it, which is the limit; end one first"))
            }
            Call::Exec(spec) => self.exec(client, &spec),
            Call::File(path) => hand_over(client, reach::file(&path)),
            Call::Connect(to) => hand_over(client, reach::begin_to_connect(to)),
        }
    }

    fn exec(&mut self, mut client: UnixStream, spec: &ExecSpec) -> io::Result<()> {
        let started = stream::open(spec.attach).and_then(|(outside, inside)| {
            let leader = Program::of_exec(spec).start(&inside)?;
            Ok((outside, leader))
        });
        let (outside, leader) = match started {
            Ok(started) => started,
            Err(error) => return refuse(&mut client, &format!("`{}` cannot be run: {error}", spec.argv.join(" "))),
        };
        client.set_nonblocking(true)?;
        // No copy stays: a program notices at once that its client has gone.
        let given = outside.give(client.as_fd());
        self.programs.push(Running { leader, client, kill_at: None });
        given
    }
}

fn hand_over(mut client: UnixStream, opened: io::Result<OwnedFd>) -> io::Result<()> {
    match opened {
        Ok(fd) => give_all(client.as_fd(), Mark::Given.byte(), &[fd.as_fd()]),
        Err(error) => refuse(&mut client, &error.to_string()),
    }
}

fn refuse(client: &mut UnixStream, why: &str) -> io::Result<()> {
    give_all(client.as_fd(), Mark::Refused.byte(), &[])?;
    client.write_all(&refusal_frame(why))
}

/// It says nothing after its call; all that can be read is its end.
fn has_gone(client: &mut UnixStream) -> bool {
    !client.read(&mut [0]).is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted))
}

/// Signals every process of a session: a shell's jobs have groups of their own.
fn signal_session(leader: Pid, signal: Signal) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid
            && fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| session_of(&stat) == Some(leader))
        {
            // One that has just ended needs no signal. Others may not take its number meanwhile: init alone reaps orphans,
            // and a parent in the dyno harms only its own dyno.
            let _gone = kill_process(pid, signal);
        }
    }
}

/// The session in `/proc/<pid>/stat`: the fourth field behind the name, which may contain anything.
fn session_of(stat: &str) -> Option<Pid> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(3)?.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_behind_any_name() {
        let pid = Pid::from_raw(42);
        assert_eq!(session_of("43 (a) b 1 (c) S 1 43 42 34816 43 4194304"), pid);
        assert_eq!(session_of("43 (a) S 1"), None);
        assert_eq!(session_of(""), None);
    }
}
