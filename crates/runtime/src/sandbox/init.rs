//! The first process of a dyno (pid 1 inside): builds the sandbox, starts the payload, reaps, passes SIGTERM on to all.

use super::fault::{Fault, Step};
use super::report::{Report, exit_of};
use super::tree::Tree;
use super::{Ground, Job, Wish, lockdown};
use crate::cgroup::Cgroup;
use crate::spec::DynoSpec;
use crate::sys::{self, Heard, Signals};
use model::dyno::{Exit, Slice};
use rustix::process::{Pid, Signal, WaitOptions, setsid};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// What a shell says when a program is not there, and when it cannot be executed.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// Its ends of the pipes to the keeper.
pub(super) struct Pipes {
    pub(super) output: OwnedFd,
    pub(super) reports: File,
    pub(super) job: File,
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
    let exit = match start_payload(&job.spec, &pipes.output) {
        Ok(payload) => {
            // The payload's processes alone keep the pipe open now.
            pipes.output = File::open("/dev/null").step("letting the output go")?.into();
            // Until `Ready` the keeper sends no signal, so none gets lost before this.
            let signals = Signals::block(&[Signal::TERM, Signal::CHILD]).and_then(Signals::and_words);
            let signals = signals.step("blocking signals")?;
            Report::Ready.send(&mut pipes.reports).step("reporting")?;
            watch(payload, &signals)
        }
        Err(error) => {
            Report::Ready.send(&mut pipes.reports).step("reporting")?;
            explain(&job.spec, &error, &pipes.output)
        }
    };
    Report::Ended(exit).send(&mut pipes.reports).step("reporting")
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

/// Starts the payload, without a copy of this process's memory in between.
fn start_payload(spec: &DynoSpec, output: &OwnedFd) -> io::Result<Pid> {
    let (program, args) = spec.argv.split_first().ok_or(ErrorKind::InvalidInput)?;
    // This also gives SIGPIPE its default effect.
    let child = Command::new(program)
        .args(args)
        .env_clear()
        .envs(&spec.env)
        .current_dir(&spec.cwd)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .spawn()?;
    // `watch` reaps it together with all others.
    Ok(Pid::from_child(&child))
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
fn watch(payload: Pid, signals: &Signals) -> Exit {
    let mut stopping = false;
    let mut ended = None;
    loop {
        let all_gone = reap(payload, &mut ended);
        if let Some(exit) = ended
            && (all_gone || !stopping)
        {
            return exit;
        }
        match signals.wait() {
            Ok(Heard::Signal(Signal::TERM)) => {
                stopping = true;
                sys::signal_all(Signal::TERM);
            }
            // A payload can say this too, to itself: it could as well stop itself in other ways.
            Ok(Heard::Word(word)) => match Wish::of(word) {
                Wish::Halt => sys::signal_all(Signal::STOP),
                Wish::GoOn => sys::signal_all(Signal::CONT),
            },
            Ok(Heard::Signal(_child)) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Exit::Lost,
        }
    }
}

/// Takes every ended child; `true` when none is left.
fn reap(payload: Pid, ended: &mut Option<Exit>) -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == payload => *ended = Some(exit_of(status)),
            Ok(Some(_orphan)) => {}
            Ok(None) => return false,
            Err(rustix::io::Errno::INTR) => {}
            Err(_no_children) => return true,
        }
    }
}
