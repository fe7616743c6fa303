//! What a dyno's init tells its keeper.

use model::dyno::Exit;
use rustix::process::WaitStatus;
use std::fs::File;
use std::io::{self, Write};

/// The longest reason that is reported; a pipe takes it in one piece.
const REASON_LIMIT_BYTES: usize = 2000;

/// One write to the report pipe each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The sandbox stands, the payload is started.
    Ready,
    /// It does not.
    Failed(String),
    /// The payload has ended.
    Ended(Exit),
}

impl Report {
    /// An error means that there is no keeper any more.
    pub(super) fn send(&self, to: &mut File) -> io::Result<()> {
        let bytes = match self {
            Self::Ready => vec![b'R'],
            Self::Failed(why) => [b"F", &why.as_bytes()[..why.len().min(REASON_LIMIT_BYTES)]].concat(),
            Self::Ended(Exit::Code(code)) => [&b"C"[..], &code.to_le_bytes()].concat(),
            Self::Ended(Exit::Signal(signal)) => [&b"S"[..], &signal.to_le_bytes()].concat(),
            Self::Ended(Exit::Lost) => Vec::new(),
        };
        to.write_all(&bytes)
    }

    /// Reads what has come so far: `Ready` and `Ended` may come in one piece.
    pub(crate) fn read(bytes: &[u8]) -> Vec<Self> {
        let Some((mark, rest)) = bytes.split_first() else { return Vec::new() };
        let number = |rest: &[u8]| rest.first_chunk::<4>().map(|number| i32::from_le_bytes(*number));
        match mark {
            b'R' => [vec![Self::Ready], Self::read(rest)].concat(),
            b'F' => vec![Self::Failed(String::from_utf8_lossy(rest).into_owned())],
            b'C' => number(rest).map(|code| Self::Ended(Exit::Code(code))).into_iter().collect(),
            b'S' => number(rest).map(|signal| Self::Ended(Exit::Signal(signal))).into_iter().collect(),
            _unknown => Vec::new(),
        }
    }
}

/// A wait status in our words.
pub(crate) fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_reports_in_one_read() {
        assert_eq!(Report::read(b"RC\x03\0\0\0"), [Report::Ready, Report::Ended(Exit::Code(3))]);
        assert_eq!(Report::read(b"S\x09\0\0\0"), [Report::Ended(Exit::Signal(9))]);
        assert_eq!(Report::read(b"Fwhy"), [Report::Failed("why".into())]);
        assert!(Report::read(b"C\x03").is_empty() && Report::read(b"").is_empty() && Report::read(b"?").is_empty());
    }
}
