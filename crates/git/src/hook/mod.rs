//! The conversation inside a push, over a Unix socket: git's `pre-receive` hook asks, serve answers.
//!
//! ```text
//! hook   → Token, PushOption…, Update…, Ready       who pushes what
//! serve  → Line…                                    shown to the client at once
//! serve  → Tree, hook → Tar…, TarEnd                only the hook sees objects that are not accepted yet
//! serve  → Accept | Decline                         the hook exits 0 | 1
//! ```

mod frame;
mod program;
mod session;
mod socket;

pub use program::pre_receive;
pub use session::{Listener, PushError, PushSession, Tree};

/// Refs in one push. A first push of a large repository with all its tags fits.
const UPDATES_LIMIT: usize = 5_000;

/// Words of `git push -o` that are read; nobody needs more.
const OPTIONS_LIMIT: usize = 16;

/// The longest one, in bytes.
const OPTION_LIMIT_BYTES: usize = 4096;

/// What frames hold, for [`crate::fuzzing`]: both sides must read the same, and write what they read.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn both_sides(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut hook, mut serve, mut contents) = (bytes, bytes, Vec::new());
    loop {
        let before = hook;
        let read = frame::read(&mut hook).ok();
        // Bytes in memory are always there, so this never waits.
        let mut receiving = std::pin::pin!(frame::receive(&mut serve));
        let received = match receiving.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(received) => received.ok(),
            std::task::Poll::Pending => None,
        };
        assert_eq!(read, received);
        let Some((kind, content)) = read else { return contents };
        assert!(content.len() <= frame::FRAME_LIMIT_BYTES);
        let mut written = Vec::new();
        assert!(frame::write(&mut written, kind, &content).is_ok());
        assert_eq!(written, before[..before.len() - hook.len()]);
        contents.push(content);
    }
}
