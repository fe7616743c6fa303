//! A whole Flowline on ports of its own with real parts: the binary, git, SQLite, the sandbox, the router.
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
mod engine;
mod flow;
mod front;
mod hook_target;
mod http;
mod load;
mod mail_target;
mod otlp_target;
mod pace;
mod ports;
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
pub use engine::Engine;
pub use flow::{Flow, Start};
pub use front::Front;
pub use hook_target::{HookTarget, Received, Reply};
pub use http::{Answer, Body, Client, request};
pub use load::{Load, Outcome};
pub use mail_target::{MailReply, MailTarget, MailTls, ReceivedMail};
pub use otlp_target::OtlpTarget;
pub use pace::Pace;
pub use ports::Ports;
pub use push::Push;
pub use receiver::{Frame, Identity, Posted, Receiver};
pub use service::Service;
pub use source::Source;
pub use tail::Tail;
pub use terminal::Terminal;

use std::ops::RangeInclusive;
use std::time::Duration;

/// Anything that a test waits for happens within this time, or the test has failed: it is there for what never comes, not
/// for what is slow, so it is long enough for a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(240);

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

/// Between two looks at something that is to change: at first, and at most. Many tests share the machine, and a server
/// answers a client only so often (CLI-4).
const LOOK_AGAIN: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(200);

/// Looks until there is what must come.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        let mut pause = *LOOK_AGAIN.start();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 5 / 4).min(*LOOK_AGAIN.end());
        }
    };
    within(what, found).await
}

/// Looks until it is so.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(what, async || is_so().await.then_some(())).await;
}

/// `PATH` of this machine.
#[must_use]
pub fn search_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}
