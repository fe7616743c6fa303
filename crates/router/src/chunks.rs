//! A chunked body (RFC 9112 7.1), checked and made canonical in the buffer that it was read into.
//!
//! What comes out says the same in one way only: sizes without leading zeros, no extensions, no trailers. It is never
//! longer than what came in, so it is written over it; a body that is canonical already stays where it is.

use bytes::BytesMut;

/// A chunk's size line, extensions included.
const SIZE_LINE_LIMIT_BYTES: usize = 1024;

/// All extensions of a body; they are dropped.
const EXTENSIONS_LIMIT_BYTES: usize = 16 * 1024;

/// All trailers; they are dropped, because nobody was told that there would be any.
const TRAILERS_LIMIT_BYTES: usize = 16 * 1024;

/// 16 hexadecimal digits say every size there is; leading zeros count.
const DIGITS_LIMIT: usize = 16;

/// A body whose framing makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Where in a body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a chunk's size.
    Size,
    /// This many bytes of a chunk are left.
    Chunk(u64),
    /// Before the line end behind a chunk.
    ChunkEnd,
    /// After the last chunk; this many bytes of trailers were dropped.
    Trailers(usize),
    Done,
}

/// A reader of one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunks {
    place: Place,
    /// Sizes and line ends stay; otherwise only what is in the chunks.
    framed: bool,
    extensions_bytes: usize,
}

/// Where the reader reads, and where what it understood is written.
struct Cursors<'a> {
    bytes: &'a mut [u8],
    from: usize,
    to: usize,
}

impl Cursors<'_> {
    fn left(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// Writes what takes no more room than what was read.
    fn put(&mut self, text: &[u8]) {
        self.bytes[self.to..self.to + text.len()].copy_from_slice(text);
        self.to += text.len();
    }

    fn keep(&mut self, count: usize) {
        if self.from != self.to {
            self.bytes.copy_within(self.from..self.from + count, self.to);
        }
        self.from += count;
        self.to += count;
    }

    /// The length of the line that comes next, without its CRLF; `None`: it is not all there. A bare LF ends no line.
    fn line(&self, limit: usize) -> Result<Option<usize>, Malformed> {
        let left = self.left();
        let seen = &left[..left.len().min(limit + 2)];
        match memchr::memchr(b'\n', seen) {
            Some(end) if end > 0 && seen[end - 1] == b'\r' => Ok(Some(end - 1)),
            Some(_) => Err(Malformed),
            None if seen.len() == limit + 2 => Err(Malformed),
            None => Ok(None),
        }
    }
}

impl Chunks {
    /// `framed`: what comes out is chunked, too.
    pub(crate) fn new(framed: bool) -> Self {
        Self { place: Place::Size, framed, extensions_bytes: 0 }
    }

    /// The body is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Reads on in `buffer`, whose first `ready` bytes came out before; returns how many have come out now. What follows
    /// them was not understood yet or, after the end, is no part of the body.
    pub(crate) fn read(&mut self, buffer: &mut BytesMut, ready: usize) -> Result<usize, Malformed> {
        let length = buffer.len();
        let mut cursors = Cursors { bytes: buffer, from: ready, to: ready };
        while self.step(&mut cursors)? {}
        let (from, to) = (cursors.from, cursors.to);
        if from != to {
            buffer.copy_within(from.., to);
            buffer.truncate(length - (from - to));
        }
        Ok(to)
    }

    /// `false`: the next piece is not there yet, or there is none.
    fn step(&mut self, cursors: &mut Cursors<'_>) -> Result<bool, Malformed> {
        match self.place {
            Place::Done => return Ok(false),
            Place::Chunk(left) => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(cursors.left().len());
                cursors.keep(here);
                let left = left - here as u64;
                self.place = if left == 0 { Place::ChunkEnd } else { Place::Chunk(left) };
                return Ok(left == 0);
            }
            Place::ChunkEnd => {
                if cursors.line(0)?.is_none() {
                    // A first byte that is wrong is wrong whatever follows.
                    let waits = matches!(cursors.left(), [] | b"\r");
                    return if waits { Ok(false) } else { Err(Malformed) };
                }
                self.end_line(cursors, 2);
                self.place = Place::Size;
            }
            Place::Trailers(dropped) => {
                let Some(length) = cursors.line(TRAILERS_LIMIT_BYTES - dropped)? else { return Ok(false) };
                if length == 0 {
                    self.end_line(cursors, 2);
                    self.place = Place::Done;
                } else {
                    cursors.from += length + 2;
                    self.place = Place::Trailers(dropped + length);
                }
            }
            Place::Size => return self.size(cursors),
        }
        Ok(true)
    }

    fn end_line(&self, cursors: &mut Cursors<'_>, read: usize) {
        cursors.from += read;
        if self.framed {
            cursors.put(b"\r\n");
        }
    }

    fn size(&mut self, cursors: &mut Cursors<'_>) -> Result<bool, Malformed> {
        let Some(length) = cursors.line(SIZE_LINE_LIMIT_BYTES)? else { return Ok(false) };
        let (size, extensions_bytes) = size(&cursors.left()[..length])?;
        self.extensions_bytes += extensions_bytes;
        if self.extensions_bytes > EXTENSIONS_LIMIT_BYTES {
            return Err(Malformed);
        }
        if self.framed {
            write_size(cursors, size);
        }
        self.end_line(cursors, length + 2);
        self.place = if size == 0 { Place::Trailers(0) } else { Place::Chunk(size) };
        Ok(true)
    }
}

/// Without leading zeros: at most as long as it was.
fn write_size(cursors: &mut Cursors<'_>, size: u64) {
    let digits = (64 - size.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        cursors.put(&[b"0123456789abcdef"[(size >> (4 * digit) & 0xf) as usize]]);
    }
}

/// Hexadecimal digits, and how many bytes of extensions come after them.
fn size(line: &[u8]) -> Result<(u64, usize), Malformed> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at(end);
    let after_space = rest.iter().position(|byte| !b" \t".contains(byte));
    let sane = after_space.is_none_or(|at| rest[at] == b';') && crate::field::is_value(rest);
    if digits.is_empty() || digits.len() > DIGITS_LIMIT || !sane {
        return Err(Malformed);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    Ok((u64::from_str_radix(digits, 16).map_err(|_| Malformed)?, rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the bytes in pieces of `step`, taking out what is ready after each or only at the end: what came out,
    /// whether it ended, and what is left.
    fn read(framed: bool, bytes: &[u8], step: usize, take: bool) -> Result<(Vec<u8>, bool, Vec<u8>), Malformed> {
        let (mut chunks, mut buffer, mut out, mut ready) = (Chunks::new(framed), BytesMut::new(), Vec::new(), 0);
        for fed in bytes.chunks(step) {
            buffer.extend_from_slice(fed);
            ready = chunks.read(&mut buffer, ready)?;
            if take {
                out.extend_from_slice(&buffer.split_to(ready));
                ready = 0;
            }
        }
        out.extend_from_slice(&buffer.split_to(ready));
        Ok((out, chunks.is_done(), buffer.to_vec()))
    }

    #[test]
    fn a_body_comes_out_in_one_form_however_it_arrives() {
        let raw =
            b"5\r\nhello\r\n1;ext=\"x\"\r\n \r\n000A \t;y\r\n0123456789\r\n00;z\r\nTrailer: x\r\nB: c\r\n\r\nGET / HT";
        let canonical = b"5\r\nhello\r\n1\r\n \r\na\r\n0123456789\r\n0\r\n\r\n";
        for step in 1..raw.len() {
            for take in [true, false] {
                let next = b"GET / HT".to_vec();
                let bare = (b"hello 0123456789".to_vec(), true, next.clone());
                assert_eq!(read(true, raw, step, take), Ok((canonical.to_vec(), true, next)), "{step} {take}");
                assert_eq!(read(false, raw, step, take), Ok(bare), "{step} {take}");
            }
        }
    }

    #[test]
    fn nonsense_is_no_body() {
        let long = [b"1;".to_vec(), vec![b'x'; 2000]].concat();
        let extensions = [b"1;".to_vec(), vec![b'x'; 500], b"\r\na\r\n".to_vec()].concat().repeat(40);
        let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(5000)].concat();
        for bad in [
            &b"x\r\n"[..],
            b"\r\n",
            b"\n",
            b"-1\r\n",
            b"+1\r\n",
            b" 1\r\n",
            b"0x1\r\n",
            b"1 1\r\n",
            b"1\nx\r\n",
            b"1\r\nxy\r\n",
            b"1\r\nx\n",
            b"1\r\nx\rz",
            b"1\rx\r\n",
            b"1;\0\r\n",
            b"1;\r\r\n",
            b"0\r\n\n",
            b"00000000000000001\r\n",
            b"fffffffffffffffff\r\n",
            &long,
            &extensions,
            &trailers,
        ] {
            for step in [1, bad.len()] {
                let read = read(true, bad, step, false);
                assert_eq!(read, Err(Malformed), "{:?}", String::from_utf8_lossy(&bad[..bad.len().min(20)]));
            }
        }
    }

    #[test]
    fn many_small_chunks_are_read_in_one_pass() {
        let raw = b"01;a\r\nx\r\n".repeat(3000);
        let (out, done, rest) = read(false, &raw, raw.len(), false).unwrap();
        assert_eq!((out.len(), done, rest.len()), (3000, false, 0));
    }
}
