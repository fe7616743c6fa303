//! Descriptors on their way through a local socket.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// More never travel at once.
const LIMIT: usize = 2;

/// Gives one.
pub(crate) fn give(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> io::Result<()> {
    give_all(socket, b'K', &[fd])
}

/// Takes one.
pub(crate) fn take(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    take_all(socket)?.1.pop().ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

/// Gives some, at most two, with a mark: they travel with at least one byte.
pub(crate) fn give_all(socket: BorrowedFd<'_>, mark: u8, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LIMIT))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        rights.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &[IoSlice::new(&[mark])], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes a mark and what came with it; an error also at the end of the connection.
pub(crate) fn take_all(socket: BorrowedFd<'_>) -> io::Result<(u8, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LIMIT))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut mark = [0];
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut mark)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let mut taken = Vec::new();
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            taken.extend(fds);
        }
    }
    if got.bytes == 0 || got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok((mark[0], taken))
}
