//! `flowline router --hold`: a process that has the clients' listening sockets open too, and does nothing else. A router
//! that is killed leaves them listening: connections wait in them for the next router instead of being refused.
//!
//! It gets them once, over its standard input, from the router that starts it: they lie there before it begins. Its
//! standard output is the lock that says that there is a holder, also while it cannot be found yet. Whoever connects to its socket is the
//! router from then on, and gets the same ones. It ends when that router says so, and not when that router dies.

use crate::error::RouterError;
use crate::rights::{self, FILES};
use crate::socket;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// How long either side waits for the other; both answer in microseconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// More sockets than a machine has cores are nobody's.
const SOCKETS_LIMIT: u32 = 4096;

/// From the holder: it can be found now.
pub(crate) const HELD: u8 = b'h';

/// From the holder: another router has asked for the sockets. The last word.
pub(crate) const REPLACED: u8 = b'r';

/// From the router: the sockets are not wanted any more.
pub(crate) const END: u8 = b'e';

const LOCK_NAME: &str = "router-holder.lock";

/// The lock of a folder's holder, which becomes its standard output. One per folder: a second one would keep the port
/// after the first has let it go.
pub(crate) fn lock(dir: &Path) -> io::Result<File> {
    let lock = File::create(dir.join(LOCK_NAME))?;
    lock.try_lock()?;
    Ok(lock)
}

/// Is there a holder, even if it does not answer yet?
pub(crate) fn is_there(dir: &Path) -> bool {
    File::open(dir.join(LOCK_NAME)).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Holds what comes over standard input until a router says that it is over.
pub(crate) fn run(dir: &Path) -> Result<(), RouterError> {
    // Neither Ctrl-C nor the end of a terminal reaches it. Fails only for a job of a shell.
    let _ = rustix::process::setsid();
    let _unnamed = rustix::thread::set_name(c"router-holder");
    let failed = RouterError::file("hold the sockets of", dir);
    hold(dir).map_err(failed)
}

fn hold(dir: &Path) -> io::Result<()> {
    let owner = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let clients = take(&owner)?;
    let listener = socket::bind(dir, socket::HELD)?;
    // A router that has been killed meanwhile does not hear it: it is for the next one that they are held.
    let _ = (&owner).write_all(&[HELD]);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    serve(&listener, owner, &clients)?;
    std::fs::remove_file(dir.join(socket::HELD))
}

fn serve(listener: &UnixListener, owner: UnixStream, clients: &[TcpListener]) -> io::Result<()> {
    let mut owner = Some(owner);
    loop {
        let mut files = vec![PollFd::new(listener, PollFlags::IN)];
        files.extend(owner.as_ref().map(|owner| PollFd::new(owner, PollFlags::IN)));
        match poll(&mut files, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let spoke = files.get(1).is_some_and(|owner| !owner.revents().is_empty());
        if let Some(mut router) = owner.take_if(|_| spoke) {
            let mut word = [0];
            if matches!(router.read(&mut word), Ok(1)) && word == [END] {
                return Ok(());
            }
        }
        if let Ok((next, _)) = listener.accept()
            && give(&next, clients).is_ok()
            && let Some(mut before) = owner.replace(next)
        {
            // One that is dead does not hear it.
            let _ = before.write_all(&[REPLACED]);
        }
    }
}

/// Sends the sockets.
pub(crate) fn give(mut to: &UnixStream, clients: &[TcpListener]) -> io::Result<()> {
    to.set_write_timeout(Some(LIMIT))?;
    let count = u32::try_from(clients.len()).map_err(io::Error::other)?;
    to.write_all(&count.to_be_bytes())?;
    let files: Vec<_> = clients.iter().map(AsFd::as_fd).collect();
    files.chunks(FILES).try_for_each(|files| rights::send(to.as_fd(), files))
}

/// Receives the sockets.
pub(crate) fn take(mut from: &UnixStream) -> io::Result<Vec<TcpListener>> {
    from.set_nonblocking(false)?;
    from.set_read_timeout(Some(LIMIT))?;
    let mut count = [0; 4];
    from.read_exact(&mut count)?;
    let count = u32::from_be_bytes(count);
    if count == 0 || count > SOCKETS_LIMIT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let files = rights::receive(from.as_fd(), usize::try_from(count).map_err(io::Error::other)?)?;
    Ok(files.into_iter().map(TcpListener::from).collect())
}
