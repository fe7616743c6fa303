//! A whole Flowline on port 0 with real parts: the binary, git, SQLite, the sandbox, the router.
//!
//! Tests say it in the user's words; whatever goes wrong on the way ends the test with what was said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests read the environment of the machine they run on")]

mod account;
mod address;
mod app;
mod attached;
mod caller;
mod certificate;
mod crowd;
mod disk;
mod flow;
mod front;
mod hook_target;
mod http;
mod load;
mod mail_target;
mod pace;
mod push;
mod receiver;
mod service;
mod source;
mod tail;
mod terminal;

pub use account::{totp, totp_after};
pub use address::path_of;
pub use app::App;
pub use attached::Attached;
pub use caller::{Caller, connect};
pub use certificate::KeyedCertificate;
pub use crowd::{Visitor, Visits, closed_loop, open_loop};
pub use flow::{Flow, Start};
pub use front::Front;
pub use hook_target::{HookTarget, Received, Reply};
pub use http::{Answer, Body, Client, request};
pub use load::{Load, Outcome};
pub use mail_target::{MailReply, MailTarget, MailTls, ReceivedMail};
pub use pace::Pace;
pub use push::Push;
pub use receiver::{Frame, Identity, Posted, Receiver};
pub use service::Service;
pub use source::Source;
pub use tail::Tail;
pub use terminal::Terminal;

use std::time::Duration;

/// Anything that a test waits for happens within this time, or the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits for something that must happen; says what it was when it does not.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

/// `PATH` of this machine.
#[must_use]
pub fn search_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}
