//! The places of the router's Unix sockets. A socket's path may have 107 bytes; a data folder's may be longer.

use rustix::fs::{Mode, OFlags, open};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// In the router's folder: where the control plane gives its orders.
pub(crate) const ORDERS: &str = "router.sock";

/// In the router's folder: where a successor asks for everything.
pub(crate) const SUCCESSION: &str = "router-upgrade.sock";

/// In the router's folder: where the holder of the clients' sockets gives them to a router that starts.
pub(crate) const HELD: &str = "router-holder.sock";

/// `sun_path` has 108 bytes, the last one is zero.
const PATH_LIMIT_BYTES: usize = 107;

/// The socket's path in a form that the kernel takes, and what must stay open while it is used.
fn short(dir: &Path, name: &str) -> io::Result<(PathBuf, Option<OwnedFd>)> {
    let path = dir.join(name);
    if path.as_os_str().len() <= PATH_LIMIT_BYTES {
        return Ok((path, None));
    }
    let folder = open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
    Ok((path, Some(folder)))
}

/// Listens there. The caller holds the folder's lock, so an old socket is nobody's.
pub(crate) fn bind(dir: &Path, name: &str) -> io::Result<UnixListener> {
    let (path, _folder) = short(dir, name)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to who listens there.
pub(crate) async fn connect(dir: &Path, name: &str) -> io::Result<tokio::net::UnixStream> {
    let (path, _folder) = short(dir, name)?;
    tokio::net::UnixStream::connect(&path).await
}

/// The same without a runtime.
pub(crate) fn connect_blocking(dir: &Path, name: &str) -> io::Result<UnixStream> {
    let (path, _folder) = short(dir, name)?;
    UnixStream::connect(&path)
}
