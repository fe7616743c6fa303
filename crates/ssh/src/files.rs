//! The files of a dyno, to be read: what `ps:copy`, `scp` and `sftp` ask for (SFTP). Nothing is written.

use crate::packet::{self, Request, Status};
use control::visit::{Visit, VisitError};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::spawn_blocking;

/// Files that are open at once, over one channel. Copying needs one.
const FILES_LIMIT: usize = 16;

/// Of one answer. Clients ask for what is missing again.
const READ_LIMIT_BYTES: u32 = 64 * 1024;

/// Answers until the client has gone.
pub(crate) async fn serve(visit: &Visit, from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
    let mut open = Open { visit, files: BTreeMap::new(), next: 0 };
    loop {
        let request = match packet::next(from).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => return tracing::debug!(%error, "An SFTP client made no sense"),
        };
        let answer = open.answer(request).await;
        if to.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// What one client has open.
struct Open<'a> {
    visit: &'a Visit,
    files: BTreeMap<u32, Arc<File>>,
    next: u32,
}

impl Open<'_> {
    async fn answer(&mut self, request: Request) -> Vec<u8> {
        match request {
            Request::Init => packet::version(),
            Request::Open { id, writes: true, .. } => {
                packet::status(id, Status::PermissionDenied, "files of a dyno are read here, not written")
            }
            Request::Open { id, .. } if self.files.len() >= FILES_LIMIT => {
                packet::status(id, Status::Failure, "too many files are open; close some first")
            }
            Request::Open { id, path, .. } => match self.visit.file(&path).await {
                Ok(file) => {
                    let handle = self.next;
                    self.next = self.next.wrapping_add(1);
                    self.files.insert(handle, Arc::new(file));
                    packet::handle(id, handle)
                }
                Err(error) => refused(id, &error),
            },
            Request::Close { id, handle } => match self.files.remove(&handle) {
                Some(_) => packet::status(id, Status::Ok, ""),
                None => no_handle(id),
            },
            Request::Read { id, handle, offset, length } => match self.files.get(&handle) {
                Some(file) => read(id, Arc::clone(file), offset, length).await,
                None => no_handle(id),
            },
            Request::Stat { id, path } => match self.visit.file(&path).await {
                Ok(file) => about(id, file.metadata()),
                Err(error) => refused(id, &error),
            },
            Request::HandleStat { id, handle } => match self.files.get(&handle) {
                Some(file) => about(id, file.metadata()),
                None => no_handle(id),
            },
            Request::RealPath { id, path } => packet::name(id, &absolute(&path)),
            Request::Other { id } => {
                packet::status(id, Status::Unsupported, "only files are copied, and only from a dyno")
            }
        }
    }
}

async fn read(id: u32, file: Arc<File>, offset: u64, length: u32) -> Vec<u8> {
    let size = usize::try_from(length.min(READ_LIMIT_BYTES)).unwrap_or(0);
    let read = spawn_blocking(move || {
        let mut bytes = vec![0; size];
        let count = file.read_at(&mut bytes, offset)?;
        bytes.truncate(count);
        Ok::<_, io::Error>(bytes)
    });
    match read.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(bytes) if bytes.is_empty() => packet::status(id, Status::EndOfFile, ""),
        Ok(bytes) => packet::data(id, &bytes),
        Err(error) => packet::status(id, Status::Failure, &error.to_string()),
    }
}

fn about(id: u32, about: io::Result<Metadata>) -> Vec<u8> {
    match about {
        Ok(about) => packet::attributes(id, &about),
        Err(error) => packet::status(id, Status::Failure, &error.to_string()),
    }
}

fn refused(id: u32, error: &VisitError) -> Vec<u8> {
    packet::status(id, Status::Failure, &error.to_string())
}

fn no_handle(id: u32) -> Vec<u8> {
    packet::status(id, Status::Failure, "that file is not open")
}

/// By its letters only: where links lead is the dyno's business when the file is opened.
fn absolute(path: &str) -> String {
    let path = path.trim_start_matches("./");
    match path {
        "" | "." => "/app".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/app/{path}"),
    }
}
