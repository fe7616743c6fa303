//! The life of one keeper: start the sandbox, carry its output, note its end.

use super::buffer::Buffer;
use super::link::Link;
use super::nursery::{ID_BYTES, Nest};
use super::split::Splitter;
use crate::cgroup::{self, Cgroup};
use crate::folder::Folder;
use crate::sandbox::{self, Plan, Report, Sandbox};
use crate::spec::Order;
use crate::sys::{self, Signals};
use crate::wire::{Ended, FromKeeper, Hello, PROTOCOL, ToKeeper};
use model::dyno::{Exit, STOP_GRACE_S};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, setsid, waitpid};
use rustix::time::{ClockId, clock_gettime};
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;

/// A reader that acknowledges nothing for this long does not hold the dyno's output up any longer: lines are dropped.
const STALL_LIMIT_MS: u64 = 5_000;

/// How long a keeper whose dyno ended at once waits for its first reader, who was told to come.
const FIRST_READER_LIMIT_MS: u64 = 10_000;

/// How much output is read at once. Small: these pages stay in each keeper's memory.
const READ_BYTES: usize = 8 * 1024;

/// A cgroup can be removed once the kernel has let go of its last process: tried this often, this far apart.
const CGROUP_ATTEMPTS: u32 = 100;
const CGROUP_PAUSE_MS: u64 = 5;

/// How far the dyno is.
enum Phase {
    Booting,
    Running,
    Ended(Ended),
    Refused(String),
}

struct Keeper<'a> {
    folder: &'a Folder,
    listener: UnixListener,
    cgroup_dirs: Vec<std::path::PathBuf>,
    sandbox: Option<Sandbox>,
    output: Option<OwnedFd>,
    stop_signal: OwnedFd,
    link: Option<Link>,
    buffer: Buffer,
    splitter: Splitter,
    phase: Phase,
    reported: Option<Exit>,
    /// When SIGKILL is due.
    kill_at: Option<u64>,
    killed: bool,
    /// Since when the buffer is full although somebody reads.
    full_since: Option<u64>,
    finished: bool,
    had_reader: bool,
    born: u64,
}

/// Runs one dyno to its end, and then until its end has been taken note of.
pub(super) fn run(nest: &Nest, folder: &Folder, listener: UnixListener, order: &[u8]) -> ! {
    let code = match begin(nest, folder, listener, order) {
        Ok(mut keeper) => match keeper.live() {
            Ok(()) => 0,
            Err(_poll) => 1,
        },
        Err(_signals) => 1,
    };
    sys::leave(code)
}

fn begin<'a>(nest: &Nest, folder: &'a Folder, listener: UnixListener, order: &[u8]) -> io::Result<Keeper<'a>> {
    let _leader_already = setsid();
    sys::restore(Signal::CHILD);
    let _unnamed = rustix::thread::set_name(c"flowline-keeper");
    // Asks for the same orderly end as `serve` would.
    let stop_signal = Signals::block(&[Signal::TERM])?.descriptor()?;
    listener.set_nonblocking(true)?;
    let mut keeper = Keeper {
        folder,
        listener,
        cgroup_dirs: Vec::new(),
        sandbox: None,
        output: None,
        stop_signal,
        link: None,
        buffer: Buffer::default(),
        splitter: Splitter::default(),
        phase: Phase::Booting,
        reported: None,
        kill_at: None,
        killed: false,
        full_since: None,
        finished: false,
        had_reader: false,
        born: monotonic_ms(),
    };
    if let Err(reason) = keeper.start(nest, order) {
        keeper.phase = Phase::Refused(reason);
    }
    Ok(keeper)
}

impl Keeper<'_> {
    fn start(&mut self, nest: &Nest, order: &[u8]) -> Result<(), String> {
        let order: Order =
            serde_json::from_slice(order.get(ID_BYTES..).unwrap_or_default()).map_err(|e| e.to_string())?;
        let noted = |what: &str, error: &io::Error| format!("{what} {}: {error}", self.folder.path().display());
        self.folder.write_order(&order).map_err(|error| noted("writing to", &error))?;
        make_tmp(self.folder).map_err(|error| noted("making tmp in", &error))?;
        let cgroup =
            nest.cgroups.create(order.spec.id, &order.spec.limits).map_err(|e| format!("making a cgroup: {e}"))?;
        self.cgroup_dirs = cgroup.dirs().to_vec();
        self.folder.write_cgroups(cgroup.dirs()).map_err(|error| noted("writing to", &error))?;
        self.enclose(nest, &order, &cgroup)
    }

    fn enclose(&mut self, nest: &Nest, order: &Order, cgroup: &Cgroup) -> Result<(), String> {
        let plan = Plan {
            spec: &order.spec,
            folder: self.folder,
            stack: &nest.stack,
            staging: &nest.staging,
            cgroup,
            user: nest.user,
            filter: &nest.filter,
        };
        let mut sandbox = sandbox::start(&plan).map_err(|fault| fault.to_string())?;
        self.output = sandbox.take_output();
        for fd in self.output.iter().chain([&sandbox.reports]) {
            rustix::io::ioctl_fionbio(fd, true).map_err(|error| format!("watching the sandbox: {error}"))?;
        }
        self.sandbox = Some(sandbox);
        Ok(())
    }

    fn live(&mut self) -> io::Result<()> {
        loop {
            self.wait()?;
            self.answer_stop_signal();
            self.read_reports();
            self.read_output();
            self.accept();
            self.listen();
            self.check_time();
            self.note_end();
            self.speak();
            if self.is_over() {
                self.leave_behind();
                return Ok(());
            }
        }
    }

    /// Sleeps until something happens or is due.
    fn wait(&self) -> io::Result<()> {
        let mut fds = vec![PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&self.stop_signal, PollFlags::IN)];
        if let Some(sandbox) = &self.sandbox {
            fds.push(PollFd::new(&sandbox.end, PollFlags::IN));
            if matches!(self.phase, Phase::Booting) {
                fds.push(PollFd::new(&sandbox.reports, PollFlags::IN));
            }
        }
        if let Some(output) = self.output.as_ref().filter(|_| self.wants_output()) {
            fds.push(PollFd::new(output, PollFlags::IN));
        }
        if let Some(link) = &self.link {
            let write = if link.has_outgoing() { PollFlags::OUT } else { PollFlags::empty() };
            fds.push(PollFd::from_borrowed_fd(link.as_fd(), PollFlags::IN | write));
        }
        let pause = self.next_time().map(|at| at.saturating_sub(monotonic_ms()));
        let pause = pause.map(|ms| Timespec { tv_sec: (ms / 1000) as i64, tv_nsec: (ms % 1000 * 1_000_000) as i64 });
        match poll(&mut fds, pause.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn next_time(&self) -> Option<u64> {
        let unheard = self.sandbox.is_none().then_some(self.born + FIRST_READER_LIMIT_MS).filter(|_| !self.had_reader);
        let stalled = self.full_since.map(|since| since + STALL_LIMIT_MS).filter(|_| !self.is_stalled());
        [self.kill_at, stalled, unheard].into_iter().flatten().min()
    }

    /// Nobody reads: always, the oldest lines go. Somebody reads: what does not fit waits in the pipe, and the dyno
    /// with it, but not for ever.
    fn wants_output(&self) -> bool {
        self.link.is_none() || !self.buffer.is_full() || self.is_stalled()
    }

    fn is_stalled(&self) -> bool {
        self.full_since.is_some_and(|since| monotonic_ms() >= since + STALL_LIMIT_MS)
    }

    fn read_reports(&mut self) {
        let Some(sandbox) = &self.sandbox else { return };
        let mut bytes = [0; 2048];
        let Ok(count @ 1..) = rustix::io::read(&sandbox.reports, &mut bytes) else { return };
        for report in Report::read(bytes.get(..count).unwrap_or_default()) {
            match report {
                Report::Ready => self.phase = Phase::Running,
                Report::Failed(why) => self.phase = Phase::Refused(why),
                Report::Ended(exit) => self.reported = Some(exit),
            }
        }
    }

    fn read_output(&mut self) {
        if self.wants_output() {
            self.read_piece();
        }
        if self.link.is_none() || self.is_stalled() {
            self.buffer.drop_oldest();
        }
        self.full_since = match self.full_since {
            _ if !self.buffer.is_full() => None,
            Some(since) => Some(since),
            None => Some(monotonic_ms()),
        };
    }

    /// `false`: there is no more now.
    fn read_piece(&mut self) -> bool {
        let Some(output) = &self.output else { return false };
        let mut bytes = [0; READ_BYTES];
        match rustix::io::read(output, &mut bytes) {
            Ok(0) => self.output = None,
            Ok(count) => {
                let at = realtime_us();
                self.splitter.push(bytes.get(..count).unwrap_or_default(), |line| self.buffer.push(at, line));
                return true;
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_broken) => self.output = None,
        }
        false
    }

    /// The latest reader is the right one: an earlier one's `serve` was killed.
    fn accept(&mut self) {
        if let Ok((stream, _)) = self.listener.accept() {
            self.link = Link::new(stream).ok();
            self.full_since = None;
            self.had_reader = true;
        }
    }

    fn listen(&mut self) {
        let Some(link) = &mut self.link else { return };
        match link.receive() {
            Ok(messages) => messages.into_iter().for_each(|message| self.obey(message)),
            Err(_gone) => self.link = None,
        }
    }

    fn obey(&mut self, message: ToKeeper) {
        match message {
            ToKeeper::Ack(seq) => {
                self.buffer.ack(seq);
                self.full_since = None;
            }
            ToKeeper::Stop(grace_ms) => self.stop(u64::from(grace_ms)),
            ToKeeper::Kill => self.kill(),
            ToKeeper::Finish => self.finished = matches!(self.phase, Phase::Ended(_)),
        }
    }

    fn answer_stop_signal(&mut self) {
        let mut record = [0; 128];
        if rustix::io::read(&self.stop_signal, &mut record).is_ok() {
            self.stop(STOP_GRACE_S * 1000);
        }
    }

    /// SIGTERM to all (init passes it on), SIGKILL later. A second stop can shorten the time, never lengthen it.
    fn stop(&mut self, grace_ms: u64) {
        let at = monotonic_ms() + grace_ms;
        if self.kill_at.is_none() {
            self.signal(Signal::TERM);
        }
        self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
    }

    fn kill(&mut self) {
        self.kill_at = None;
        self.killed |= self.sandbox.is_some();
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(Sandbox { pid, .. }) = self.sandbox {
            // Not reaped yet (that is when `sandbox` goes), so the pid is still the dyno's.
            let _gone = kill_process(pid, signal);
        }
    }

    fn check_time(&mut self) {
        if self.kill_at.is_some_and(|at| monotonic_ms() >= at) {
            self.kill();
        }
    }

    /// When the first process has gone, all of the dyno has, and the pipe holds the last of its output.
    fn note_end(&mut self) {
        let Some(Sandbox { pid, .. }) = self.sandbox else { return };
        let Some(first) = ended(pid) else { return };
        self.read_reports();
        while self.read_piece() {
            if self.link.is_none() {
                self.buffer.drop_oldest();
            }
        }
        let at = realtime_us();
        self.splitter.finish(|line| self.buffer.push(at, line));
        (self.sandbox, self.output, self.kill_at) = (None, None, None);
        if !matches!(self.phase, Phase::Refused(_)) {
            let ended = Ended {
                exit: self.reported.unwrap_or(first),
                killed: self.killed,
                last_seq: self.buffer.last_seq(),
                acked: self.buffer.acked(),
            };
            // A full disk must not keep the end from whoever listens.
            let _unwritten = self.folder.write_ended(&ended);
            self.phase = Phase::Ended(ended);
        }
    }

    fn speak(&mut self) {
        let Some(link) = &mut self.link else { return };
        let pid = self.sandbox.as_ref().map_or(0, |sandbox| sandbox.pid.as_raw_nonzero().get().cast_unsigned());
        let acked = self.buffer.acked();
        match &self.phase {
            Phase::Booting => return,
            Phase::Refused(why) => link.greet(&FromKeeper::Failed(why.clone()), acked),
            Phase::Running => link.greet(&FromKeeper::Hello(Hello { protocol: PROTOCOL, pid, acked }), acked),
            Phase::Ended(ended) => {
                link.greet(&FromKeeper::Hello(Hello { protocol: PROTOCOL, pid, acked }), acked);
                if link.queue(&self.buffer) {
                    link.tell_end(&FromKeeper::Ended(*ended));
                }
            }
        }
        link.queue(&self.buffer);
        if link.flush().is_err() {
            self.link = None;
        }
    }

    fn is_over(&self) -> bool {
        if self.sandbox.is_some() {
            return false;
        }
        let nobody_comes = self.had_reader || monotonic_ms() >= self.born + FIRST_READER_LIMIT_MS;
        match &self.phase {
            Phase::Booting | Phase::Running => false,
            Phase::Ended(_) => self.finished || (self.link.is_none() && nobody_comes),
            Phase::Refused(_) => self.link.as_ref().map_or(nobody_comes, |link| !link.has_outgoing()),
        }
    }

    /// The last acts: what was not delivered stays in the folder; of a refused dyno nothing stays.
    fn leave_behind(&mut self) {
        match &self.phase {
            Phase::Refused(_) => drop(self.folder.remove()),
            Phase::Ended(ended) if !self.finished => {
                let ended = Ended { acked: self.buffer.acked(), ..*ended };
                let _full_disk = self.folder.write_lines(self.buffer.lines());
                let _full_disk = self.folder.write_ended(&ended);
            }
            Phase::Ended(_) | Phase::Booting | Phase::Running => {}
        }
        self.link = None;
        for _ in 0..CGROUP_ATTEMPTS {
            if cgroup::remove(&self.cgroup_dirs) {
                return;
            }
            pause(CGROUP_PAUSE_MS);
        }
    }
}

/// How the process ended, if it has; takes it off the process table.
fn ended(pid: Pid) -> Option<Exit> {
    match waitpid(Some(pid), WaitOptions::NOHANG) {
        Ok(Some((_, status))) => Some(sandbox::exit_of(status)),
        Ok(None) | Err(rustix::io::Errno::INTR) => None,
        Err(_no_child) => Some(Exit::Lost),
    }
}

fn make_tmp(folder: &Folder) -> io::Result<()> {
    let tmp = folder.tmp();
    match DirBuilder::new().mode(0o700).create(&tmp) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made?,
    }
    std::fs::set_permissions(&tmp, std::fs::Permissions::from_mode(0o1777))
}

fn monotonic_ms() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1000 + now.tv_nsec.cast_unsigned() / 1_000_000
}

/// The time of a line: the keeper is the first to see it, and `World` lives in another process.
fn realtime_us() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// Nothing else is left to do in this process, so it may sleep.
fn pause(ms: u64) {
    let _interrupted = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: (ms * 1_000_000) as i64 }));
}
