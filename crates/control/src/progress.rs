//! When a step of a change was done, noted for whoever counts (metrics.md). A moment that cannot be noted costs a figure, never
//! the step itself.

use crate::Control;
use model::formation::Wanted;
use model::id::{AppId, BuildId, ReleaseId, TestRunId};
use store::{StoreError, Tx};

/// A build had its turn.
pub(crate) async fn build_begun(control: &Control, id: BuildId) {
    let at = control.now();
    let noted = async {
        let mut tx = control.store.begin().await?;
        store::build::begin(&mut tx, id, at).await?;
        tx.commit().await
    };
    said(noted.await, "The begin of a build");
}

/// What is built went through this test run first.
pub(crate) async fn build_tested(control: &Control, id: BuildId, run: TestRunId) {
    let noted = async {
        let mut tx = control.store.begin().await?;
        store::build::tested(&mut tx, id, run).await?;
        tx.commit().await
    };
    said(noted.await, "The tests of a build");
}

/// A release command runs.
pub(crate) async fn begun(control: &Control, id: ReleaseId) {
    let at = control.now();
    let noted = async {
        let mut tx = control.store.begin().await?;
        store::release_step::begun(&mut tx, id, at).await?;
        tx.commit().await
    };
    said(noted.await, "The begin of a release command");
}

/// Notes that the wanted release is live, if it is: requests reach it, or it has no web process that they could reach. `true`
/// when this need not be asked again for that release.
pub(crate) async fn live(control: &Control, app: AppId, wanted: &Wanted) -> bool {
    let routed = control.registry.routed(app).filter(|routed| routed.release == Some(wanted.release));
    let Some(routed) = routed else { return false };
    if routed.serving != Some(wanted.release) && wanted.has_web() {
        return false;
    }
    let at = control.now();
    let noted: Result<(), StoreError> = async {
        // Nearly always, at a start: nobody waits for the disk then.
        if store::release_step::is_live(control.store.db(), wanted.release).await? {
            return Ok(());
        }
        let mut tx: Tx = control.store.begin().await?;
        store::release_step::live(&mut tx, wanted.release, at).await?;
        tx.commit().await?;
        control.promoter.wake();
        Ok(())
    }
    .await;
    let done = noted.is_ok();
    said(noted, "That a release is live");
    done
}

fn said(noted: Result<(), StoreError>, what: &str) {
    if let Err(error) = noted {
        tracing::warn!(%error, "{what} could not be noted");
    }
}
