//! Frames between `serve`, nursery and a keeper that waits for work: plain blocking sockets.

use crate::spec::SPEC_LIMIT_BYTES;
use crate::wire;
use std::io::{self, ErrorKind, Read};

/// The body of the next frame, where there is only one kind; none at the end of the connection.
pub(crate) fn receive(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    if let Err(error) = from.read_exact(&mut head) {
        return if error.kind() == ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let length = wire::length(head, SPEC_LIMIT_BYTES + 1).map_err(io::Error::other)?;
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    // The tag says nothing new.
    frame.remove(0);
    Ok(Some(frame))
}
