//! The life of one keeper: start the sandbox, carry its output, note its end.

use super::clock::{monotonic_ms, pause, timespec};
use super::frost::Ice;
use super::intake::Intake;
use super::link::Link;
use super::memory::Memory;
use crate::cgroup;
use crate::folder::Folder;
use crate::handover;
use crate::network::Place;
use crate::sandbox::{self, Report, Sandbox};
use crate::sys::Code;
use crate::wire::{Ended, FromKeeper, Frost, Hello, PROTOCOL, ToKeeper};
use model::dyno::{Exit, STOP_GRACE_S};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Between attempts to remove a cgroup.
pub(crate) const CGROUP_PAUSE_MS: u64 = 5;

/// How far the dyno is.
enum Phase {
    Booting,
    Running,
    Ended(Ended),
    Refused(String),
}

/// Where a keeper is found.
pub(super) struct Doors {
    /// For whoever reads the dyno's lines, and steers it.
    pub(super) reader: UnixListener,
    /// For whoever attaches to it: they go on to the dyno's init.
    pub(super) attach: UnixListener,
}

/// One keeper, from the moment when it has a dyno.
pub(super) struct Keeper {
    pub(super) folder: Folder,
    doors: Doors,
    stop_signal: OwnedFd,
    pub(super) cgroup_dirs: Vec<PathBuf>,
    pub(super) ice: Ice,
    pub(super) memory: Memory,
    pub(super) place: Option<Place>,
    /// Until its first process is reaped.
    pub(super) sandbox: Option<Sandbox>,
    pub(super) intake: Intake,
    phase: Phase,
    /// Until the dyno runs: most of it is for what comes before.
    pub(super) code: Vec<Code>,
    link: Option<Link>,
    reported: Option<Exit>,
    /// The dyno's mount namespace. Taking it down takes a while; it waits until the end was told.
    mounts: Option<File>,
    /// When SIGKILL is due.
    kill_at: Option<u64>,
    killed: bool,
    finished: bool,
}

impl Keeper {
    pub(super) fn new(folder: Folder, doors: Doors, stop_signal: OwnedFd, link: Link) -> Self {
        Self {
            folder,
            doors,
            stop_signal,
            cgroup_dirs: Vec::new(),
            ice: Ice::default(),
            memory: Memory::default(),
            place: None,
            sandbox: None,
            intake: Intake::new(None),
            phase: Phase::Booting,
            code: Vec::new(),
            link: Some(link),
            reported: None,
            mounts: None,
            kill_at: None,
            killed: false,
            finished: false,
        }
    }

    /// Runs the dyno to its end, and then until its end has been taken note of.
    pub(super) fn live(&mut self) -> io::Result<()> {
        loop {
            // One that was refused at once has only this left to say.
            if !self.is_over() {
                self.wait()?;
            }
            self.answer_stop_signal();
            self.read_reports();
            self.watch_memory();
            self.intake.read(self.link.is_some());
            // Before another reader takes its place: the last acknowledgements of one that was killed count.
            self.listen();
            self.accept();
            self.pass_on();
            self.check_time();
            self.note_end();
            self.speak();
            self.slim();
            if self.is_over() {
                self.leave_behind();
                return Ok(());
            }
        }
    }

    /// Sleeps until something happens or is due.
    fn wait(&self) -> io::Result<()> {
        let mut fds =
            vec![PollFd::new(&self.doors.reader, PollFlags::IN), PollFd::new(&self.stop_signal, PollFlags::IN)];
        if let Some(sandbox) = &self.sandbox {
            fds.push(PollFd::new(&sandbox.end, PollFlags::IN));
            if matches!(self.phase, Phase::Booting) {
                fds.push(PollFd::new(&sandbox.reports, PollFlags::IN));
            }
            fds.extend(self.memory.source().map(|(fd, event)| PollFd::from_borrowed_fd(fd, event)));
        }
        if !matches!(self.phase, Phase::Booting) {
            fds.push(PollFd::new(&self.doors.attach, PollFlags::IN));
        }
        fds.extend(self.intake.source(self.link.is_some()).map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        if let Some(link) = &self.link {
            let write = if link.has_outgoing() { PollFlags::OUT } else { PollFlags::empty() };
            fds.push(PollFd::from_borrowed_fd(link.as_fd(), PollFlags::IN | write));
        }
        let pause = self.next_time().map(|at| timespec(at.saturating_sub(monotonic_ms())));
        match poll(&mut fds, pause.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn next_time(&self) -> Option<u64> {
        let stalled = self.link.as_ref().and_then(|_| self.intake.patience_ends_at());
        let untold = self.link.as_ref().filter(|_| self.sandbox.is_none()).and_then(Link::patience_ends_at);
        [self.kill_at, stalled, untold, self.memory.next_look()].into_iter().flatten().min()
    }

    fn read_reports(&mut self) {
        let Some(sandbox) = &self.sandbox else { return };
        let mut bytes = [0; 2048];
        let Ok(count @ 1..) = rustix::io::read(&sandbox.reports, &mut bytes) else { return };
        for report in Report::read(bytes.get(..count).unwrap_or_default()) {
            match report {
                Report::Ready => {
                    self.mounts = File::open(format!("/proc/{}/ns/mnt", sandbox.pid.as_raw_nonzero())).ok();
                    self.phase = Phase::Running;
                    if self.kill_at.is_some() {
                        self.signal(Signal::TERM);
                    }
                }
                Report::Failed(why) => self.phase = Phase::Refused(why),
                Report::Ended(exit) => self.reported = Some(exit),
            }
        }
    }

    /// The latest reader is the right one: an earlier one's `serve` was killed.
    fn accept(&mut self) {
        if let Ok((stream, _)) = self.doors.reader.accept() {
            self.link = Link::new(stream).ok();
            self.intake.reader_moved();
        }
    }

    /// Whoever attaches speaks with the dyno's init, which has the program's streams. When it takes no more, or there is none
    /// any more, they find their connection closed.
    fn pass_on(&self) {
        if matches!(self.phase, Phase::Booting) {
            return;
        }
        if let (Ok((caller, _)), Some(sandbox)) = (self.doors.attach.accept(), &self.sandbox) {
            let _closed = handover::give(sandbox.calls.as_fd(), caller.as_fd());
        }
    }

    fn listen(&mut self) {
        let Some(link) = &mut self.link else { return };
        let (messages, is_there) = link.receive();
        messages.into_iter().for_each(|message| self.obey(message));
        if !is_there {
            self.link = None;
        }
    }

    fn obey(&mut self, message: ToKeeper) {
        match message {
            ToKeeper::Ack(seq) => {
                self.intake.buffer.ack(seq);
                self.intake.reader_moved();
                self.link.iter_mut().for_each(Link::reader_moved);
            }
            ToKeeper::Stop(grace_ms) => self.stop(u64::from(grace_ms)),
            ToKeeper::Kill => self.kill(),
            ToKeeper::Finish => self.finished = matches!(self.phase, Phase::Ended(_)),
            ToKeeper::Freeze(wish) => self.set_frozen(wish, true),
            ToKeeper::Thaw(wish) => self.set_frozen(wish, false),
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
        self.thaw();
        // A dyno that is still being built cannot pass it on yet: then it follows when it can.
        if self.kill_at.is_none() && matches!(self.phase, Phase::Running) {
            self.signal(Signal::TERM);
        }
        self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
    }

    /// There will be no dyno; whoever ordered it is told why.
    pub(super) fn refuse(&mut self, reason: String) {
        self.phase = Phase::Refused(reason);
        self.kill();
    }

    fn kill(&mut self) {
        self.kill_at = None;
        self.killed |= self.sandbox.is_some();
        self.signal(Signal::KILL);
        // Not before: nothing of it shall run any more.
        self.thaw();
    }

    /// What is ending or has ended stays as it is: nobody is to wait for a dyno that cannot end.
    fn set_frozen(&mut self, wish: u64, frozen: bool) {
        let sandbox = self.sandbox.as_ref().filter(|_| !frozen || (self.kill_at.is_none() && !self.killed));
        let done = sandbox.map_or(Ok(()), |sandbox| self.ice.set(sandbox, frozen));
        let fault = done.err().map(|error| error.to_string());
        let frost = Frost { wish, frozen: self.ice.is_frozen(), fault };
        self.link.iter_mut().for_each(|link| link.tell_frost(frost.clone()));
    }

    fn thaw(&mut self) {
        if let Some(sandbox) = &self.sandbox {
            // One that cannot be thawed is killed when its time is over, which needs no thaw in the unified hierarchy.
            let _stays_frozen = self.ice.set(sandbox, false);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(sandbox) = &self.sandbox {
            sandbox.signal(signal);
        }
    }

    fn check_time(&mut self) {
        if self.kill_at.is_some_and(|at| monotonic_ms() >= at) {
            self.kill();
        }
    }

    /// A dyno that lost a process for want of memory ends as a whole (DYNO-41), as it does on v2 anyway.
    fn watch_memory(&mut self) {
        if self.sandbox.is_some() && self.memory.look() {
            self.signal(Signal::KILL);
            self.thaw();
        }
    }

    /// When the first process has gone, all of the dyno has, and the pipe holds the last of its output.
    fn note_end(&mut self) {
        let Some(Sandbox { pid, .. }) = self.sandbox else { return };
        let Some(first) = ended(pid) else { return };
        self.read_reports();
        self.intake.finish(self.link.is_some());
        (self.sandbox, self.kill_at, self.ice) = (None, None, Ice::default());
        if !matches!(self.phase, Phase::Refused(_)) {
            let ended = Ended {
                exit: self.reported.unwrap_or(first),
                killed: self.killed,
                out_of_memory: self.memory.look_at_last(),
                last_seq: self.intake.buffer.last_seq(),
                acked: self.intake.buffer.acked(),
            };
            // Whoever listens is told; the disk is for the case that nobody does (`leave_behind`).
            self.phase = Phase::Ended(ended);
        }
    }

    fn speak(&mut self) {
        let Some(link) = &mut self.link else { return };
        let pid = self.sandbox.as_ref().map_or(0, |sandbox| sandbox.pid.as_raw_nonzero().get().cast_unsigned());
        let acked = self.intake.buffer.acked();
        let hello = Hello { protocol: PROTOCOL, pid, acked, frozen: Some(self.ice.is_frozen()) };
        match &self.phase {
            Phase::Booting => return,
            Phase::Refused(why) => link.greet(&FromKeeper::Failed(why.clone()), acked),
            Phase::Running => link.greet(&FromKeeper::Hello(hello), acked),
            Phase::Ended(ended) => {
                link.greet(&FromKeeper::Hello(hello), acked);
                link.tell_over(*ended);
                if link.queue(&self.intake.buffer) {
                    link.tell_end(*ended);
                }
            }
        }
        if matches!(self.phase, Phase::Running) {
            link.queue(&self.intake.buffer);
        }
        if link.flush().is_err() {
            self.link = None;
        }
        if self.sandbox.is_none() {
            self.mounts = None;
        }
    }

    /// There is one keeper for each dyno of the machine: it keeps only what it goes on to need.
    fn slim(&mut self) {
        if matches!(self.phase, Phase::Running) {
            self.code.drain(..).for_each(Code::let_go);
        }
    }

    fn is_over(&self) -> bool {
        if self.sandbox.is_some() {
            return false;
        }
        match &self.phase {
            Phase::Booting | Phase::Running => false,
            Phase::Ended(_) => self.finished || self.link.is_none(),
            Phase::Refused(_) => self.link.as_ref().is_none_or(|link| !link.has_outgoing()),
        }
    }

    /// The last acts: what was not delivered stays in the folder; of a refused dyno nothing stays.
    fn leave_behind(&mut self) {
        match &self.phase {
            Phase::Refused(_) => drop(self.folder.remove()),
            Phase::Ended(ended) if !self.finished => {
                let ended = Ended { acked: self.intake.buffer.acked(), ..*ended };
                let _full_disk = self.folder.write_lines(self.intake.buffer.lines());
                let _full_disk = self.folder.write_ended(&ended);
            }
            Phase::Ended(_) | Phase::Booting | Phase::Running => {}
        }
        self.link = None;
        self.place = None;
        cgroup::remove_at_last(&self.cgroup_dirs, || pause(CGROUP_PAUSE_MS));
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
