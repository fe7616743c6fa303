//! The dynos' identity in an image's `/etc/passwd` and `/etc/group`: programs that ask who they are get an answer.

use super::root::Root;
use model::dyno::{DYNO_GID, DYNO_UID};
use std::io;
use std::path::Path;

/// The largest file of accounts that is rewritten: many times what an image has.
const ACCOUNTS_LIMIT_BYTES: u64 = 1024 * 1024;

/// Appends it, or makes both files where the image has none. An image whose `/etc` is no folder, or that has something
/// else than a file there, stays as it is.
pub(super) fn add(root: &mut Root) -> io::Result<()> {
    let account = format!("dyno:x:{DYNO_UID}:{DYNO_GID}:dyno:/:/bin/sh\n");
    append(root, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", &account)?;
    append(root, "etc/group", "root:x:0:\n", &format!("dyno:x:{DYNO_GID}:\n"))
}

fn append(root: &mut Root, path: &str, minimal: &str, line: &str) -> io::Result<()> {
    let mut text = match root.read(Path::new(path), ACCOUNTS_LIMIT_BYTES)? {
        Some(text) => text,
        None if root.is_free(Path::new(path)) => minimal.as_bytes().to_vec(),
        None => return Ok(()),
    };
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(line.as_bytes());
    root.replace(Path::new(path), &text)
}
