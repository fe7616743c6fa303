//! The first process of a dyno (pid 1 inside): builds the sandbox, starts the payload, reaps, passes SIGTERM on to all,
//! and serves those who attach.

use super::fault::{Fault, Step};
use super::report::{Report, exit_of};
use super::session::{Opening, Sessions};
use super::stream::{self, Inside, Program};
use super::tree::Tree;
use super::{Ground, Job, Wish, lockdown};
use crate::cgroup::Cgroup;
use crate::keeper::{monotonic_ms, timespec};
use crate::spec::DynoSpec;
use crate::sys::{self, Heard, Signals};
use model::dyno::{Exit, Slice};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, setsid};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// What a shell says when a program is not there, and when it cannot be executed.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// `serve` opens the streams of an attached dyno as soon as it stands; a machine that swaps may take its time.
const OPENING_LIMIT_MS: u64 = 30_000;

/// Its ends of the pipes to the keeper.
pub(super) struct Pipes {
    pub(super) output: OwnedFd,
    pub(super) reports: File,
    pub(super) job: File,
    /// Over which the keeper hands on the connections of those who attach.
    pub(super) calls: UnixStream,
}

/// The life of a dyno's first process.
pub(super) fn run(ground: &Ground, cgroup: &Cgroup, mut pipes: Pipes) -> ! {
    let reported = match live(ground, cgroup, &mut pipes) {
        Ok(()) => Ok(()),
        Err(fault) => Report::Failed(fault.to_string()).send(&mut pipes.reports),
    };
    // The kernel ends whatever is left in the dyno together with its first process.
    sys::leave(i32::from(reported.is_err()))
}

fn live(ground: &Ground, cgroup: &Cgroup, pipes: &mut Pipes) -> Result<(), Fault> {
    let tree = wake(ground, cgroup)?;
    let mut job = Vec::new();
    pipes.job.read_to_end(&mut job).step("reading the job")?;
    if job.is_empty() {
        // No dyno will come.
        return Ok(());
    }
    let job: Job = serde_json::from_slice(&job).step("reading the job")?;
    enclose(ground, &job, tree)?;
    let exit = work(&job.spec, pipes)?;
    Report::Ended(exit).send(&mut pipes.reports).step("reporting")
}

/// Starts the payload and stays until it has ended.
fn work(spec: &DynoSpec, pipes: &mut Pipes) -> Result<Exit, Fault> {
    let nowhere = stream::nowhere().step("letting the output go")?;
    let output = std::mem::replace(&mut pipes.output, nowhere);
    let calls = pipes.calls.try_clone().step("watching for callers")?;
    match spec.attach {
        None => {
            let inside = Inside::writing_to(output);
            let payload = Program::of_dyno(spec).start(&inside);
            let signals = listen(pipes)?;
            Ok(see_through(spec, payload, inside, &signals, Sessions::new(calls, None)))
        }
        Some(attach) => {
            let (outside, inside) = stream::open(attach).step("opening a terminal")?;
            let signals = listen(pipes)?;
            let mut sessions = Sessions::new(calls, Some(outside));
            // A quick program would have ended before anybody could have what it printed.
            if let Err(exit) = await_opening(&signals, &mut sessions) {
                return Ok(exit);
            }
            let payload = Program::of_dyno(spec).start(&inside);
            Ok(see_through(spec, payload, inside, &signals, sessions))
        }
    }
}

/// Tells the keeper that the sandbox stands. Until then it sends no signal, so none gets lost before this.
fn listen(pipes: &mut Pipes) -> Result<OwnedFd, Fault> {
    let signals = Signals::block(&[Signal::TERM, Signal::CHILD]).and_then(Signals::and_words);
    let signals = signals.and_then(|signals| signals.descriptor()).step("watching signals")?;
    Report::Ready.send(&mut pipes.reports).step("reporting")?;
    Ok(signals)
}

/// Waits until somebody has the streams; the error is how it ends without.
fn await_opening(signals: &OwnedFd, sessions: &mut Sessions) -> Result<(), Exit> {
    let until = monotonic_ms() + OPENING_LIMIT_MS;
    loop {
        wait(signals, sessions, Some(until)).map_err(|_| Exit::Lost)?;
        while let Some(heard) = sys::heard(signals) {
            if heard == Heard::Signal(Signal::TERM) {
                return Err(Exit::Signal(Signal::TERM.as_raw()));
            }
        }
        sessions.attend(false);
        match sessions.opening() {
            Opening::Awaited if monotonic_ms() >= until => return Err(Exit::Lost),
            Opening::Awaited => {}
            Opening::Opened => return Ok(()),
            Opening::HungUp => return Err(Exit::Signal(Signal::HUP.as_raw())),
        }
    }
}

fn see_through(
    spec: &DynoSpec,
    payload: io::Result<Pid>,
    inside: Inside,
    signals: &OwnedFd,
    sessions: Sessions,
) -> Exit {
    match payload {
        Ok(payload) => {
            // The payload's processes alone keep the streams open now.
            drop(inside);
            watch(payload, signals, sessions)
        }
        Err(error) => explain(spec, &error, &inside.output),
    }
}

/// What can be done before the job is known.
fn wake(ground: &Ground, cgroup: &Cgroup) -> Result<Tree, Fault> {
    lockdown::die_with_keeper()?;
    let _unnamed = rustix::thread::set_name(c"init");
    if let Some(user) = ground.user {
        lockdown::map_identity(user)?;
    }
    cgroup.enter().step("entering the cgroup")?;
    sys::unshare(libc::CLONE_NEWCGROUP).step("making a cgroup namespace")?;
    lockdown::offer_to_oom_killer(Slice::Apps);
    let _leader_already = setsid();
    // The payload inherits what is ignored and what is blocked.
    Signals::block_none().step("unblocking signals")?;
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT] {
        sys::restore(signal);
    }
    let tree = Tree::raise(ground)?;
    lockdown::empty_bounding_set()?;
    Ok(tree)
}

fn enclose(ground: &Ground, job: &Job, tree: Tree) -> Result<(), Fault> {
    let host = job.spec.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    rustix::system::sethostname(host.as_bytes()).step("setting the host name")?;
    lockdown::offer_to_oom_killer(job.spec.slice);
    tree.complete(ground, job, &host)?;
    lockdown::limit(&job.spec.limits, ground.user.is_some())?;
    lockdown::drop_rights(ground.user.is_some())?;
    // Changing the identity has undone it.
    lockdown::die_with_keeper()?;
    lockdown::filter(&ground.filter)
}

/// Says in the dyno's own output why its program does not run, and ends as a shell would.
fn explain(spec: &DynoSpec, error: &io::Error, output: &OwnedFd) -> Exit {
    let folder_is_there = fs::metadata(&spec.cwd).is_ok_and(|about| about.is_dir());
    let what = if folder_is_there { spec.argv.join(" ") } else { format!("in {}", spec.cwd.display()) };
    let _unheard = rustix::io::write(output, format!("cannot run {what}: {error}\n").as_bytes());
    Exit::Code(if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE })
}

/// Reaps until the payload has ended; after a SIGTERM until everything has, because all processes may take the time
/// to end that the payload was given (DYNO-30).
fn watch(payload: Pid, signals: &OwnedFd, mut sessions: Sessions) -> Exit {
    sessions.started(payload);
    let mut stopping = false;
    let mut ended = None;
    loop {
        let all_gone = reap(|pid, status| match pid {
            pid if pid == payload => ended = Some(exit_of(status)),
            other => sessions.reaped(other, status),
        });
        if let Some(exit) = ended
            && (all_gone || !stopping)
        {
            return exit;
        }
        if wait(signals, &sessions, None).is_err() {
            return Exit::Lost;
        }
        while let Some(heard) = sys::heard(signals) {
            match heard {
                Heard::Signal(Signal::TERM) => {
                    stopping = true;
                    sys::signal_all(Signal::TERM);
                }
                Heard::Signal(_child) => {}
                // A payload can say this too, to itself: it could as well stop itself in other ways.
                Heard::Word(word) => match Wish::of(word) {
                    Wish::Halt => sys::signal_all(Signal::STOP),
                    Wish::GoOn => sys::signal_all(Signal::CONT),
                },
            }
        }
        sessions.attend(stopping);
    }
}

/// Sleeps until there is something to do.
fn wait(signals: &OwnedFd, sessions: &Sessions, until: Option<u64>) -> io::Result<()> {
    let mut sources = vec![PollFd::new(signals, PollFlags::IN)];
    sources.extend(sessions.sources());
    let pause =
        sessions.next_time().into_iter().chain(until).min().map(|at| timespec(at.saturating_sub(monotonic_ms())));
    match poll(&mut sources, pause.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes every ended child; `true` when none is left.
fn reap(mut ended: impl FnMut(Pid, WaitStatus)) -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => ended(pid, status),
            Ok(None) => return false,
            Err(rustix::io::Errno::INTR) => {}
            Err(_no_children) => return true,
        }
    }
}
