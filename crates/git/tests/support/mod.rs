//! A git server on port 0 over this crate, and the real git client.

mod client;
mod server;

pub(crate) use client::{Client, Pushed};
pub(crate) use server::{Server, kill_hook, quarantines};

use std::io::Read;
use std::time::Duration;

/// Long enough for a loaded machine; a test that gets there has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// Waits until `holds`.
pub(crate) async fn soon(what: &str, holds: impl AsyncFn() -> bool) {
    let held = tokio::time::timeout(LIMIT, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    held.await.unwrap_or_else(|_| panic!("not within {LIMIT:?}: {what}"));
}

/// A file of a tar archive.
pub(crate) fn file_in(tar: &[u8], name: &str) -> Option<String> {
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().to_str() == Some(name) {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            return Some(text);
        }
    }
    None
}
