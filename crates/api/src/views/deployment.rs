//! Deployments and their figures as clients see them. Durations are whole milliseconds.

use control::deployment::Report;
use model::deployment::{Deployment, Failure, Step, Took};
use model::dora::{Figures, Percentiles, REASONS, StepFigures};
use model::id::{AppId, ReleaseId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// New code that went live.
#[derive(Debug, Clone, Serialize)]
pub struct DeploymentView {
    app: Id<AppId>,
    release: ReleaseOfDeployment,
    cause: String,
    committed_at: Option<String>,
    live_at: String,
    lead_ms: Option<u64>,
    steps: Vec<TookView>,
    failure: Option<&'static str>,
    restored_ms: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
struct Id<T> {
    id: T,
}

#[derive(Debug, Clone, Serialize)]
struct ReleaseOfDeployment {
    id: ReleaseId,
    version: i64,
}

#[derive(Debug, Clone, Serialize)]
struct TookView {
    step: &'static str,
    wait_ms: u64,
    work_ms: u64,
}

impl From<&Took> for TookView {
    fn from(took: &Took) -> Self {
        Self { step: took.step.word(), wait_ms: ms(took.wait), work_ms: ms(took.work) }
    }
}

impl From<&Deployment> for DeploymentView {
    fn from(one: &Deployment) -> Self {
        let release = &one.release;
        let committed_at = release.made.as_ref().and_then(|made| made.committed_at);
        Self {
            app: Id { id: release.app },
            release: ReleaseOfDeployment { id: release.id, version: release.version },
            cause: release.cause.clone(),
            committed_at: committed_at.map(|at| at.rfc3339()),
            live_at: release.live_at.rfc3339_us(),
            lead_ms: one.lead.map(ms),
            steps: one.steps.iter().map(TookView::from).collect(),
            failure: one.failure.map(Failure::word),
            restored_ms: one.restored.map(ms),
        }
    }
}

/// Figures of a period and of its parts.
#[derive(Debug, Clone, Serialize)]
pub struct ReportView {
    #[serde(flatten)]
    whole: FiguresView,
    hotfix_within_s: u64,
    parts: Vec<FiguresView>,
}

impl From<&Report> for ReportView {
    fn from(report: &Report) -> Self {
        Self {
            whole: (&report.whole).into(),
            hotfix_within_s: report.hotfix_within.as_secs(),
            parts: report.parts.iter().map(FiguresView::from).collect(),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
struct FiguresView {
    from: String,
    to: String,
    deployments: usize,
    deployments_per_day: f64,
    lead_time: Option<PercentilesView>,
    steps: Vec<StepView>,
    failures: usize,
    failures_by_reason: BTreeMap<&'static str, usize>,
    change_failure_rate: Option<f64>,
    time_to_restore: Option<PercentilesView>,
    unrestored: usize,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct PercentilesView {
    p50_ms: u64,
    p75_ms: u64,
    p90_ms: u64,
    p95_ms: u64,
    max_ms: u64,
    count: usize,
}

#[derive(Debug, Clone, Serialize)]
struct StepView {
    step: &'static str,
    wait: PercentilesView,
    work: PercentilesView,
}

impl From<Percentiles> for PercentilesView {
    fn from(of: Percentiles) -> Self {
        let Percentiles { p50, p75, p90, p95, max, count } = of;
        Self { p50_ms: ms(p50), p75_ms: ms(p75), p90_ms: ms(p90), p95_ms: ms(p95), max_ms: ms(max), count }
    }
}

impl From<&StepFigures> for StepView {
    fn from(of: &StepFigures) -> Self {
        Self { step: of.step.word(), wait: of.wait.into(), work: of.work.into() }
    }
}

impl From<&Figures> for FiguresView {
    fn from(figures: &Figures) -> Self {
        let reasons = REASONS.iter().zip(figures.reasons).map(|(reason, count)| (reason.word(), count));
        Self {
            from: figures.from.rfc3339(),
            to: figures.to.rfc3339(),
            deployments: figures.deployments,
            deployments_per_day: figures.per_day,
            lead_time: figures.lead.map(Into::into),
            steps: figures.steps.iter().map(StepView::from).collect(),
            failures: figures.failures,
            failures_by_reason: reasons.collect(),
            change_failure_rate: figures.failure_rate,
            time_to_restore: figures.restore.map(Into::into),
            unrestored: figures.unrestored,
        }
    }
}

/// One line for each part, or for the whole where no parts were asked for; a cell is empty where there is no figure.
pub(crate) fn csv(report: &Report) -> String {
    let mut text = "from,to,deployments,deployments_per_day,lead_p50_ms,lead_p75_ms,lead_p90_ms,lead_p95_ms,failures,\
         failed_verify,failed_rollback,failed_hotfix,change_failure_rate,restore_p50_ms,restore_p90_ms,unrestored"
        .to_owned();
    for step in Step::ALL {
        let _ok = write!(text, ",{0}_wait_p50_ms,{0}_work_p50_ms", step.word()).is_ok();
    }
    text.push('\n');
    let whole = std::slice::from_ref(&report.whole);
    for figures in if report.parts.is_empty() { whole } else { &report.parts } {
        text.push_str(&row(figures));
        text.push('\n');
    }
    text
}

fn row(figures: &Figures) -> String {
    let number = |took: Option<Duration>| took.map(|took| ms(took).to_string()).unwrap_or_default();
    let lead = |of: fn(Percentiles) -> Duration| number(figures.lead.map(of));
    let [rejected, rolled_back, hotfixed] = figures.reasons.map(|count| count.to_string());
    let mut cells = vec![
        figures.from.rfc3339(),
        figures.to.rfc3339(),
        figures.deployments.to_string(),
        format!("{:.4}", figures.per_day),
        lead(|of| of.p50),
        lead(|of| of.p75),
        lead(|of| of.p90),
        lead(|of| of.p95),
        figures.failures.to_string(),
        rejected,
        rolled_back,
        hotfixed,
        figures.failure_rate.map(|rate| format!("{rate:.4}")).unwrap_or_default(),
        number(figures.restore.map(|of| of.p50)),
        number(figures.restore.map(|of| of.p90)),
        figures.unrestored.to_string(),
    ];
    for step in Step::ALL {
        let of = figures.steps.iter().find(|of| of.step == step);
        cells.push(number(of.map(|of| of.wait.p50)));
        cells.push(number(of.map(|of| of.work.p50)));
    }
    cells.join(",")
}
