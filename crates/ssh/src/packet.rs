//! The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), as far as files are read.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest request: a path, or one that writes and is refused anyway.
const REQUEST_LIMIT_BYTES: usize = 256 * 1024;

/// The version that every client speaks.
pub(crate) const VERSION: u32 = 3;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Init,
    Open {
        id: u32,
        path: String,
        writes: bool,
    },
    Close {
        id: u32,
        handle: u32,
    },
    Read {
        id: u32,
        handle: u32,
        offset: u64,
        length: u32,
    },
    Stat {
        id: u32,
        path: String,
    },
    HandleStat {
        id: u32,
        handle: u32,
    },
    RealPath {
        id: u32,
        path: String,
    },
    /// Folders, and everything that changes something.
    Other {
        id: u32,
    },
}

/// How a request ended, where there is nothing to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    EndOfFile,
    PermissionDenied,
    Failure,
    Unsupported,
}

impl Status {
    fn number(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::EndOfFile => 1,
            Self::PermissionDenied => 3,
            Self::Failure => 4,
            Self::Unsupported => 8,
        }
    }
}

/// Reads the next request; `None` at the end.
pub(crate) async fn next(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Request>> {
    let length = match from.read_u32().await {
        Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length == 0 || length > REQUEST_LIMIT_BYTES {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    parse(&body).map(Some).ok_or_else(|| ErrorKind::InvalidData.into())
}

fn parse(body: &[u8]) -> Option<Request> {
    let mut rest = Rest(body);
    let [kind] = rest.take()?;
    if kind == 1 {
        return Some(Request::Init);
    }
    let id = rest.number()?;
    Some(match kind {
        3 => {
            let path = rest.text()?;
            // Bit 0 is reading; everything else makes or changes files.
            Request::Open { id, path, writes: rest.number()? != 1 }
        }
        4 => Request::Close { id, handle: rest.handle()? },
        5 => {
            let handle = rest.handle()?;
            let offset = u64::from_be_bytes(rest.take()?);
            Request::Read { id, handle, offset, length: rest.number()? }
        }
        7 | 17 => Request::Stat { id, path: rest.text()? },
        8 => Request::HandleStat { id, handle: rest.handle()? },
        16 => Request::RealPath { id, path: rest.text()? },
        _ => Request::Other { id },
    })
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.number()?).ok()?;
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head.to_vec())
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// Ours are numbers.
    fn handle(&mut self) -> Option<u32> {
        Some(self.bytes()?.try_into().map_or(u32::MAX, u32::from_be_bytes))
    }
}

fn packet(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    bytes.push(kind);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut all = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    all.extend_from_slice(bytes);
    all
}

pub(crate) fn version() -> Vec<u8> {
    packet(2, &[&VERSION.to_be_bytes()])
}

pub(crate) fn status(id: u32, status: Status, why: &str) -> Vec<u8> {
    packet(101, &[&id.to_be_bytes(), &status.number().to_be_bytes(), &sized(why.as_bytes()), &sized(b"")])
}

pub(crate) fn handle(id: u32, handle: u32) -> Vec<u8> {
    packet(102, &[&id.to_be_bytes(), &sized(&handle.to_be_bytes())])
}

pub(crate) fn data(id: u32, bytes: &[u8]) -> Vec<u8> {
    packet(103, &[&id.to_be_bytes(), &sized(bytes)])
}

/// One name, without attributes.
pub(crate) fn name(id: u32, path: &str) -> Vec<u8> {
    let name = sized(path.as_bytes());
    packet(104, &[&id.to_be_bytes(), &1_u32.to_be_bytes(), &name, &name, &0_u32.to_be_bytes()])
}

/// Size, owner, mode and times.
pub(crate) fn attributes(id: u32, about: &Metadata) -> Vec<u8> {
    let seconds = |time: i64| u32::try_from(time).unwrap_or(0);
    let numbers =
        [about.uid(), about.gid(), about.mode(), seconds(about.atime()), seconds(about.mtime())].map(u32::to_be_bytes);
    packet(105, &[&id.to_be_bytes(), &0xf_u32.to_be_bytes(), &about.len().to_be_bytes(), &numbers.concat()])
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> Result<Option<Request>, ErrorKind> {
        next(&mut bytes).await.map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn requests_are_read_whole_or_not_at_all() {
        let open = packet(3, &[&7_u32.to_be_bytes(), &sized(b"/app/a"), &1_u32.to_be_bytes(), &0_u32.to_be_bytes()]);
        assert_eq!(read(&open).await, Ok(Some(Request::Open { id: 7, path: "/app/a".into(), writes: false })));
        let write = packet(3, &[&7_u32.to_be_bytes(), &sized(b"a"), &0x1a_u32.to_be_bytes()]);
        assert_eq!(read(&write).await, Ok(Some(Request::Open { id: 7, path: "a".into(), writes: true })));
        let read_it = packet(
            5,
            &[&8_u32.to_be_bytes(), &sized(&2_u32.to_be_bytes()), &9_u64.to_be_bytes(), &10_u32.to_be_bytes()],
        );
        assert_eq!(read(&read_it).await, Ok(Some(Request::Read { id: 8, handle: 2, offset: 9, length: 10 })));
        let foreign = packet(4, &[&8_u32.to_be_bytes(), &sized(b"not ours")]);
        assert_eq!(read(&foreign).await, Ok(Some(Request::Close { id: 8, handle: u32::MAX })));
        assert_eq!(read(&packet(13, &[&8_u32.to_be_bytes()])).await, Ok(Some(Request::Other { id: 8 })));
        assert_eq!(read(&packet(1, &[&VERSION.to_be_bytes()])).await, Ok(Some(Request::Init)));
        assert_eq!(read(b"").await, Ok(None));
        for cut in 5..open.len() - 4 {
            let mut part = open[..cut].to_vec();
            part[..4].copy_from_slice(&u32::try_from(cut - 4).unwrap().to_be_bytes());
            assert_eq!(read(&part).await, Err(ErrorKind::InvalidData), "{cut}");
        }
        let lie = packet(17, &[&8_u32.to_be_bytes(), &u32::MAX.to_be_bytes(), b"x"]);
        assert_eq!(read(&lie).await, Err(ErrorKind::InvalidData));
        for length in [0, REQUEST_LIMIT_BYTES as u32 + 1, u32::MAX] {
            assert_eq!(read(&length.to_be_bytes()).await, Err(ErrorKind::InvalidData), "{length}");
        }
    }
}
