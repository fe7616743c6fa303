//! Promotions: the same slug to other apps of the pipeline, each with its own config and release phase (PIPE-30 to PIPE-47).

use crate::gate::{Authorized, GateError};
use crate::gate_alarm::{self, Held};
use crate::promotion_gate::{Asked, Override, Passed, pass_gates, passed};
use crate::promotion_places::{coupled, target, targets};
use crate::release::{self, ReleaseError};
use crate::stage_board::CandidateGates;
use crate::{Control, promotion_target};
use model::account::Account;
use model::app::{App, AppName};
use model::audit::REASON_LIMIT;
use model::id::{AppId, PromotionId};
use model::permission::Right;
use model::pipeline::{Pipeline, PipelineName};
use model::promotion::{Promotable, Promotion, PromotionTarget, TARGET_LIMIT, TargetState, promotable};
use model::release::Release;
use model::stage_gate::Refused;
use model::verification;
use store::StoreError;

/// Promotions of one pipeline that a list shows: the newest.
const LISTED: i64 = 1000;

/// Why nothing is promoted.
#[derive(Debug, thiserror::Error)]
pub enum PromotionError {
    /// No such promotion, or one of apps that the caller may not see.
    #[error("Couldn't find that promotion.")]
    NoSuchPromotion,
    /// PIPE-37.
    #[error("Cannot promote from an app to itself: {0}. Specify a different target app.")]
    ToItself(AppName),
    /// Nothing to promote to.
    #[error("`targets` is empty: name at least one app of the pipeline to promote to")]
    NoTargets,
    /// Too many.
    #[error("A promotion goes to at most {TARGET_LIMIT} apps; make several")]
    TooManyTargets,
    /// PIPE-37.
    #[error("{app} is not in the pipeline {pipeline}; `flowline pipelines:add {pipeline} -a {app}` puts it there")]
    Outside {
        /// The app.
        app: AppName,
        /// The pipeline.
        pipeline: PipelineName,
    },
    /// PIPE-41.
    #[error("{0} has nothing to promote: it runs no code yet. Push to it first")]
    NoCode(AppName),
    /// Each step has to be passed.
    #[error("v{version} of {app} cannot be promoted: its release command failed or still runs")]
    NotPassed {
        /// The app.
        app: AppName,
        /// The release.
        version: i64,
    },
    /// Its stage holds what has no green light.
    #[error("{app} holds its releases: {why}")]
    Held {
        /// The app.
        app: AppName,
        /// What is missing.
        #[source]
        why: verification::Held,
    },
    /// PIPE-32.
    #[error(
        "v{version} of {app} cannot be promoted: its code was removed to make room on the server's disk. Build it again"
    )]
    Expired {
        /// The app.
        app: AppName,
        /// The release.
        version: i64,
    },
    /// Two at once.
    #[error("{app} is being promoted to already (`flowline promotions:info {promotion}`); try again when that is over")]
    Busy {
        /// The app.
        app: String,
        /// The promotion that is under way.
        promotion: PromotionId,
    },
    /// The gates of every target's stage are shut.
    #[error(transparent)]
    Shut(#[from] Refused),
    /// An override must say why.
    #[error("`override` is the reason for it, of 1 to {REASON_LIMIT} characters")]
    Override,
    /// No such release.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// Another right is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a client asks for; apps by name or id.
#[derive(Debug, Clone)]
pub struct NewPromotion {
    /// The pipeline, by id or name.
    pub pipeline: String,
    /// Whose code.
    pub source: String,
    /// Which release of it, by id or number; `None`: the one that runs.
    pub release: Option<String>,
    /// Where to.
    pub targets: Vec<String>,
    /// Why gates that are shut are passed all the same; for who manages the target.
    pub reason: Option<String>,
}

/// A promotion with where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionDetail {
    /// The promotion.
    pub promotion: Promotion,
    /// Its targets, in the order in which they were asked for.
    pub targets: Vec<PromotionTarget>,
}

/// One app of a promotion, with the promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetDetail {
    /// The promotion.
    pub promotion: Promotion,
    /// The app that it goes to.
    pub target: PromotionTarget,
}

/// Begins a promotion; each target settles in the background.
///
/// # Errors
/// What is wrong with the request as a whole. A target that the caller may not deploy to fails by itself (PIPE-40).
pub async fn create(control: &Control, who: &Account, new: NewPromotion) -> Result<PromotionDetail, PromotionError> {
    let pipeline = control.pipeline(who, &new.pipeline, Right::View).await?;
    let source = control.app(who, &new.source, Right::Deploy).await?;
    coupled(control, &source, &pipeline).await?;
    let chosen = chosen(control, &source, new.release.as_deref()).await?;
    let reason = new.reason.as_deref().map(good_reason).transpose()?;
    let mut promotion = promotion_of(control, who, &pipeline, &source, &chosen).await?;
    let mut targets = targets(control, who, &pipeline, &source, &promotion, &new.targets).await?;
    let asked = Asked { pipeline: &pipeline, source: &source, release: &chosen };
    let Passed { gates, held } = pass_gates(control, &asked, &mut targets, Override { who, reason }).await?;
    promotion.gates = gates;
    start(control, promotion, targets, &chosen, &held).await
}

/// The same without anybody asking: the stage says that it is promoted to as soon as its gates are open, and they are. In the name of who
/// made the release; whether they may deploy to the targets was decided by whoever set that up.
///
/// # Errors
/// As [`create`].
pub(crate) async fn create_automatic(
    control: &Control,
    by: &Account,
    pipeline: &Pipeline,
    candidate: &CandidateGates,
    apps: Vec<App>,
) -> Result<PromotionDetail, PromotionError> {
    let mut promotion = promotion_of(control, by, pipeline, &candidate.app, &candidate.release).await?;
    promotion.gates = passed(&candidate.findings);
    promotion.gates.push("promote: auto".to_owned());
    let target = |app: App| target(control, &promotion, &app, TargetState::Waiting);
    let targets = apps.into_iter().map(target).collect();
    start(control, promotion, targets, &candidate.release, &[]).await
}

/// What is promoted, if it can be.
async fn promotion_of(
    control: &Control,
    who: &Account,
    pipeline: &Pipeline,
    source: &App,
    chosen: &Release,
) -> Result<Promotion, PromotionError> {
    let code = match promotable(chosen) {
        Promotable::Code(slug) => slug,
        Promotable::NoCode => return Err(PromotionError::NoCode(source.name.clone())),
        Promotable::NotPassed => {
            return Err(PromotionError::NotPassed { app: source.name.clone(), version: chosen.version });
        }
        Promotable::Expired => {
            return Err(PromotionError::Expired { app: source.name.clone(), version: chosen.version });
        }
    };
    let may_leave = crate::verification::may_leave(control, source.id, chosen.id).await?;
    may_leave.map_err(|why| PromotionError::Held { app: source.name.clone(), why })?;
    let now = control.now();
    let commit = store::slug::by_id(control.store.db(), code).await?.and_then(|slug| slug.commit);
    Ok(Promotion {
        id: control.world.new_id(),
        pipeline: pipeline.id,
        pipeline_name: pipeline.name.to_string(),
        by: who.id,
        by_email: who.email.clone(),
        source: source.id,
        source_name: source.name.to_string(),
        release: chosen.id,
        version: chosen.version,
        slug: code,
        commit,
        gates: Vec::new(),
        secret: control.world.secret::<32>(),
        completed: false,
        created_at: now,
        updated_at: now,
    })
}

fn good_reason(reason: &str) -> Result<&str, PromotionError> {
    model::audit::reason(reason).ok_or(PromotionError::Override)
}

/// Notes it, and begins with every target.
async fn start(
    control: &Control,
    mut promotion: Promotion,
    targets: Vec<PromotionTarget>,
    release: &Release,
    held: &[Held],
) -> Result<PromotionDetail, PromotionError> {
    promotion.completed = targets.iter().all(|target| target.state.is_settled());
    insert(control, &promotion, &targets, release, held).await?;
    tracing::info!(promotion.id = %promotion.id, targets = targets.len(), "Promotion of {} v{} began",
        promotion.source_name, promotion.version);
    let open = targets.iter().filter(|target| !target.state.is_settled());
    let begun = open.map(|target| promotion_target::carry_out(control, target.id)).collect();
    promotion_target::begun(begun).await;
    let now = by_id(control, promotion.id).await?;
    Ok(now.unwrap_or(PromotionDetail { promotion, targets }))
}

async fn insert(
    control: &Control,
    promotion: &Promotion,
    targets: &[PromotionTarget],
    release: &Release,
    held: &[Held],
) -> Result<(), PromotionError> {
    let mut tx = control.store.begin().await?;
    for target in targets {
        if let Some(open) = store::promotion::open_to(tx.db(), target.app).await? {
            return Err(PromotionError::Busy { app: open.app_name, promotion: open.promotion });
        }
    }
    store::promotion::insert(&mut tx, promotion, targets).await?;
    for target in targets {
        promotion_target::tell_asked(control, &mut tx, promotion, target).await?;
    }
    for one in held {
        gate_alarm::raise(control, &mut tx, one, release).await?;
    }
    Ok(tx.commit().await?)
}

/// The release that was asked for, else the one that runs (PIPE-32).
async fn chosen(control: &Control, source: &Authorized<App>, which: Option<&str>) -> Result<Release, PromotionError> {
    if let Some(which) = which {
        return Ok(release::find(control, source, which).await?.release);
    }
    let current = store::release::current(control.store.db(), source.id).await?;
    current.ok_or_else(|| PromotionError::NoCode(source.name.clone()))
}

/// One promotion, for whoever asked for it, sees its pipeline or one of its apps, or runs the server.
///
/// # Errors
/// [`PromotionError::NoSuchPromotion`].
pub async fn find(control: &Control, who: &Account, which: &str) -> Result<PromotionDetail, PromotionError> {
    let id: PromotionId = which.parse().map_err(|_| PromotionError::NoSuchPromotion)?;
    let detail = by_id(control, id).await?.ok_or(PromotionError::NoSuchPromotion)?;
    let promotion = &detail.promotion;
    let mut seen = who.operator || promotion.by == who.id;
    seen = seen || control.pipeline(who, &promotion.pipeline.to_string(), Right::View).await.is_ok();
    for app in [promotion.source].into_iter().chain(detail.targets.iter().map(|target| target.app)) {
        seen = seen || control.app(who, &app.to_string(), Right::View).await.is_ok();
    }
    if seen { Ok(detail) } else { Err(PromotionError::NoSuchPromotion) }
}

/// The names of a promotion's apps, as far as this account may know them (PERM-21).
///
/// # Errors
/// When the database fails.
pub async fn named(control: &Control, who: &Account, detail: &PromotionDetail) -> Result<Vec<AppId>, PromotionError> {
    let promotion = &detail.promotion;
    let all = who.operator || promotion.by == who.id;
    let mut named = Vec::new();
    for app in [promotion.source].into_iter().chain(detail.targets.iter().map(|target| target.app)) {
        if all || control.app(who, &app.to_string(), Right::View).await.is_ok() {
            named.push(app);
        }
    }
    Ok(named)
}

/// The newest promotions of a pipeline, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, pipeline: &Authorized<Pipeline>) -> Result<Vec<Promotion>, PromotionError> {
    Ok(store::promotion::of_pipeline(control.store.db(), pipeline.id, LISTED).await?)
}

pub(crate) async fn by_id(control: &Control, id: PromotionId) -> Result<Option<PromotionDetail>, StoreError> {
    let Some(promotion) = store::promotion::by_id(control.store.db(), id).await? else { return Ok(None) };
    let targets = store::promotion::targets(control.store.db(), id).await?;
    Ok(Some(PromotionDetail { promotion, targets }))
}
