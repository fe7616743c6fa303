//! The real time, and waiting for what must happen.

use std::time::{Duration, Instant};

use super::BenchError;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// The moment.
#[allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and has no runtime whose time could be paused"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Looks again and again until it is there, at most for `limit`.
///
/// # Errors
/// What a look says, or that it took too long.
#[allow(clippy::disallowed_methods, reason = "one thread, which has nothing else to do")]
pub(super) fn wait_for(
    what: &str,
    limit: Duration,
    mut is_there: impl FnMut() -> Result<bool, BenchError>,
) -> Result<(), BenchError> {
    let begin = now();
    while !is_there()? {
        if begin.elapsed() > limit {
            return Err(BenchError::Unexpected(format!("{what} did not happen within {limit:?}")));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
