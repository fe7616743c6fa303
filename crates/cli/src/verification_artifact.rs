//! `verify:artifacts`: the reports and screenshots that a check left.

use crate::args::OnApp;
use crate::client::StreamKind;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::session::Session;
use crate::verification::one;
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};

/// What `verify:artifacts` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Artifacts {
    /// The check's number; without it the newest
    number: Option<String>,
    /// Save all of them below this folder
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

#[derive(Deserialize)]
struct Artifact {
    name: String,
    kind: String,
    size: u64,
    tests: Option<Tests>,
    url: String,
}

#[derive(Deserialize)]
struct Tests {
    total: u64,
    failed: u64,
    skipped: u64,
    failed_names: Vec<String>,
}

/// What a check left; saved, where that is asked for.
pub(crate) async fn list(session: &mut Session<'_>, args: &Artifacts) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (_, check) = one(session, &app, args.number.as_deref()).await?;
    let answer = session.client.get(&app.path(&format!("/verifications/{}/artifacts", check.number))).await?;
    let artifacts: Vec<Artifact> = session.client.read(&answer)?;
    if let Some(folder) = &args.save {
        for artifact in &artifacts {
            save(session, artifact, folder).await?;
        }
    }
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let note = format!("Verify #{} of v{} left {} files", check.number, check.release.version, artifacts.len());
    session.console.head(&note)?;
    let row = |artifact: &Artifact| {
        let tests = artifact
            .tests
            .as_ref()
            .map(|tests| format!("{} tests, {} failed, {} skipped", tests.total, tests.failed, tests.skipped));
        let paint = artifact.tests.as_ref().map(|tests| if tests.failed == 0 { Paint::Good } else { Paint::Bad });
        vec![
            Cell(artifact.name.clone(), Some(Paint::Name)),
            Cell(artifact.kind.clone(), None),
            Cell(format!("{} bytes", artifact.size), None),
            Cell(tests.unwrap_or_default(), paint),
        ]
    };
    let rows: Vec<Vec<Cell>> = artifacts.iter().map(row).collect();
    session.console.table(&rows)?;
    for failed in artifacts.iter().filter_map(|artifact| artifact.tests.as_ref()).flat_map(|tests| &tests.failed_names)
    {
        session.console.line(&format!("failed: {failed}"))?;
    }
    Ok(())
}

/// The server says the name: it leads nowhere but below the folder.
async fn save(session: &mut Session<'_>, artifact: &Artifact, folder: &Path) -> Result<(), CliError> {
    let name = Path::new(&artifact.name);
    if !name.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(CliError::failed(format!("`{}` is no name of a file", artifact.name), "It was not saved."));
    }
    let place = folder.join(name);
    let failed = |source| CliError::local(format!("save {}", place.display()), source);
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut contents = Vec::new();
    let mut stream = session.client.stream(&artifact.url, StreamKind::Plain).await?;
    while let Some(bytes) = stream.chunk().await? {
        contents.extend_from_slice(&bytes);
    }
    std::fs::write(&place, contents).map_err(failed)
}
