//! The conversation inside a push, over a Unix socket: git's `pre-receive` hook asks, serve answers.
//!
//! ```text
//! hook   → Token, Update…, Ready                    who pushes what
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
