//! `apps:metrics`: an app's requests by hour, how long they took, and how many failed.

use crate::args::OnApp;
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::error_count::{HOURS_LIMIT, last_hours};
use crate::session::Session;
use model::error_count::{HOUR, hour, hours};
use model::time::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// What to show.
#[derive(Debug, Clone, clap::Args)]
pub struct Metrics {
    #[command(flatten)]
    pub(crate) on: OnApp,
    /// How many hours to look back
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=HOURS_LIMIT))]
    hours: u64,
}

#[derive(Deserialize)]
struct Statuses {
    start_time: String,
    end_time: String,
    data: BTreeMap<String, Vec<u64>>,
}

#[derive(Deserialize)]
struct Latency {
    hours: Vec<String>,
    data: BTreeMap<String, Vec<u64>>,
    total: BTreeMap<String, u64>,
}

/// One line of the table.
#[derive(Debug, Default, PartialEq)]
struct Row {
    requests: u64,
    failed: u64,
    /// In the order of [`FIGURES`]; none where no dyno was asked.
    took_ms: [Option<u64>; FIGURES.len()],
}

const FIGURES: [&str; 4] = ["latency.ms.p50", "latency.ms.p95", "latency.ms.p99", "latency.ms.max"];

pub(crate) async fn show(session: &mut Session<'_>, args: &Metrics) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let path = format!("/apps/{}/router-metrics", segment(&app.name));
    let now = (session.env.now)();
    let period = last_hours(now, args.hours);
    let statuses = session.client.get(&format!("{path}/status?{period}")).await?;
    let latency = session.client.get(&format!("{path}/latency?{period}")).await?;
    if session.console.is_json() {
        return session.console.json(&json!({ "status": statuses, "latency": latency }));
    }
    let (statuses, latency): (Statuses, Latency) = (session.client.read(&statuses)?, session.client.read(&latency)?);
    let moment = |text: &str| Timestamp::parse(text).unwrap_or(now);
    let (from, to) = (moment(&statuses.start_time), moment(&statuses.end_time));
    let rows = rows(&statuses, &latency, (from, to));
    if rows.values().all(|row| row.requests == 0) {
        return session.console.line(&format!("No requests to {} in the last {} hours", app.name, args.hours));
    }
    let titles = ["Hour", "Requests", "rpm", "p50", "p95", "p99", "max", "5xx"];
    let mut table = vec![titles.map(|title| Cell(title.to_owned(), Some(Paint::Head))).into()];
    let asked = rows.iter().filter(|(_, row)| row.requests > 0);
    table.extend(asked.map(|(at, row)| cells(&hour_text(*at), row, minutes(*at, to.min(at.plus(HOUR))))));
    table.push(cells("all", &all(&rows, &latency), minutes(from, to)));
    session.console.table(&table)?;
    let requests: Vec<u64> = rows.values().map(|row| row.requests).collect();
    session.console.line(&format!("\n{}  requests of each hour", sparkline(&requests)))
}

/// Every hour of the period, also those without requests.
fn rows(statuses: &Statuses, latency: &Latency, (from, to): (Timestamp, Timestamp)) -> BTreeMap<Timestamp, Row> {
    let mut rows: BTreeMap<Timestamp, Row> = hours(from, to).map(|hour| (hour, Row::default())).collect();
    for (status, counts) in &statuses.data {
        for (row, count) in rows.values_mut().zip(counts) {
            row.requests += count;
            row.failed += if status.starts_with('5') { *count } else { 0 };
        }
    }
    for (nth, text) in latency.hours.iter().enumerate() {
        if let Some(row) = Timestamp::parse(text).and_then(|at| rows.get_mut(&hour(at))) {
            row.took_ms = FIGURES.map(|name| latency.data.get(name)?.get(nth).copied());
        }
    }
    rows
}

fn all(rows: &BTreeMap<Timestamp, Row>, latency: &Latency) -> Row {
    Row {
        requests: rows.values().map(|row| row.requests).sum(),
        failed: rows.values().map(|row| row.failed).sum(),
        took_ms: FIGURES.map(|name| latency.total.get(name).copied()),
    }
}

/// At least one, so that an hour that only just begins has a rate.
fn minutes(at: Timestamp, to: Timestamp) -> u64 {
    (to.since(at).as_secs() / 60).max(1)
}

fn cells(name: &str, row: &Row, minutes: u64) -> Vec<Cell> {
    let plain = |text: String| Cell(text, None);
    let took = |took_ms: Option<u64>| plain(took_ms.map_or_else(|| "-".to_owned(), |took_ms| format!("{took_ms} ms")));
    let failed = Cell(row.failed.to_string(), (row.failed > 0).then_some(Paint::Bad));
    let mut cells = vec![plain(name.to_owned()), plain(row.requests.to_string()), plain(rate(row.requests, minutes))];
    cells.extend(row.took_ms.map(took));
    cells.push(failed);
    cells
}

/// Requests per minute; below ten with a tenth.
fn rate(requests: u64, minutes: u64) -> String {
    let tenths = (requests * 10 + minutes / 2) / minutes;
    if tenths < 100 { format!("{}.{}", tenths / 10, tenths % 10) } else { ((tenths + 5) / 10).to_string() }
}

/// `2026-01-02 03:00 UTC`.
fn hour_text(at: Timestamp) -> String {
    let text = at.rfc3339().replace('T', " ");
    format!("{} UTC", text.get(..16).unwrap_or(&text))
}

/// A column for each number, in eighths of the largest; nothing at all is a space.
fn sparkline(numbers: &[u64]) -> String {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let largest = numbers.iter().copied().max().unwrap_or(0).max(1);
    let eighths = |number: &u64| usize::try_from((number * 8).div_ceil(largest)).unwrap_or(8);
    numbers.iter().map(|number| EIGHTHS[eighths(number).min(8)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn hours_and_their_figures_come_together() {
        let statuses = Statuses {
            start_time: String::new(),
            end_time: String::new(),
            data: [("200", vec![3, 0, 1]), ("503", vec![0, 0, 2])]
                .map(|(status, counts)| (status.into(), counts))
                .into(),
        };
        let latency = Latency {
            hours: vec!["2026-01-02T05:00:00Z".into()],
            data: [("latency.ms.p50".to_owned(), vec![12])].into(),
            total: [("latency.ms.p50".to_owned(), 12)].into(),
        };
        let rows = rows(&statuses, &latency, (at("2026-01-02T03:00:00Z"), at("2026-01-02T05:30:00Z")));
        let asked: Vec<_> = rows.values().map(|row| (row.requests, row.failed, row.took_ms[0])).collect();
        assert_eq!(asked, [(3, 0, None), (0, 0, None), (3, 2, Some(12))]);
        let all = all(&rows, &latency);
        assert_eq!((all.requests, all.failed, all.took_ms), (6, 2, [Some(12), None, None, None]));
    }

    #[test]
    fn rates_and_columns() {
        assert_eq!(
            [(0, 60), (3, 60), (90, 60), (600, 60), (700, 1)].map(|(n, m)| rate(n, m)),
            ["0.0", "0.1", "1.5", "10", "700"]
        );
        assert_eq!(minutes(at("2026-01-02T05:00:00Z"), at("2026-01-02T05:00:20Z")), 1);
        assert_eq!(hour_text(at("2026-01-02T05:00:00Z")), "2026-01-02 05:00 UTC");
        assert_eq!(sparkline(&[0, 1, 8, 16]), " ▁▄█");
        assert_eq!(sparkline(&[0, 0]), "  ");
    }
}
