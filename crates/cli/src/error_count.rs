//! `apps:errors`: what requests and dynos of an app met, by code.

use crate::args::OnApp;
use crate::client::segment;
use crate::console::Cell;
use crate::error::CliError;
use crate::session::Session;
use model::error_count::{HOUR, KEPT};
use model::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Errors are counted for a week.
pub(crate) const HOURS_LIMIT: u64 = KEPT.as_secs() / HOUR.as_secs();

/// What to show.
#[derive(Debug, Clone, clap::Args)]
pub struct Errors {
    #[command(flatten)]
    pub(crate) on: OnApp,
    /// How many hours to look back
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=HOURS_LIMIT))]
    hours: u64,
    /// Only what requests met
    #[arg(long, conflicts_with = "dyno")]
    router: bool,
    /// Only what dynos met
    #[arg(long)]
    dyno: bool,
}

#[derive(Deserialize)]
struct Counts {
    data: BTreeMap<String, Vec<u64>>,
}

#[derive(Deserialize)]
struct Formation {
    r#type: String,
}

/// The query for the last hours.
pub(crate) fn last_hours(now: Timestamp, hours: u64) -> String {
    let from = now.minus(HOUR * u32::try_from(hours).unwrap_or(u32::MAX));
    // An hour ahead: this machine's clock may be behind the server's, which counts nothing beyond its own.
    format!("start_time={}&end_time={}&step=1h", from.rfc3339(), now.plus(HOUR).rfc3339())
}

pub(crate) async fn show(session: &mut Session<'_>, args: &Errors) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let path = format!("/apps/{}", segment(&app.name));
    let period = last_hours((session.env.now)(), args.hours);
    let mut all: Vec<(String, BTreeMap<String, u64>)> = Vec::new();
    if !args.dyno {
        all.push(("router".to_owned(), counts(session, &format!("{path}/router-metrics/errors?{period}")).await?));
    }
    if !args.router {
        let formation = Value::Array(session.client.all(&format!("{path}/formation")).await?);
        for Formation { r#type } in session.client.read::<Vec<Formation>>(&formation)? {
            let of = format!("{path}/formation/{}/metrics/errors?{period}", segment(&r#type));
            all.push((r#type, counts(session, &of).await?));
        }
    }
    if session.console.is_json() {
        let codes =
            |codes: BTreeMap<String, u64>| codes.into_iter().map(|(code, count)| (code, count.into())).collect();
        let view: Map<_, _> = all.into_iter().map(|(place, counts)| (place, Value::Object(codes(counts)))).collect();
        return session.console.json(&Value::Object(view));
    }
    let row = |place: &str, code: &str, count: u64| vec![cell(place), cell(code), cell(&count.to_string())];
    let rows = all.iter().flat_map(|(place, codes)| codes.iter().map(move |(code, count)| row(place, code, *count)));
    let title = vec![cell("Where"), cell("Code"), cell("Count")];
    let rows: Vec<Vec<Cell>> = std::iter::once(title).chain(rows).collect();
    if rows.len() == 1 {
        return session.console.line(&format!("No errors on {} in the last {} hours", app.name, args.hours));
    }
    session.console.table(&rows)?;
    session
        .console
        .note(&format!("`flowline logs -a {} -n 1500` shows the latest of them with their requests.", app.name))
}

fn cell(text: &str) -> Cell {
    Cell(text.to_owned(), None)
}

/// The sums of all hours, by code.
async fn counts(session: &Session<'_>, path: &str) -> Result<BTreeMap<String, u64>, CliError> {
    let counts: Counts = session.client.read(&session.client.get(path).await?)?;
    Ok(counts.data.into_iter().map(|(code, hours)| (code, hours.iter().sum())).collect())
}
