//! Frames between `serve`, nursery and a keeper that waits for work: plain blocking sockets.

use crate::spec::SPEC_LIMIT_BYTES;
use crate::wire::{self, FromNursery};
use std::io::{self, ErrorKind, Read, Write};

/// The body of the next frame, where there is only one kind; none at the end of the connection.
pub(super) fn receive(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    Ok(receive_tagged(from)?.map(|(_, body)| body))
}

/// The next frame.
pub(super) fn receive_tagged(from: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 4];
    if let Err(error) = from.read_exact(&mut head) {
        return if error.kind() == ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let length = wire::length(head, SPEC_LIMIT_BYTES + 1).map_err(io::Error::other)?;
    let mut tag = [0];
    from.read_exact(&mut tag)?;
    let mut body = vec![0; length - 1];
    from.read_exact(&mut body)?;
    Ok(Some((tag[0], body)))
}

/// Sends an order on.
pub(super) fn forward(body: &[u8], to: &mut impl Write) -> io::Result<()> {
    let mut head = Vec::new();
    wire::head(b'S', body.len(), &mut head);
    to.write_all(&head)?;
    to.write_all(body)
}

/// Sends a reply.
pub(super) fn answer(to: &mut impl Write, reply: &FromNursery) -> io::Result<()> {
    let mut bytes = Vec::new();
    reply.write(&mut bytes);
    to.write_all(&bytes)
}
