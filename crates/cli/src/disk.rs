//! `disk`: what uses how much of the server's disk.

use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::session::Session;
use model::disk::amount;
use serde::Deserialize;

/// So many apps are listed; `--json` has all.
const APPS_SHOWN: usize = 10;

#[derive(Deserialize)]
struct Disk {
    total_bytes: u64,
    free_bytes: u64,
    floor_bytes: u64,
    short: bool,
    kinds: Vec<Kind>,
    apps: Vec<App>,
}

#[derive(Deserialize)]
struct Kind {
    name: String,
    bytes: u64,
    limit_bytes: Option<u64>,
    limit_per_app_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct App {
    name: String,
    bytes: u64,
    kinds: std::collections::BTreeMap<String, u64>,
}

/// Prints all of it.
pub(crate) async fn show(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = session.client.get("/disk").await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let disk: Disk = session.client.read(&answer)?;
    session.console.head("Disk")?;
    let free = format!("{} of {}", amount(disk.free_bytes), amount(disk.total_bytes));
    let floor = format!("{} (with less, pushes, builds and uploads are refused)", amount(disk.floor_bytes));
    let paint = if disk.short { Paint::Bad } else { Paint::Good };
    session.console.table(&[
        vec![Cell("free".into(), Some(Paint::Faint)), Cell(free, Some(paint))],
        vec![Cell("floor".into(), Some(Paint::Faint)), Cell(floor, None)],
    ])?;
    session.console.line("")?;
    let mut rows =
        vec![["kind", "takes", "may take", "of each app"].map(|word| Cell(word.into(), Some(Paint::Head))).into()];
    let limit = |bytes: Option<u64>| Cell(bytes.map(amount).unwrap_or_default(), None);
    rows.extend(disk.kinds.into_iter().map(|kind| {
        vec![
            Cell(kind.name, None),
            Cell(amount(kind.bytes), None),
            limit(kind.limit_bytes),
            limit(kind.limit_per_app_bytes),
        ]
    }));
    session.console.table(&rows)?;
    if disk.apps.is_empty() {
        return Ok(());
    }
    session.console.line("")?;
    let more = disk.apps.len().saturating_sub(APPS_SHOWN);
    let mut rows = vec![["app", "takes", ""].map(|word| Cell(word.into(), Some(Paint::Head))).into()];
    rows.extend(disk.apps.into_iter().take(APPS_SHOWN).map(|app| {
        let mut kinds: Vec<(String, u64)> = app.kinds.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
        kinds.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let kinds: Vec<String> = kinds.into_iter().map(|(name, bytes)| format!("{name} {}", amount(bytes))).collect();
        vec![
            Cell(app.name, Some(Paint::App)),
            Cell(amount(app.bytes), None),
            Cell(kinds.join(", "), Some(Paint::Faint)),
        ]
    }));
    session.console.table(&rows)?;
    if more > 0 {
        session.console.line(&format!("and {more} more, which take less"))?;
    }
    Ok(())
}
