//! The few system calls that neither std nor rustix has in a safe form.
#![allow(
    unsafe_code,
    reason = "fork, clone, signals, seccomp and landlock have no safe form; each call is wrapped here once"
)]

use rustix::process::{Pid, Signal};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Where we are after a fork.
pub(crate) enum Forked {
    /// In the new process.
    Child,
    /// In the old one.
    Parent(Pid),
}

/// Is this process single-threaded? Only then may the child of a fork go on with ordinary code.
pub(crate) fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}

/// Forks. Call it in single-threaded processes only: nursery, keeper, init.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: nursery, keeper and init have one thread (the nursery checks it at its start and none of them makes
    // threads), so no lock can be held by a thread that the child lacks.
    forked(unsafe { libc::fork() }.into())
}

/// Forks into new namespaces (`CLONE_NEW…`), like [`fork`] else.
pub(crate) fn fork_into(namespaces: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    let into_cgroup = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    let args = CloneArgs {
        // The bits of a C flag word, not a number: the sign has no meaning.
        flags: u64::from(namespaces.cast_unsigned()) | into_cgroup,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
        ..CloneArgs::default()
    };
    // SAFETY: without CLONE_VM and with stack 0 the child gets a copy of everything, as with fork; single-threaded as
    // said there. The struct lives through the call and its size is given.
    forked(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `struct clone_args` of Linux 5.7.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

fn forked(result: i64) -> io::Result<Forked> {
    match result {
        0 => Ok(Forked::Child),
        pid if pid > 0 => {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            pid.map(Forked::Parent).ok_or_else(|| io::Error::from_raw_os_error(libc::EOVERFLOW))
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process without running what its parent registered for its own end.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: always safe; it does not return.
    unsafe { libc::_exit(code) }
}

/// Where this program's code and constants lie in memory: pages of files that nobody has written to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code {
    begin: usize,
    bytes: usize,
}

impl Code {
    /// All of it, libraries included; nothing if `/proc` cannot be read.
    pub(crate) fn of_this_process() -> Vec<Self> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        maps.lines().filter_map(Self::read).collect()
    }

    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (begin, end) = fields.next()?.split_once('-')?;
        // What lies behind the code may have been written to by the loader, before it took the right to write away.
        let is_code = match (fields.next()?, usize::from_str_radix(fields.next()?, 16).ok()?) {
            ("r-xp", _) | ("r--p", 0) => fields.nth(2)?.starts_with('/'),
            _ => false,
        };
        let address = |text| usize::from_str_radix(text, 16).ok();
        let (begin, end) = (address(begin)?, address(end)?);
        is_code.then_some(Self { begin, bytes: end.checked_sub(begin)? })
    }

    /// Takes it out of this process's memory; what still runs comes back from the page cache, page by page. `self` is of
    /// this process, or of the one that it was forked from.
    pub(crate) fn let_go(self) {
        let begin = std::ptr::without_provenance_mut::<libc::c_void>(self.begin);
        // SAFETY: these are private pages of a file, which nothing in them differs from because they cannot be written to:
        // what is read there again is the same. A refusal leaves them as they are.
        unsafe { libc::madvise(begin, self.bytes, libc::MADV_DONTNEED) };
    }
}

/// Closes every descriptor but the standard ones. Only for the first moment of a process, when all the others were left
/// open by whoever started it.
pub(crate) fn close_inherited() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor yet, as the caller promises.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Ignores a signal, from here on and in children until they execute another program.
pub(crate) fn ignore(signal: Signal) {
    // SAFETY: SIG_IGN is no handler of ours: no code runs.
    unsafe { libc::signal(signal.as_raw(), libc::SIG_IGN) };
}

/// Gives a signal its default effect again.
pub(crate) fn restore(signal: Signal) {
    // SAFETY: SIG_DFL is no handler of ours: no code runs.
    unsafe { libc::signal(signal.as_raw(), libc::SIG_DFL) };
}

/// Sends a number to a process: unlike plain signals these stay in order and none swallows another.
pub(crate) fn queue(pid: Pid, word: i32) -> io::Result<()> {
    // The value is a union of int and pointer; the kernel carries it as it is.
    let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(word.cast_unsigned() as usize) };
    // SAFETY: takes numbers only; the receiver never follows the pointer.
    let result = unsafe { libc::sigqueue(pid.as_raw_nonzero().get(), word_signal(), value) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn word_signal() -> i32 {
    // The first real-time signal that libc leaves alone.
    libc::SIGRTMIN()
}

/// What [`heard`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A plain signal.
    Signal(Signal),
    /// A number, sent with [`queue`].
    Word(i32),
}

/// A set of signals that wait until they are asked for.
pub(crate) struct Signals(libc::sigset_t);

impl Signals {
    /// Blocks these (and only these) signals for the process and its children.
    pub(crate) fn block(signals: &[Signal]) -> io::Result<Self> {
        // SAFETY: a zeroed sigset_t is valid memory for sigemptyset, which makes it a valid set.
        let mut set = unsafe { std::mem::zeroed() };
        // SAFETY: `set` is valid for all calls; the old mask is not asked for.
        let result = unsafe {
            libc::sigemptyset(&raw mut set);
            signals.iter().for_each(|signal| {
                libc::sigaddset(&raw mut set, signal.as_raw());
            });
            libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
        };
        if result == 0 { Ok(Self(set)) } else { Err(io::Error::last_os_error()) }
    }

    /// Blocks nothing: what a new program expects, which inherits the mask.
    pub(crate) fn block_none() -> io::Result<()> {
        Self::block(&[]).map(drop)
    }

    /// Listens to [`queue`] too, from here on.
    pub(crate) fn and_words(mut self) -> io::Result<Self> {
        // SAFETY: the set is valid for both calls; the old mask is not asked for.
        let result = unsafe {
            libc::sigaddset(&raw mut self.0, word_signal());
            libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
        if result == 0 { Ok(self) } else { Err(io::Error::last_os_error()) }
    }

    /// A descriptor that is readable when one of them is there.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        // SAFETY: the set is valid; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const self.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, nobody else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// The next signal of [`Signals::descriptor`]; none when there is none now.
pub(crate) fn heard(descriptor: &OwnedFd) -> Option<Heard> {
    // `struct signalfd_siginfo`: the signal's number is its first field, what was queued with it the one behind 44 bytes.
    const QUEUED_AT: usize = 44;
    let mut record = [0; size_of::<libc::signalfd_siginfo>()];
    if rustix::io::read(descriptor, &mut record) != Ok(record.len()) {
        return None;
    }
    let field = |at: usize| record.get(at..)?.first_chunk::<4>().map(|bytes| i32::from_ne_bytes(*bytes));
    let number = field(0)?;
    if number == word_signal() {
        field(QUEUED_AT).map(Heard::Word)
    } else {
        Signal::from_named_raw(number).map(Heard::Signal)
    }
}

/// Sends a signal to every process of this pid namespace but its first, which must be the caller.
pub(crate) fn signal_all(signal: Signal) {
    // SAFETY: as the namespace's first process, -1 reaches nothing outside it; nobody left is no error here.
    unsafe { libc::kill(-1, signal.as_raw()) };
}

/// A descriptor that the async runtime watches.
pub(crate) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is the same open descriptor as long as it lives, and closes it itself.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}

/// Has the program lead a session of its own, on the terminal that is its standard input if there is one; nothing stays
/// blocked in it.
pub(crate) fn lead_session(command: &mut Command, has_terminal: bool) {
    let lead = move || {
        rustix::process::setsid()?;
        if has_terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        Signals::block_none()
    };
    // SAFETY: between fork and exec it only makes system calls: no allocation, no lock.
    unsafe { command.pre_exec(lead) };
}

/// Sets attributes (`MOUNT_ATTR_…`) on a mount, and on all below it.
pub(crate) fn set_mount_attributes(mount: BorrowedFd<'_>, set: u64) -> io::Result<()> {
    mount_setattr(mount, set, libc::AT_EMPTY_PATH | libc::AT_RECURSIVE)
}

/// Sets attributes on a mount, but not on what lies below it.
pub(crate) fn set_one_mount_attributes(mount: BorrowedFd<'_>, set: u64) -> io::Result<()> {
    mount_setattr(mount, set, libc::AT_EMPTY_PATH)
}

fn mount_setattr(mount: BorrowedFd<'_>, set: u64, flags: i32) -> io::Result<()> {
    let attributes = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is an empty C string, the struct lives through the call and its size is given.
    let result = unsafe {
        let size = size_of::<libc::mount_attr>();
        libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), c"".as_ptr(), flags, &raw const attributes, size)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Installs a filter over every later system call of this process and its children; `no_new_privs` must be set.
pub(crate) fn filter_system_calls(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel only reads the program, which lives through the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Which version of landlock the kernel has; 0 for none.
pub(crate) fn landlock_version() -> i64 {
    // SAFETY: this flag asks for the version and takes no struct.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, 1) };
    version.max(0)
}

/// Keeps this process and its children away from abstract sockets and signals of the rest of the machine (landlock
/// scopes, Linux 6.12). Older kernels cannot, which is no error.
pub(crate) fn confine_to_own_sockets() -> io::Result<()> {
    /// `struct landlock_ruleset_attr` of landlock's version 6.
    #[repr(C)]
    struct Ruleset {
        handled_access_fs: u64,
        handled_access_net: u64,
        scoped: u64,
    }
    const ABSTRACT_SOCKETS_AND_SIGNALS: u64 = 0b11;
    let rules = Ruleset { handled_access_fs: 0, handled_access_net: 0, scoped: ABSTRACT_SOCKETS_AND_SIGNALS };
    // SAFETY: the struct lives through the call and its size is given.
    let fd = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const rules, size_of::<Ruleset>(), 0) };
    let Ok(fd @ 0..) = i32::try_from(fd) else {
        let error = io::Error::last_os_error();
        let unsupported = [libc::ENOSYS, libc::EOPNOTSUPP, libc::E2BIG, libc::EINVAL];
        return if error.raw_os_error().is_some_and(|code| unsupported.contains(&code)) { Ok(()) } else { Err(error) };
    };
    // SAFETY: just opened, nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: takes two numbers.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, fd.as_raw_fd(), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Leaves namespaces (`CLONE_NEW…`) for new ones.
pub(crate) fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: takes a number; of the file descriptor table, which would be unsafe to unshare, no caller speaks.
    let result = unsafe { libc::unshare(namespaces) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_is_executable_and_of_a_file() {
        let code = Code::read("55d0c0a00000-55d0c0b01000 r-xp 0009f000 fe:00 1234    /usr/bin/flowline");
        assert_eq!(code.map(|code| (code.begin, code.bytes)), Some((0x55d0_c0a0_0000, 0x10_1000)));
        assert!(Code::read("55d0c0900000-55d0c0a00000 r--p 00000000 fe:00 1234    /usr/bin/flowline").is_some());
        for other in [
            "55d0c0a00000-55d0c0b01000 r--p 0009f000 fe:00 1234    /usr/bin/flowline",
            "55d0c0a00000-55d0c0b01000 rw-p 00000000 fe:00 1234    /usr/bin/flowline",
            "55d0c0a00000-55d0c0b01000 rwxp 0009f000 fe:00 1234    /usr/bin/flowline",
            "7ffd3c5f2000-7ffd3c5f4000 r-xp 00000000 00:00 0    [vdso]",
            "7ffd3c5f2000-7ffd3c5f4000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert!(Code::read(other).is_none(), "{other}");
        }
    }

    #[test]
    fn code_that_was_let_go_runs_on() {
        let code = Code::of_this_process();
        assert!(!code.is_empty());
        code.into_iter().for_each(Code::let_go);
        assert!(!Code::of_this_process().is_empty(), "work that needs pages of this program and of its libraries");
    }
}
