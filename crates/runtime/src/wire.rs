//! The messages between `serve`, the nursery and the keepers: frames on local sockets.
//!
//! A frame is its length (u32, little-endian, of what follows), a tag byte and a body. Lines, the many, are bytes; the
//! few others are JSON. Nothing here reads or writes a socket: both the async and the plain side use it.

use crate::network::{Openings, Standing};
use model::dyno::{Exit, OutOfMemory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// No frame between keeper and `serve` is larger: a line has at most 10,000 bytes.
pub(crate) const FRAME_LIMIT_BYTES: usize = 64 * 1024;

/// The version of these messages; keepers of an older binary live on after an upgrade.
pub(crate) const PROTOCOL: u32 = 1;

/// One line of a dyno's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1, without gaps unless lines were dropped.
    pub(crate) seq: u64,
    /// Microseconds since the Unix epoch.
    pub(crate) at: i64,
    /// Without the line break.
    pub(crate) text: Box<[u8]>,
}

/// A keeper's first word to whoever connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// [`PROTOCOL`] of the keeper.
    pub(crate) protocol: u32,
    /// The dyno's first process, as the host sees it.
    pub(crate) pid: u32,
    /// The last acknowledged line; delivery goes on behind it.
    pub(crate) acked: u64,
    /// Are its processes halted? None: this keeper, of an older binary, cannot do that.
    #[serde(default)]
    pub(crate) frozen: Option<bool>,
}

/// What became of a wish to halt or release a dyno's processes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frost {
    /// The wish that this answers; later ones have larger numbers.
    pub(crate) wish: u64,
    /// Are they halted now?
    pub(crate) frozen: bool,
    /// Why the wish was not fulfilled.
    pub(crate) fault: Option<String>,
}

/// How a dyno ended; also the contents of the `exit` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// The payload's end.
    pub(crate) exit: Exit,
    /// The time to end had run out, or a kill was asked for: SIGKILL was sent.
    pub(crate) killed: bool,
    /// The kernel killed a process of it for want of memory.
    #[serde(default)]
    pub(crate) out_of_memory: Option<OutOfMemory>,
    /// The number of the last line.
    pub(crate) last_seq: u64,
    /// The last acknowledged line when this was written.
    pub(crate) acked: u64,
}

/// From a keeper to `serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromKeeper {
    /// First.
    Hello(Hello),
    /// Instead of `Hello`: nothing runs, for this reason.
    Failed(String),
    /// One line.
    Line(Line),
    /// It has ended. Said at once; lines may still follow.
    Over(Ended),
    /// Last.
    Ended(Ended),
    /// The answer to [`ToKeeper::Freeze`] and [`ToKeeper::Thaw`].
    Frost(Frost),
}

/// From `serve` to a keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToKeeper {
    /// All lines up to this one are kept elsewhere now.
    Ack(u64),
    /// SIGTERM to all processes, SIGKILL after this many milliseconds.
    Stop(u32),
    /// SIGKILL at once.
    Kill,
    /// The end was taken note of: the keeper may go.
    Finish,
    /// Halt all processes; the number comes back with the answer.
    Freeze(u64),
    /// Let them go on.
    Thaw(u64),
}

/// From `serve` to the nursery, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opening {
    /// The folder of all dynos.
    pub(crate) dynos: PathBuf,
    /// What of this host they can reach.
    pub(crate) openings: Openings,
}

/// What the nursery found and made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settled {
    /// These things about the machine are worth a warning.
    pub(crate) warnings: Vec<String>,
    /// Where the walls around dynos stand, or why there are none.
    pub(crate) walls: Result<Standing, String>,
}

/// From the nursery to `serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromNursery {
    /// Ready.
    Ready(Settled),
    /// It cannot work.
    Failed(String),
}

/// Bytes that are no message of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a message of {0} bytes is over the limit")]
    TooLarge(usize),
    #[error("a message with the unknown mark {0}")]
    Tag(u8),
    #[error("a malformed message with the mark {0}")]
    Body(u8),
}

/// Appends one frame.
pub(crate) fn frame(tag: u8, body: &[&[u8]], out: &mut Vec<u8>) {
    head(tag, body.iter().map(|part| part.len()).sum(), out);
    body.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends what stands before a body of `length` bytes.
pub(crate) fn head(tag: u8, length: usize, out: &mut Vec<u8>) {
    // Bodies are bounded far below 4 GiB by the constants above and by SPEC_LIMIT_BYTES.
    out.extend_from_slice(&u32::try_from(length + 1).unwrap_or(u32::MAX).to_le_bytes());
    out.push(tag);
}

/// The length that a frame's first four bytes announce.
pub(crate) fn length(head: [u8; 4], limit: usize) -> Result<usize, FrameError> {
    let length = u32::from_le_bytes(head) as usize;
    if length == 0 || length > limit { Err(FrameError::TooLarge(length)) } else { Ok(length) }
}

/// Bytes as they come in, cut into frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    start: usize,
}

impl Frames {
    /// More bytes have come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame: its tag and body.
    pub(crate) fn next(&mut self) -> Result<Option<(u8, &[u8])>, FrameError> {
        let Some(head) = self.bytes.get(self.start..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(None) };
        let length = length(*head, FRAME_LIMIT_BYTES)?;
        let from = self.start + 4;
        let Some(frame) = self.bytes.get(from..from + length) else { return Ok(None) };
        self.start = from + length;
        Ok(frame.split_first().map(|(tag, body)| (*tag, body)))
    }
}

impl FromKeeper {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => frame(b'H', &[&json(hello)], out),
            Self::Failed(why) => frame(b'F', &[why.as_bytes()], out),
            Self::Line(line) => write_line(line, out),
            Self::Over(ended) => frame(b'O', &[&json(ended)], out),
            Self::Ended(ended) => frame(b'E', &[&json(ended)], out),
            Self::Frost(frost) => frame(b'Z', &[&json(frost)], out),
        }
    }

    pub(crate) fn read((tag, body): (u8, &[u8])) -> Result<Self, FrameError> {
        match tag {
            b'H' => Ok(Self::Hello(from_json(tag, body)?)),
            b'F' => Ok(Self::Failed(String::from_utf8_lossy(body).into_owned())),
            b'L' => read_line(body).map(Self::Line).ok_or(FrameError::Body(tag)),
            b'O' => Ok(Self::Over(from_json(tag, body)?)),
            b'E' => Ok(Self::Ended(from_json(tag, body)?)),
            b'Z' => Ok(Self::Frost(from_json(tag, body)?)),
            other => Err(FrameError::Tag(other)),
        }
    }
}

/// Appends a line's frame, without a copy of its text in between.
pub(crate) fn write_line(line: &Line, out: &mut Vec<u8>) {
    frame(b'L', &[&line.seq.to_le_bytes(), &line.at.to_le_bytes(), &line.text], out);
}

fn read_line(body: &[u8]) -> Option<Line> {
    let (seq, rest) = body.split_first_chunk::<8>()?;
    let (at, text) = rest.split_first_chunk::<8>()?;
    Some(Line { seq: u64::from_le_bytes(*seq), at: i64::from_le_bytes(*at), text: text.into() })
}

impl ToKeeper {
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Ack(seq) => frame(b'A', &[&seq.to_le_bytes()], out),
            Self::Stop(grace_ms) => frame(b'S', &[&grace_ms.to_le_bytes()], out),
            Self::Kill => frame(b'K', &[], out),
            Self::Finish => frame(b'D', &[], out),
            Self::Freeze(wish) => frame(b'Z', &[&wish.to_le_bytes()], out),
            Self::Thaw(wish) => frame(b'W', &[&wish.to_le_bytes()], out),
        }
    }

    pub(crate) fn read((tag, body): (u8, &[u8])) -> Result<Self, FrameError> {
        let bad = FrameError::Body(tag);
        match tag {
            b'A' => Ok(Self::Ack(u64::from_le_bytes(body.try_into().map_err(|_| bad)?))),
            b'S' => Ok(Self::Stop(u32::from_le_bytes(body.try_into().map_err(|_| bad)?))),
            b'K' => Ok(Self::Kill),
            b'D' => Ok(Self::Finish),
            b'Z' => Ok(Self::Freeze(u64::from_le_bytes(body.try_into().map_err(|_| bad)?))),
            b'W' => Ok(Self::Thaw(u64::from_le_bytes(body.try_into().map_err(|_| bad)?))),
            other => Err(FrameError::Tag(other)),
        }
    }
}

impl FromNursery {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ready(settled) => frame(b'R', &[&json(settled)], out),
            Self::Failed(why) => frame(b'F', &[why.as_bytes()], out),
        }
    }

    pub(crate) fn read((tag, body): (u8, &[u8])) -> Result<Self, FrameError> {
        match tag {
            b'R' => Ok(Self::Ready(from_json(tag, body)?)),
            b'F' => Ok(Self::Failed(String::from_utf8_lossy(body).into_owned())),
            other => Err(FrameError::Tag(other)),
        }
    }
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // Plain structs of numbers and strings: serde_json cannot fail on them.
    serde_json::to_vec(value).unwrap_or_default()
}

fn from_json<T: DeserializeOwned>(tag: u8, body: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(body).map_err(|_| FrameError::Body(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_whole_however_they_are_cut() {
        let line = Line { seq: 7, at: -1, text: b"a\xffb"[..].into() };
        let ended = Ended { exit: Exit::Signal(9), killed: true, out_of_memory: None, last_seq: 7, acked: 3 };
        let frost = Frost { wish: 7, frozen: true, fault: None };
        let said = [
            FromKeeper::Line(line),
            FromKeeper::Failed("why".into()),
            FromKeeper::Ended(ended),
            FromKeeper::Frost(frost),
        ];
        let mut bytes = Vec::new();
        said.iter().for_each(|message| message.write(&mut bytes));
        for size in 1..bytes.len() {
            let (mut frames, mut heard) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(size) {
                frames.push(piece);
                while let Some(frame) = frames.next().unwrap() {
                    heard.push(FromKeeper::read(frame).unwrap());
                }
            }
            assert_eq!(heard, said);
        }
    }

    #[test]
    fn what_is_no_frame_is_refused_without_waiting_for_it() {
        let refused = |bytes: &[u8]| {
            let mut frames = Frames::default();
            frames.push(bytes);
            frames.next().and_then(|frame| frame.map(ToKeeper::read).transpose()).unwrap_err()
        };
        assert_eq!(refused(&[0, 0, 0, 0]), FrameError::TooLarge(0));
        assert_eq!(refused(&[0xff; 4]), FrameError::TooLarge(u32::MAX as usize));
        assert_eq!(refused(&[1, 0, 0, 0, b'?']), FrameError::Tag(b'?'));
        assert_eq!(refused(&[2, 0, 0, 0, b'A', 1]), FrameError::Body(b'A'));
        assert!(FromKeeper::read((b'L', &[0; 15])).is_err());
        assert!(FromKeeper::read((b'E', b"{}")).is_err());
    }

    #[test]
    fn orders_to_a_keeper_come_back() {
        for order in [
            ToKeeper::Ack(u64::MAX),
            ToKeeper::Stop(30_000),
            ToKeeper::Kill,
            ToKeeper::Finish,
            ToKeeper::Freeze(1),
            ToKeeper::Thaw(2),
        ] {
            let (mut bytes, mut frames) = (Vec::new(), Frames::default());
            order.write(&mut bytes);
            frames.push(&bytes);
            assert_eq!(frames.next().unwrap().map(ToKeeper::read), Some(Ok(order)));
        }
    }
}
