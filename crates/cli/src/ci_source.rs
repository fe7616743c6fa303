//! What `ci:run` tests and `builds:create` builds: a commit of the folder's repository, as an archive.

use crate::error::CliError;
use crate::remote;
use crate::session::Session;
use bytes::Bytes;
use serde_json::json;
use std::path::Path;

/// The server takes no larger source.
const ARCHIVE_LIMIT_BYTES: usize = model::source::SOURCE_SIZE_LIMIT_BYTES as usize;

/// A commit as its author calls it.
pub(crate) struct Tested {
    pub(crate) branch: String,
    pub(crate) message: String,
    pub(crate) sha: String,
}

/// The last commit of the branch that is checked out.
pub(crate) fn head(cwd: &Path) -> Result<Tested, CliError> {
    let text = |args: &[&str]| Ok::<_, CliError>(String::from_utf8_lossy(&git(cwd, args)?).trim().to_owned());
    Ok(Tested {
        branch: text(&["rev-parse", "--abbrev-ref", "HEAD"])?,
        message: text(&["log", "-1", "--format=%B", "HEAD"])?,
        sha: text(&["rev-parse", "HEAD"])?,
    })
}

/// A commit's files, from the top folder of the repository, as tar.gz.
pub(crate) fn archive(cwd: &Path, commit: &str) -> Result<Bytes, CliError> {
    let top = String::from_utf8_lossy(&git(cwd, &["rev-parse", "--show-toplevel"])?).trim().to_owned();
    let archive = git(Path::new(&top), &["archive", "--format=tar.gz", "--end-of-options", commit])?;
    if archive.len() > ARCHIVE_LIMIT_BYTES {
        let message =
            format!("The commit's files take {} bytes; a source may have {ARCHIVE_LIMIT_BYTES}.", archive.len());
        return Err(CliError::usage(message, "Take out of the repository what the app does not need."));
    }
    Ok(archive.into())
}

/// Uploads a commit's files; the address to fetch them from.
pub(crate) async fn upload(session: &mut Session<'_>, commit: &str) -> Result<String, CliError> {
    let archive = archive(&session.env.cwd, commit)?;
    session.console.begin("Uploading the source")?;
    let slot = session.client.post("/sources", &json!({})).await?;
    let address = |which: &str| slot["source_blob"][which].as_str().unwrap_or_default().to_owned();
    session.client.upload(&address("put_url"), archive).await?;
    session.console.end("done")?;
    Ok(address("get_url"))
}

fn git(cwd: &Path, args: &[&str]) -> Result<Vec<u8>, CliError> {
    let output = remote::git(cwd, args).map_err(|error| CliError::local("start git", error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(CliError::failed(
        format!("git {} failed: {why}", args.join(" ")),
        "Type the command in a clone of the app's repository that has the commit (`git fetch`).",
    ))
}
