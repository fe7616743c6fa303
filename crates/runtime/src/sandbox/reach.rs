//! Files and connections that init opens for those outside, with what the dyno itself may do and no more.

use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstat, fstatfs, openat2};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

/// To read. What leads to the opener itself is not for others: init's own memory and descriptors are in `/proc/self`.
pub(super) fn file(path: &Path) -> io::Result<OwnedFd> {
    // Without waiting: a named pipe, or a device, would keep init from everything else.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?;
    if fstatfs(&file)?.f_type == PROC_SUPER_MAGIC {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "files of /proc are not handed out"));
    }
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file")),
    }
}

/// On its way; whoever gets it waits for the other side.
pub(super) fn begin_to_connect(to: SocketAddr) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn regular_files_only_and_nothing_of_the_opener() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("plain"), "x").unwrap();
        symlink("plain", at("link")).unwrap();
        symlink("/proc/self/environ", at("environ")).unwrap();
        symlink("/proc/self/fd/0", at("descriptor")).unwrap();
        rustix::fs::mkfifoat(CWD, at("pipe"), Mode::RUSR).unwrap();
        for good in ["plain", "link"] {
            assert!(file(&at(good)).is_ok(), "{good}");
        }
        for bad in ["environ", "descriptor", "pipe", "missing", "."] {
            assert!(file(&at(bad)).is_err(), "{bad}");
        }
        for bad in ["/proc/self/mem", "/proc/self/fd/0", "/proc/self/exe", "/proc/version", "/dev/null"] {
            assert!(file(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
