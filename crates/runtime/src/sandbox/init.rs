//! The first process of a dyno (pid 1 inside): builds the sandbox, starts the payload, reaps, passes SIGTERM on to all.

use super::fault::{Fault, Step};
use super::{Plan, lockdown, tree};
use crate::sys::{self, Forked, Signals};
use model::dyno::Exit;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// What a shell says when a program is not there, and when it cannot be executed.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// The longest reason that is reported; a pipe takes it in one piece.
const REASON_LIMIT_BYTES: usize = 2000;

/// What init tells the keeper, in one write each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The sandbox stands, the payload is started.
    Ready,
    /// It does not.
    Failed(String),
    /// The payload has ended.
    Ended(Exit),
}

impl Report {
    fn send(&self, to: &mut File) {
        let bytes = match self {
            Self::Ready => vec![b'R'],
            Self::Failed(why) => [b"F", &why.as_bytes()[..why.len().min(REASON_LIMIT_BYTES)]].concat(),
            Self::Ended(Exit::Code(code)) => [&b"C"[..], &code.to_le_bytes()].concat(),
            Self::Ended(Exit::Signal(signal)) => [&b"S"[..], &signal.to_le_bytes()].concat(),
            Self::Ended(Exit::Lost) => vec![],
        };
        // Without a keeper there is nobody to tell, and the kernel ends this process anyway.
        let _no_keeper = to.write_all(&bytes);
    }

    /// Reads what has come so far: `Ready` and `Ended` may come in one piece.
    pub(crate) fn read(bytes: &[u8]) -> Vec<Self> {
        let Some((mark, rest)) = bytes.split_first() else { return Vec::new() };
        let number = |rest: &[u8]| rest.first_chunk::<4>().map(|number| i32::from_le_bytes(*number));
        match mark {
            b'R' => [vec![Self::Ready], Self::read(rest)].concat(),
            b'F' => vec![Self::Failed(String::from_utf8_lossy(rest).into_owned())],
            b'C' => number(rest).map(|code| Self::Ended(Exit::Code(code))).into_iter().collect(),
            b'S' => number(rest).map(|signal| Self::Ended(Exit::Signal(signal))).into_iter().collect(),
            _unknown => Vec::new(),
        }
    }
}

/// The life of a dyno's first process.
pub(super) fn run(plan: &Plan<'_>, output: OwnedFd, reports: OwnedFd) -> ! {
    let mut reports = File::from(reports);
    match prepare(plan, output) {
        Ok((payload, signals)) => {
            Report::Ready.send(&mut reports);
            let exit = watch(payload, &signals);
            Report::Ended(exit).send(&mut reports);
        }
        Err(fault) => Report::Failed(fault.to_string()).send(&mut reports),
    }
    // The kernel ends whatever is left in the dyno together with its first process.
    sys::leave(0)
}

fn prepare(plan: &Plan<'_>, output: OwnedFd) -> Result<(Pid, Signals), Fault> {
    // SIGTERM was blocked by the keeper before the fork, so that none is lost until here.
    let signals = Signals::block(&[Signal::TERM, Signal::CHILD]).step("blocking signals")?;
    lockdown::die_with_keeper()?;
    let _unnamed = rustix::thread::set_name(c"init");
    if let Some(user) = plan.user {
        lockdown::map_identity(user)?;
    }
    plan.cgroup.enter().step("entering the cgroup")?;
    lockdown::hide_cgroups()?;
    lockdown::offer_to_oom_killer();
    let host = plan.spec.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    rustix::system::sethostname(host.as_bytes()).step("setting the host name")?;
    tree::build(plan, &host)?;
    lockdown::limit(&plan.spec.limits, plan.user.is_some())?;
    lockdown::drop_rights(plan.user.is_some())?;
    lockdown::die_with_keeper()?;
    lockdown::filter(plan.filter)?;
    let payload = start_payload(plan, output)?;
    Ok((payload, signals))
}

fn start_payload(plan: &Plan<'_>, output: OwnedFd) -> Result<Pid, Fault> {
    match sys::fork().step("forking the payload")? {
        Forked::Parent(pid) => Ok(pid),
        Forked::Child => {
            let code = execute(plan, output);
            sys::leave(code)
        }
    }
}

/// Becomes the payload. It only returns when that is impossible, with the exit status to leave with.
fn execute(plan: &Plan<'_>, output: OwnedFd) -> i32 {
    let _leader_already = rustix::process::setsid();
    let Some((program, args)) = plan.spec.argv.split_first() else { return NOT_FOUND };
    for signal in [Signal::HUP, Signal::INT, Signal::CHILD] {
        sys::restore(signal);
    }
    let mut said = output.try_clone().map(File::from);
    let error = match output.try_clone() {
        Err(error) => error,
        // `exec` also resets the signal mask and SIGPIPE.
        Ok(error_output) => Command::new(program)
            .args(args)
            .env_clear()
            .envs(&plan.spec.env)
            .current_dir(&plan.spec.cwd)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(error_output)
            .exec(),
    };
    let what = if plan_cwd_is_missing(plan) { plan.spec.cwd.display().to_string() } else { program.clone() };
    if let Ok(said) = &mut said {
        let _unheard = writeln!(said, "cannot run {what}: {error}");
    }
    if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
}

fn plan_cwd_is_missing(plan: &Plan<'_>) -> bool {
    !fs::metadata(&plan.spec.cwd).is_ok_and(|about| about.is_dir())
}

/// Reaps until the payload has ended; after a SIGTERM until everything has, because all processes may take the time
/// to end that the payload was given (DYNO-30).
fn watch(payload: Pid, signals: &Signals) -> Exit {
    let mut stopping = false;
    let mut ended = None;
    loop {
        match signals.wait() {
            Ok(Signal::TERM) => {
                stopping = true;
                sys::signal_all(Signal::TERM);
            }
            Ok(_child) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return Exit::Lost,
        }
        let all_gone = reap(payload, &mut ended);
        if let Some(exit) = ended
            && (all_gone || !stopping)
        {
            return exit;
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

/// A wait status in our words.
pub(crate) fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Lost,
    }
}
