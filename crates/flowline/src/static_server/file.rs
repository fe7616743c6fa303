//! One file on its way out: what the client may keep it by, and its bytes.

use super::body::FileBody;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::io::AsyncReadExt;

/// How a file relates to gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// There is only the file itself.
    Plain,
    /// The file itself; others would get its `.gz`.
    PlainOfTwo,
    /// The `.gz` beside the file.
    Gzip,
}

/// A regular file inside the root.
#[derive(Debug)]
pub(super) struct ServedFile {
    path: PathBuf,
    /// Its size in bytes.
    pub(super) len: u64,
    changed_ns: u64,
    content_type: &'static str,
    encoding: Encoding,
}

impl ServedFile {
    pub(super) fn new(path: PathBuf, metadata: &Metadata, content_type: &'static str, encoding: Encoding) -> Self {
        // A slug's files may all carry the same time, and a release can change a byte without changing a size. The time
        // at which the file was put on this machine is later than both and tells releases apart.
        let ns = |seconds: i64, ns: i64| u64::try_from(seconds.saturating_mul(1_000_000_000).saturating_add(ns));
        let modified = ns(metadata.mtime(), metadata.mtime_nsec()).unwrap_or(0);
        let changed_ns = modified.max(ns(metadata.ctime(), metadata.ctime_nsec()).unwrap_or(0));
        Self { path, len: metadata.len(), changed_ns, content_type, encoding }
    }

    /// Quoted, as in the header.
    pub(super) fn etag(&self) -> String {
        let gzip = if self.encoding == Encoding::Gzip { "-gz" } else { "" };
        format!("\"{:x}-{:x}{gzip}\"", self.changed_ns, self.len)
    }

    /// To the second, as the header has it.
    pub(super) fn modified(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.changed_ns / 1_000_000_000)
    }

    /// 304: the client has it.
    pub(super) fn not_modified(&self) -> Response<FileBody> {
        self.tagged(StatusCode::NOT_MODIFIED, FileBody::empty())
    }

    /// The file, or a range of it.
    pub(super) fn open(&self, status: StatusCode, range: Option<Range<u64>>) -> io::Result<Response<FileBody>> {
        let mut file = File::open(&self.path)?;
        let (start, end) = range.as_ref().map_or((0, self.len), |range| (range.start, range.end));
        file.seek(SeekFrom::Start(start))?;
        let body = FileBody::File(tokio::fs::File::from_std(file).take(end - start));
        let mut response = self.tagged(status, body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if self.encoding == Encoding::Gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if range.is_some() {
            let place = format!("bytes {start}-{}/{}", end - 1, self.len);
            headers.insert(header::CONTENT_RANGE, HeaderValue::try_from(place).map_err(io::Error::other)?);
        }
        Ok(response)
    }

    fn tagged(&self, status: StatusCode, body: FileBody) -> Response<FileBody> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        // Both are plain ASCII, always.
        if let Ok(etag) = HeaderValue::try_from(self.etag()) {
            headers.insert(header::ETAG, etag);
        }
        if let Ok(modified) = HeaderValue::try_from(httpdate::fmt_http_date(self.modified())) {
            headers.insert(header::LAST_MODIFIED, modified);
        }
        if self.encoding != Encoding::Plain {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        response
    }
}
