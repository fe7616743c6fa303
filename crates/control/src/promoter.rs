//! Continuous deployment: what is on a stage goes on to the next one as soon as every gate is open, where that stage says `promote: auto`.
//!
//! It takes no hint of what changed: woken by whatever may open a gate, and by the clock, it looks at what is where. A release goes on by
//! itself once: where it was before, be it that it failed there or was rolled back, it is left to people.

use crate::gate_alarm::{self, Held};
use crate::promotion::{self, PromotionError};
use crate::stage_board::{self, CandidateGates};
use crate::stage_gate;
use crate::{Control, journal};
use model::app::App;
use model::pipeline::{Pipeline, Stage};
use model::stage_gate::Finding;
use model::time::Timestamp;
use std::time::Duration;
use store::StoreError;
use tokio::sync::Notify;

/// Without any signal it is looked this often: a freeze window's end is met within this time.
const PERIOD: Duration = Duration::from_secs(30);

/// Pipelines that are looked at in one go.
const PAGE: u32 = 100;

/// The stages that are promoted to.
const TARGETS: [Stage; 2] = [Stage::Staging, Stage::Production];

/// How the loop is woken.
#[derive(Default)]
pub(crate) struct Promoter {
    signal: Notify,
}

impl Promoter {
    /// Something may have opened a gate.
    pub(crate) fn wake(&self) {
        self.signal.notify_one();
    }
}

/// Looks for what may go on, for as long as the server lives.
pub(crate) fn begin(control: &Control) {
    let control = control.clone();
    tokio::spawn(async move {
        loop {
            let pause = match look(&control).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "What may be promoted could not be looked for");
                    PERIOD
                }
            };
            tokio::select! {
                () = control.promoter.signal.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

/// One look at every pipeline that promotes by itself; how long until the next.
async fn look(control: &Control) -> Result<Duration, StoreError> {
    let mut pause = PERIOD;
    let mut after = None;
    loop {
        let page = store::stage_policy::automatic_after(control.store.db(), after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(pause) };
        after = Some(*last);
        for id in page {
            let Some(pipeline) = store::pipeline::by_id(control.store.db(), id).await? else { continue };
            for stage in TARGETS {
                pause = pause.min(look_at(control, &pipeline, stage).await?);
            }
        }
    }
}

/// Promotes what may go to this stage now; how long until a gate opens by itself.
async fn look_at(control: &Control, pipeline: &Pipeline, stage: Stage) -> Result<Duration, StoreError> {
    let Some(candidate) = newest(control, pipeline, stage).await? else { return Ok(PERIOD) };
    let file = stage_gate::file(control, candidate.release.slug).await?;
    if !stage_gate::policy(control, pipeline.id, stage, &file).await?.is_auto() {
        return Ok(PERIOD);
    }
    // What does not serve where it is has proven nothing; it wakes this when it does.
    if store::release_step::live_at(control.store.db(), candidate.release.id).await?.is_none() {
        return Ok(PERIOD);
    }
    let targets = untried(control, pipeline, stage, &candidate).await?;
    if targets.is_empty() {
        return Ok(PERIOD);
    }
    if !candidate.findings.iter().all(Finding::is_open) {
        if candidate.findings.iter().any(Finding::waits_for_people) {
            let CandidateGates { app, release, findings, .. } = &candidate;
            let held = |target: &App| Held::new(target.id, app, release, stage, findings);
            gate_alarm::raise_all(control, &targets.iter().map(held).collect::<Vec<_>>(), release).await?;
        }
        return Ok(opens_in(&candidate.findings, control.now()));
    }
    let Some(by) = store::account::by_id(control.store.db(), candidate.release.by).await? else { return Ok(PERIOD) };
    let what = format!("{} v{}", candidate.app.name, candidate.release.version);
    match promotion::create_automatic(control, &by, pipeline, &candidate, targets).await {
        Ok(_) => {
            let text = format!("{what} goes on to {} by itself: every gate is open", stage.word());
            journal::api(control, candidate.app.id, control.now(), text).await;
        }
        // It waits for somebody, or for the promotion before it; nobody has to look into that at night.
        Err(error @ (PromotionError::Held { .. } | PromotionError::Busy { .. })) => {
            tracing::debug!(pipeline = %pipeline.name, %error, "{what} does not go on by itself yet");
        }
        Err(error) => tracing::error!(pipeline = %pipeline.name, %error, "{what} could not go on by itself"),
    }
    Ok(PERIOD)
}

/// What was released last on the stage before.
async fn newest(control: &Control, pipeline: &Pipeline, stage: Stage) -> Result<Option<CandidateGates>, StoreError> {
    let mut newest: Option<CandidateGates> = None;
    for coupling in store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await? {
        if Some(coupling.stage) != stage.before() {
            continue;
        }
        let Some(app) = crate::app::by_id(control, coupling.app).await? else { continue };
        let Some(candidate) = stage_board::candidate(control, pipeline, stage, &app).await? else { continue };
        if newest.as_ref().is_none_or(|newest| newest.release.created_at < candidate.release.created_at) {
            newest = Some(candidate);
        }
    }
    Ok(newest)
}

/// The apps of the stage that never had this code.
async fn untried(
    control: &Control,
    pipeline: &Pipeline,
    stage: Stage,
    candidate: &CandidateGates,
) -> Result<Vec<App>, StoreError> {
    let Some(slug) = candidate.release.slug else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for coupling in store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await? {
        if coupling.stage != stage || store::promotion::was_tried(control.store.db(), coupling.app, slug).await? {
            continue;
        }
        all.extend(crate::app::by_id(control, coupling.app).await?);
    }
    Ok(all)
}

/// When the last gate opens, where all that are shut open by themselves.
fn opens_in(findings: &[Finding], now: Timestamp) -> Duration {
    let shut = || findings.iter().filter(|finding| !finding.is_open());
    if shut().any(|finding| finding.opens_at.is_none()) {
        return PERIOD;
    }
    shut().filter_map(|finding| finding.opens_at).max().map_or(PERIOD, |at| at.since(now)).min(PERIOD)
}
