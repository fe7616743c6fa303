//! The receipt of a deploy: what the app's requests met while a release took over.

use crate::Control;
use crate::gate::Authorized;
use crate::registry::{Deploy, Routed};
use crate::release::{self, ReleaseDetail, ReleaseError};
use crate::routing::backends;
use model::app::App;
use model::id::{AppId, DynoId, ReleaseId};
use model::promotion::Passage;
use model::receipt::DeployReceipt;
use model::time::Timestamp;
use std::time::Duration;
use store::StoreError;

/// What the old dynos hold must be answered within this time; the receipt is written then at the latest. As long as the
/// dynos themselves are given before SIGTERM.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// The receipt of a release; `None` when it never took over, or no server lived to see it.
///
/// # Errors
/// [`ReleaseError::NoSuchRelease`].
pub async fn of(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<(ReleaseDetail, Option<DeployReceipt>), ReleaseError> {
    let detail = release::find(control, app, which).await?;
    let receipt = store::receipt::of_release(control.store.db(), detail.release.id).await?;
    Ok((detail, receipt))
}

/// Another release is to take over: from now on counts what the requests meet.
pub(crate) async fn begin(
    control: &Control,
    app: AppId,
    release: Option<ReleaseId>,
) -> Result<(), router::RouterError> {
    if let Some(release) = release {
        let before = control.router.receipt(app).await?;
        control.registry.set_deploy(app, Deploy { release, before });
    }
    Ok(())
}

/// The router was told of other dynos. Where another release answers now, its receipt is written in the background, as
/// soon as the old dynos hold no request any more. `cut_over`: how long the router took.
pub(crate) fn switched(control: &Control, before: Option<&Routed>, after: &Routed, cut_over: Duration) {
    let old = before.and_then(|routed| routed.serving);
    let Some(serving) = after.serving.filter(|release| old != Some(*release)) else { return };
    let app = after.entry.route.app;
    let Some(deploy) = control.registry.take_deploy(app).filter(|deploy| deploy.release == serving) else { return };
    let left: Vec<DynoId> = before.map(gone(after)).unwrap_or_default();
    let (control, live_at) = (control.clone(), control.now());
    tokio::spawn(async move {
        if let Err(error) = write(&control, app, deploy, left, cut_over, live_at).await {
            tracing::warn!(app.id = %app, %error, "The receipt of a deploy could not be kept");
        }
    });
}

/// The dynos that get no request any more.
fn gone(after: &Routed) -> impl Fn(&Routed) -> Vec<DynoId> + '_ {
    move |before| {
        let now = backends(&after.entry.route.web);
        let old = backends(&before.entry.route.web).iter().map(|backend| backend.dyno);
        old.filter(|dyno| !now.iter().any(|backend| backend.dyno == *dyno)).collect()
    }
}

/// Why a receipt is not kept.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Router(#[from] router::RouterError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

async fn write(
    control: &Control,
    app: AppId,
    deploy: Deploy,
    left: Vec<DynoId>,
    cut_over: Duration,
    live_at: Timestamp,
) -> Result<(), Lost> {
    let in_flight = if left.is_empty() {
        0
    } else {
        u64::try_from(control.router.drain(left, DRAIN_LIMIT).await?.in_flight_at_start).unwrap_or(u64::MAX)
    };
    let fared = control.router.receipt(app).await?.since(&deploy.before);
    let receipt = DeployReceipt {
        release: deploy.release,
        in_flight,
        requests: fared.ended,
        held: fared.held,
        failed: fared.failed,
        cut_over_us: u64::try_from(cut_over.as_micros()).unwrap_or(u64::MAX),
        at: control.now(),
    };
    let mut tx = control.store.begin().await?;
    store::receipt::insert(&mut tx, &receipt).await?;
    let DeployReceipt { in_flight, requests, held, failed, cut_over_us, .. } = receipt;
    let passage = Passage { in_flight, requests, held, failed, cut_over_us, live_at };
    // It outlives the release and the app.
    store::promotion::keep_passage(&mut tx, deploy.release, &passage).await?;
    Ok(tx.commit().await?)
}
