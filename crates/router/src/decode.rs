//! The dyno's body without its framing.

use crate::response::Framing;
use bytes::{Buf, Bytes, BytesMut};

/// A chunk's size line, extensions included; they are dropped.
const SIZE_LINE_LIMIT_BYTES: usize = 4096;

/// All trailers; they are dropped, because no client asked for them.
const TRAILERS_LIMIT_BYTES: usize = 16 * 1024;

/// A body whose framing makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Where in a body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// This many bytes are left.
    Length(u64),
    /// All there is until the dyno closes.
    Close,
    /// Before a chunk's size.
    Size,
    /// This many bytes of a chunk are left.
    Chunk(u64),
    /// Before the line end behind a chunk.
    ChunkEnd,
    /// After the last chunk; this many bytes of trailers were dropped.
    Trailers(usize),
}

impl Decoder {
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Size,
            Framing::Close => Self::Close,
        }
    }

    /// The body is complete.
    pub(crate) fn is_done(self) -> bool {
        self == Self::Length(0)
    }

    /// Its length, where it is known.
    pub(crate) fn left(self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(left),
            Self::Close | Self::Size | Self::Chunk(_) | Self::ChunkEnd | Self::Trailers(_) => None,
        }
    }

    /// The next piece of the body in `buffer`; `None`: the end, or there is more to read.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        loop {
            match *self {
                Self::Length(0) => return Ok(None),
                Self::Length(left) => {
                    let piece = piece(buffer, left);
                    *self = Self::Length(left - piece.as_ref().map_or(0, |piece| piece.len() as u64));
                    return Ok(piece);
                }
                Self::Close => return Ok(piece(buffer, u64::MAX)),
                Self::Chunk(left) => {
                    let Some(piece) = piece(buffer, left) else { return Ok(None) };
                    let left = left - piece.len() as u64;
                    *self = if left == 0 { Self::ChunkEnd } else { Self::Chunk(left) };
                    self.skip_chunk_end(buffer)?;
                    return Ok(Some(piece));
                }
                Self::Size | Self::ChunkEnd | Self::Trailers(_) => {
                    if !self.step(buffer)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Goes on over what follows a chunk as far as it is there, so that the end is known with the last piece.
    fn skip_chunk_end(&mut self, buffer: &mut BytesMut) -> Result<(), Malformed> {
        while matches!(self, Self::Size | Self::ChunkEnd | Self::Trailers(_)) {
            if !self.step(buffer)? {
                break;
            }
        }
        Ok(())
    }

    /// One line of framing; `false`: it is not there yet.
    fn step(&mut self, buffer: &mut BytesMut) -> Result<bool, Malformed> {
        let limit = match *self {
            Self::ChunkEnd => 0,
            Self::Trailers(dropped) => TRAILERS_LIMIT_BYTES - dropped,
            Self::Length(_) | Self::Close | Self::Size | Self::Chunk(_) => SIZE_LINE_LIMIT_BYTES,
        };
        let Some(line) = line(buffer, limit)? else { return Ok(false) };
        *self = match *self {
            Self::ChunkEnd => Self::Size,
            Self::Trailers(_) if line.is_empty() => Self::Length(0),
            Self::Trailers(dropped) => Self::Trailers(dropped + line.len()),
            Self::Length(_) | Self::Close | Self::Size | Self::Chunk(_) => match size(&line)? {
                0 => Self::Trailers(0),
                size => Self::Chunk(size),
            },
        };
        Ok(true)
    }
}

fn piece(buffer: &mut BytesMut, limit: u64) -> Option<Bytes> {
    let length = usize::try_from(limit).unwrap_or(usize::MAX).min(buffer.len());
    (length > 0).then(|| buffer.split_to(length).freeze())
}

/// Takes a line of at most `limit` bytes, without its CRLF. A bare LF ends no line.
fn line(buffer: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, Malformed> {
    match buffer.iter().take(limit + 2).position(|&byte| byte == b'\n') {
        Some(0) => Err(Malformed),
        Some(end) if buffer[end - 1] == b'\r' => {
            let line = buffer.split_to(end - 1).freeze();
            buffer.advance(2);
            Ok(Some(line))
        }
        Some(_) => Err(Malformed),
        None if buffer.len() >= limit + 2 => Err(Malformed),
        None => Ok(None),
    }
}

/// Hexadecimal digits up to the extensions.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let end = line.iter().position(|byte| b"; \t".contains(byte)).unwrap_or(line.len());
    let digits = &line[..end];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    u64::from_str_radix(digits, 16).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the bytes in pieces of `step`; the body, and whether it ended.
    fn decode(framing: Framing, bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool), Malformed> {
        let (mut decoder, mut buffer, mut body) = (Decoder::new(framing), BytesMut::new(), Vec::new());
        for fed in bytes.chunks(step) {
            buffer.extend_from_slice(fed);
            while let Some(piece) = decoder.next(&mut buffer)? {
                body.extend_from_slice(&piece);
            }
        }
        Ok((body, decoder.is_done()))
    }

    #[test]
    fn bodies_end_where_their_framing_says() {
        let chunked = b"5\r\nhello\r\n1;ext=\"x\"\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
        for step in 1..chunked.len() {
            assert_eq!(decode(Framing::Chunked, chunked, step), Ok((b"hello 0123456789".to_vec(), true)), "{step}");
            assert_eq!(decode(Framing::Length(5), b"hello", step), Ok((b"hello".to_vec(), true)));
            assert_eq!(decode(Framing::Length(6), b"hello", step), Ok((b"hello".to_vec(), false)));
            assert_eq!(decode(Framing::Close, b"hello", step), Ok((b"hello".to_vec(), false)));
        }
    }

    #[test]
    fn nonsense_is_no_body() {
        let long = [b"1;".to_vec(), vec![b'x'; 5000]].concat();
        let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(5000)].concat();
        for bad in [
            &b"x\r\n"[..],
            b"\r\n",
            b"\n",
            b"-1\r\n",
            b"+1\r\n",
            b"1\nx\r\n",
            b"1\r\nxy\r\n",
            b"fffffffffffffffff\r\n",
            &long,
            &trailers,
        ] {
            assert_eq!(decode(Framing::Chunked, bad, 1), Err(Malformed), "{:?}", &bad[..bad.len().min(20)]);
        }
    }
}
