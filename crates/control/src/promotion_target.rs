//! One app that code is promoted to: its release, and how that ended.
//!
//! A promotion and its targets are rows. Each target is carried out by itself: one transaction for its release and another, made
//! by whoever decides the release, for its end; so a server that died goes on where the rows are.

use crate::event::{self, Change, Resource};
use crate::promotion::TargetDetail;
use crate::{Control, gate_alarm, outcome, release};
use model::account::Account;
use model::app::App;
use model::id::{PromotionTargetId, ReleaseId};
use model::promotion::{Made, Promotion, PromotionTarget, TargetEvent, TargetState};
use model::release::{ReleaseCause, ReleaseStatus};
use std::time::Duration;
use store::{StoreError, Tx};
use tokio::task::JoinHandle;

/// An answer waits at most this long for the releases of a promotion's targets.
const BEGUN_LIMIT: Duration = Duration::from_secs(5);

/// Makes the release of a target in the background; when the database does not take it, later.
pub(crate) fn carry_out(control: &Control, target: PromotionTargetId) -> JoinHandle<()> {
    let control = control.clone();
    tokio::spawn(async move {
        outcome::note("The release of a promotion".to_owned(), move || {
            let control = control.clone();
            async move { release_to(&control, target).await }
        })
        .await;
    })
}

/// Waits until these have their releases: clients read a promotion's targets once (CLI-38). A database that takes longer does it
/// later all the same.
pub(crate) async fn begun(targets: Vec<JoinHandle<()>>) {
    let all = async {
        for target in targets {
            // One that panicked is carried out at the next start.
            let _ended = target.await.is_err();
        }
    };
    let _late = tokio::time::timeout(BEGUN_LIMIT, all).await.is_err();
}

/// One target's release, or the reason why there is none; nothing when that is known already.
async fn release_to(control: &Control, target: PromotionTargetId) -> Result<(), StoreError> {
    let mut tx = control.store.begin().await?;
    let Some(target) = store::promotion::target(tx.db(), target).await? else { return Ok(()) };
    let Some(promotion) = store::promotion::by_id(tx.db(), target.promotion).await? else { return Ok(()) };
    if target.state != TargetState::Waiting {
        return Ok(());
    }
    let (by, app) = match ready(&mut tx, &promotion, &target).await? {
        Ok(ready) => ready,
        Err(why) => {
            settle(control, &mut tx, target, TargetEvent::Broke { why }).await?;
            tx.commit().await?;
            control.promotions.changed();
            return Ok(());
        }
    };
    let config = store::config_var::all_in(&mut tx, app.id).await?;
    let cause = ReleaseCause::Promote {
        from: promotion.source_name.clone(),
        version: promotion.version,
        commit: promotion.commit.clone(),
    };
    let created = release::insert(control, &mut tx, app.id, by.id, &cause, Some(promotion.slug), &config).await?;
    let made = Made { release: created.release.id, version: created.release.version };
    let decided = created.release.status != ReleaseStatus::Pending;
    settle(control, &mut tx, target, TargetEvent::Released { made, decided }).await?;
    tx.commit().await?;
    control.promotions.changed();
    release::begin(control, &by, created).await
}

/// Who promotes and where to, as long as that can still be done; else why not.
async fn ready(
    tx: &mut Tx,
    promotion: &Promotion,
    target: &PromotionTarget,
) -> Result<Result<(Account, App), String>, StoreError> {
    let name = &target.app_name;
    let Some(by) = store::account::by_id(tx.db(), promotion.by).await? else {
        return Ok(Err(format!("The account {} was removed meanwhile", promotion.by_email)));
    };
    let Some(app) = store::app::by_id(tx.db(), target.app).await? else {
        return Ok(Err(format!("{name} was destroyed meanwhile")));
    };
    let coupling = store::pipeline_coupling::of_app(tx.db(), target.app).await?;
    if coupling.is_none_or(|coupling| coupling.pipeline != promotion.pipeline) {
        return Ok(Err(format!("{name} was taken out of the pipeline meanwhile")));
    }
    let slug = store::slug::by_id(tx.db(), promotion.slug).await?;
    if slug.is_none_or(|slug| slug.expired_at.is_some()) {
        return Ok(Err(format!("The code of {} v{} was removed meanwhile", promotion.source_name, promotion.version)));
    }
    Ok(Ok((by, app)))
}

/// Stores what an event makes of a target.
async fn settle(
    control: &Control,
    tx: &mut Tx,
    mut target: PromotionTarget,
    event: TargetEvent,
) -> Result<(), StoreError> {
    // Too late: it was settled by whoever came first.
    let before = target.clone();
    let Ok(state) = target.state.on(event) else { return Ok(()) };
    (target.state, target.updated_at) = (state, control.now());
    if !store::promotion::update_target(tx, &target).await? {
        return Ok(());
    }
    let Some(app) = store::app::by_id(tx.db(), target.app).await? else { return Ok(()) };
    let Some(promotion) = store::promotion::by_id(tx.db(), target.promotion).await? else { return Ok(()) };
    let by = promotion.by;
    let before = TargetDetail { promotion: promotion.clone(), target: before };
    let now = TargetDetail { promotion, target };
    let change = Change::update(Resource::PromotionTarget(&app, &before), Resource::PromotionTarget(&app, &now));
    event::note(control, tx, by, &change).await
}

/// It was just asked for: an event, and whoever heard that the app's gates were shut hears that they let it in.
pub(crate) async fn tell_asked(
    control: &Control,
    tx: &mut Tx,
    promotion: &Promotion,
    target: &PromotionTarget,
) -> Result<(), StoreError> {
    let Some(app) = store::app::by_id(tx.db(), target.app).await? else { return Ok(()) };
    let detail = TargetDetail { promotion: promotion.clone(), target: target.clone() };
    event::note(control, tx, promotion.by, &Change::create(Resource::PromotionTarget(&app, &detail))).await?;
    if target.state == TargetState::Waiting {
        let what = format!("{} v{} passed the gates", promotion.source_name, promotion.version);
        gate_alarm::let_in(control, tx, app.id, promotion.by, what).await?;
    }
    Ok(())
}

/// The command of a release ended: the target that waits for it settles as part of that.
pub(crate) async fn decided(
    control: &Control,
    tx: &mut Tx,
    release: ReleaseId,
    succeeded: bool,
) -> Result<(), StoreError> {
    if let Some(target) = store::promotion::open_by_release(tx.db(), release).await? {
        settle(control, tx, target, TargetEvent::Ended { succeeded }).await?;
    }
    Ok(())
}

/// An app is being destroyed: what was to be promoted to it ends as part of that.
pub(crate) async fn app_gone(control: &Control, tx: &mut Tx, app: &App) -> Result<(), StoreError> {
    if let Some(target) = store::promotion::open_to(tx.db(), app.id).await? {
        let why = format!("{} was destroyed meanwhile", app.name);
        settle(control, tx, target, TargetEvent::Broke { why }).await?;
    }
    Ok(())
}

/// Goes on with what the last server left open, after its release commands were taken up or given up.
pub(crate) async fn resume(control: &Control) -> Result<(), StoreError> {
    for target in store::promotion::open(control.store.db()).await? {
        if target.state == TargetState::Waiting {
            carry_out(control, target.id);
        }
    }
    Ok(())
}
