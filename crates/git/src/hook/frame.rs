//! Frames on the hook's socket: one byte of kind, four of length, then the content.

use std::io::{self, Read, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A frame over this is a broken peer. Fits a full pipe of tar, and a log line with room.
pub(super) const FRAME_LIMIT_BYTES: usize = 64 * 1024;

const HEADER_BYTES: usize = 5;

/// What a frame says. The numbers are the wire format between a hook and the serve that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// From the hook: the push's token.
    Token,
    /// From the hook: `<old> <new> <ref>`.
    Update,
    /// From the hook: all updates are told.
    Ready,
    /// From the hook: bytes of the archive.
    Tar,
    /// From the hook: the archive is over; text: why it failed.
    TarEnd,
    /// From serve: a line for the client.
    Line,
    /// From serve: send the tree of this commit.
    Tree,
    /// From serve: the refs may move.
    Accept,
    /// From serve: they may not.
    Decline,
    /// From serve: what does the author of this commit say?
    Message,
    /// From the hook: that.
    MessageIs,
    /// From serve: what does this commit say of itself?
    Ask,
    /// From the hook: that; empty when it cannot be read.
    Told,
    /// From the hook: what the client said with `git push -o`.
    PushOption,
}

const KINDS: [Kind; 14] = [
    Kind::Token,
    Kind::Update,
    Kind::Ready,
    Kind::Tar,
    Kind::TarEnd,
    Kind::Line,
    Kind::Tree,
    Kind::Accept,
    Kind::Decline,
    Kind::Message,
    Kind::MessageIs,
    Kind::Ask,
    Kind::Told,
    Kind::PushOption,
];

/// A kind and its content, in one piece so that one write sends it.
fn encode(kind: Kind, content: &[u8]) -> io::Result<Vec<u8>> {
    let len = u32::try_from(content.len()).ok().filter(|len| *len as usize <= FRAME_LIMIT_BYTES);
    let len = len.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "frame over the limit"))?;
    let mut frame = Vec::with_capacity(HEADER_BYTES + content.len());
    frame.push(kind as u8);
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(content);
    Ok(frame)
}

fn decode(header: [u8; HEADER_BYTES]) -> io::Result<(Kind, usize)> {
    let [kind, a, b, c, d] = header;
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    let kind = KINDS.get(usize::from(kind)).copied().filter(|_| len <= FRAME_LIMIT_BYTES);
    kind.map(|kind| (kind, len)).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a frame of ours"))
}

/// The next frame; the end of the stream is an error.
pub(super) fn read(from: &mut impl Read) -> io::Result<(Kind, Vec<u8>)> {
    let mut header = [0; HEADER_BYTES];
    from.read_exact(&mut header)?;
    let (kind, len) = decode(header)?;
    let mut content = vec![0; len];
    from.read_exact(&mut content)?;
    Ok((kind, content))
}

pub(super) fn write(to: &mut impl Write, kind: Kind, content: &[u8]) -> io::Result<()> {
    to.write_all(&encode(kind, content)?)
}

/// As [`read`], for serve.
pub(super) async fn receive(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(Kind, Vec<u8>)> {
    let mut header = [0; HEADER_BYTES];
    from.read_exact(&mut header).await?;
    let (kind, len) = decode(header)?;
    let mut content = vec![0; len];
    from.read_exact(&mut content).await?;
    Ok((kind, content))
}

/// As [`write`], for serve.
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), kind: Kind, content: &[u8]) -> io::Result<()> {
    to.write_all(&encode(kind, content)?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_back_and_limits_hold() {
        for (at, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, at, "the table is in the order of the numbers");
            let frame = encode(kind, b"text").unwrap();
            assert_eq!(read(&mut frame.as_slice()).unwrap(), (kind, b"text".to_vec()));
        }
        assert!(encode(Kind::Line, &vec![0; FRAME_LIMIT_BYTES + 1]).is_err());
        assert!(decode([14, 0, 0, 0, 0]).is_err() && decode([0, 1, 0, 0, 0]).is_err());
    }
}
