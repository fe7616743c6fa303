//! Deployments and their figures: lead time, frequency, failures, time to restore; of an app, or of a pipeline's production.

use crate::Control;
use crate::gate::Authorized;
use model::app::App;
use model::deployment::{Deployment, HOTFIX_WITHIN, LOOK_AHEAD, deployments};
use model::dora::{BadPeriod, DEPLOYMENTS_LIMIT, Figures, figures, parts};
use model::id::AppId;
use model::permission::Right;
use model::pipeline::{Pipeline, Stage};
use model::time::Timestamp;
use std::time::Duration;
use store::StoreError;

/// The period when nobody says one.
const USUAL_PERIOD: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a client asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// From when; 30 days before the end when missing.
    pub from: Option<Timestamp>,
    /// Until when; now when missing.
    pub to: Option<Timestamp>,
    /// Figures of parts as long as this, too.
    pub every: Option<Duration>,
    /// A hotfix counts within this time.
    pub hotfix_within: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The figures of the whole period.
    pub whole: Figures,
    /// Those of its parts, where they were asked for.
    pub parts: Vec<Figures>,
    /// A hotfix counted within this time.
    pub hotfix_within: Duration,
    /// The deployments themselves, by when they went live.
    pub deployments: Vec<Deployment>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// A period that cannot be.
    #[error(transparent)]
    Period(#[from] BadPeriod),
    /// More than anybody reads.
    #[error("There are more than {DEPLOYMENTS_LIMIT} deployments in that period; ask for a shorter one")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The deployments of an app.
///
/// # Errors
/// A period that cannot be, too many deployments.
pub async fn of_app(control: &Control, app: &Authorized<App>, asked: Asked) -> Result<Report, DeploymentError> {
    report(control, &[app.id], asked).await
}

/// The deployments of a pipeline: those of its apps in production, together.
///
/// # Errors
/// As [`of_app`].
pub async fn of_pipeline(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    asked: Asked,
) -> Result<Report, DeploymentError> {
    let couplings = store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await?;
    let live = couplings.iter().filter(|coupling| coupling.stage == Stage::Production);
    report(control, &live.map(|coupling| coupling.app).collect::<Vec<_>>(), asked).await
}

/// The same without the apps that the caller does not see: figures are everybody's, single releases are not.
///
/// # Errors
/// As [`of_app`].
pub async fn seen_of_pipeline(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    asked: Asked,
) -> Result<Report, DeploymentError> {
    let mut seen = Vec::new();
    for coupling in store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await? {
        if coupling.stage == Stage::Production
            && let Some(app) = store::app::by_id(control.store.db(), coupling.app).await?
            && control.permissions(pipeline.by(), &app).await?.grant(Right::View)
        {
            seen.push(app.id);
        }
    }
    report(control, &seen, asked).await
}

/// The deployments of all these apps together.
async fn report(control: &Control, apps: &[AppId], asked: Asked) -> Result<Report, DeploymentError> {
    let to = asked.to.unwrap_or_else(|| control.now());
    let usual_us = i64::try_from(USUAL_PERIOD.as_micros()).unwrap_or(i64::MAX);
    let from = asked.from.unwrap_or(Timestamp(to.0.saturating_sub(usual_us)));
    let periods = parts(from, to, asked.every)?;
    let hotfix_within = asked.hotfix_within.unwrap_or(HOTFIX_WITHIN);
    let mut all: Vec<Deployment> = Vec::new();
    for app in apps {
        // What follows the period may still speak against what is in it.
        let until = to.plus(LOOK_AHEAD);
        let live = store::deployment::live(control.store.db(), *app, from, until, DEPLOYMENTS_LIMIT).await?;
        if live.len() + all.len() >= DEPLOYMENTS_LIMIT {
            return Err(DeploymentError::TooMany);
        }
        all.extend(deployments(&live, hotfix_within).into_iter().filter(|one| one.release.live_at < to));
    }
    all.sort_by_key(|one| one.release.live_at);
    let parts = asked.every.map(|_| periods.iter().map(|(from, to)| figures(&all, *from, *to)).collect());
    Ok(Report { whole: figures(&all, from, to), parts: parts.unwrap_or_default(), hotfix_within, deployments: all })
}
