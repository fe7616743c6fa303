//! How something ended must be noted, also when the disk is full at that moment: it cannot be undone by refusing it.

use std::time::Duration;
use store::StoreError;

/// Until the second attempt; the pauses double.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A disk may stay full for hours: it is asked this often then.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Notes an outcome now; when the database does not take it, goes on trying in the background.
pub(crate) async fn note<F>(what: String, attempt: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = Result<(), StoreError>> + Send,
{
    let Err(error) = attempt().await else { return };
    tracing::error!(%error, "{what} could not be noted; trying again until it is");
    tokio::spawn(async move {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            match attempt().await {
                Ok(()) => return tracing::info!("{what} is noted now"),
                Err(_) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    });
}
