//! `pipelines:metrics`: how fast changes come to live, and how often they have to be mended.

use crate::args::{OnApp, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What `pipelines:metrics` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Metrics {
    /// The pipeline, whose apps in production count; without it an app counts (-a)
    pipeline: Option<String>,
    /// From this day or time on, such as 2026-01-02; else the last 30 days
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Up to this day or time; else now
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Figures of every day or week, too
    #[arg(long, value_name = "day|week")]
    every: Option<String>,
    /// A deployment that says it is a hotfix counts against the one before it within this time [default: a day]
    #[arg(long, value_name = "SECONDS")]
    hotfix_within: Option<u64>,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    on: OnApp,
}

#[derive(Deserialize)]
struct Report {
    #[serde(flatten)]
    whole: Figures,
    parts: Vec<Figures>,
}

#[derive(Deserialize)]
struct Figures {
    from: String,
    to: String,
    deployments: u64,
    deployments_per_day: f64,
    lead_time: Option<Percentiles>,
    steps: Vec<Step>,
    failures: u64,
    failures_by_reason: BTreeMap<String, u64>,
    change_failure_rate: Option<f64>,
    time_to_restore: Option<Percentiles>,
    unrestored: u64,
}

#[derive(Deserialize)]
struct Percentiles {
    p50_ms: u64,
    p90_ms: u64,
}

#[derive(Deserialize)]
struct Step {
    step: String,
    wait: Percentiles,
    work: Percentiles,
}

impl Metrics {
    pub(crate) fn print(&self) -> Print {
        self.on.print
    }

    fn path(&self, session: &Session<'_>) -> Result<(String, String), CliError> {
        let mut query: Vec<String> = Vec::new();
        let after = self.hotfix_within.map(|seconds| seconds.to_string());
        let named = [("from", &self.from), ("to", &self.to), ("every", &self.every), ("hotfix_within_s", &after)];
        for (name, value) in named {
            query.extend(value.as_ref().map(|value| format!("{name}={}", segment(value))));
        }
        query.extend(self.csv.then(|| "format=csv".to_owned()));
        let rest = format!("/deployments/metrics?{}", query.join("&"));
        match &self.pipeline {
            Some(pipeline) => Ok((format!("/pipelines/{}{rest}", segment(pipeline)), pipeline.clone())),
            None => session.app(&self.on).map(|app| (app.path(&rest), session.console.app(&app.name))),
        }
    }
}

/// Prints the figures.
pub(crate) async fn metrics(session: &mut Session<'_>, args: &Metrics) -> Result<(), CliError> {
    let (path, name) = args.path(session)?;
    if args.csv {
        let text = session.client.text(&path).await?;
        return session.console.line(text.trim_end());
    }
    let answer = session.client.get(&path).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let report: Report = session.client.read(&answer)?;
    session.console.head(&format!("{name} {} to {}", report.whole.from, report.whole.to))?;
    let whole = &report.whole;
    session.console.fields(&[
        ("Deployments", format!("{} ({:.2} a day)", whole.deployments, whole.deployments_per_day)),
        ("Lead time", both(whole.lead_time.as_ref())),
        ("Change failure rate", rate(whole)),
        ("Time to restore", restore(whole)),
    ])?;
    if !whole.steps.is_empty() {
        session.console.line("")?;
        let head = ["Step", "Wait (half of them)", "Work (half of them)"];
        let mut rows = vec![head.map(|text| Cell(text.to_owned(), Some(Paint::Head))).into()];
        rows.extend(whole.steps.iter().map(|step| {
            [step.step.clone(), span(step.wait.p50_ms), span(step.work.p50_ms)].map(|text| Cell(text, None)).into()
        }));
        session.console.table(&rows)?;
    }
    parts(session, &report.parts)
}

fn parts(session: &mut Session<'_>, parts: &[Figures]) -> Result<(), CliError> {
    if parts.is_empty() {
        return Ok(());
    }
    session.console.line("")?;
    let head = ["From", "Deployments", "Lead time", "Failed", "Restored within"];
    let mut rows: Vec<Vec<Cell>> = vec![head.map(|text| Cell(text.to_owned(), Some(Paint::Head))).into()];
    rows.extend(parts.iter().map(|part| {
        let of = |of: &Option<Percentiles>| of.as_ref().map(|of| span(of.p50_ms)).unwrap_or_default();
        let (lead, restore) = (of(&part.lead_time), of(&part.time_to_restore));
        let cells = [part.from.clone(), part.deployments.to_string(), lead, part.failures.to_string(), restore];
        cells.map(|text| Cell(text, None)).into()
    }));
    session.console.table(&rows)
}

fn both(of: Option<&Percentiles>) -> String {
    of.map_or_else(
        || "not known".to_owned(),
        |of| format!("{} for half of them, {} for nine of ten", span(of.p50_ms), span(of.p90_ms)),
    )
}

fn rate(of: &Figures) -> String {
    let Some(rate) = of.change_failure_rate else { return "no deployments".to_owned() };
    let reasons = of.failures_by_reason.iter().filter(|(_, count)| **count > 0);
    let reasons: Vec<String> = reasons.map(|(reason, count)| format!("{count} {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    format!("{:.0} % ({} of {}{reasons})", rate * 100.0, of.failures, of.deployments)
}

fn restore(of: &Figures) -> String {
    let open = if of.unrestored == 0 { String::new() } else { format!(", {} not yet", of.unrestored) };
    match &of.time_to_restore {
        Some(times) => format!("{}{open}", both(Some(times))),
        None if of.failures == 0 => "nothing failed".to_owned(),
        None => format!("not restored{open}"),
    }
}

/// `1.2 s`, `5 min`, `3.4 h`, `2.1 d`.
fn span(ms: u64) -> String {
    // Milliseconds of any real time fit.
    let seconds = f64::from(u32::try_from(ms / 100).unwrap_or(u32::MAX)) / 10.0;
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.1} s"),
        seconds if seconds < 7200.0 => format!("{:.1} min", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.1} h", seconds / 3600.0),
        seconds => format!("{:.1} d", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let all = [0, 1234, 119_900, 300_000, 7_200_000, 200_000_000].map(span);
        assert_eq!(all, ["0.0 s", "1.2 s", "119.9 s", "5.0 min", "2.0 h", "2.3 d"]);
    }
}
