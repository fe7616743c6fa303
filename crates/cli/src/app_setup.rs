//! `apps:setup`: an app made of a source and the app.json in it, followed to the end.

use crate::args::Print;
use crate::client::{StreamKind, segment};
use crate::error::CliError;
use crate::session::Session;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The server decides each step at its own pace: it is asked this often.
const LOOK: Duration = Duration::from_millis(500);

/// As large as a source may be; it is held in memory while it is sent.
const ARCHIVE_LIMIT_BYTES: u64 = 1_000_000_000;

/// What `apps:setup` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Setup {
    /// The app's name; without it one is made up
    name: Option<String>,
    /// The source: an http(s) address or a file, of a tar.gz with app.json at its root. Without it the commit that this
    /// folder's git repository is at
    #[arg(short, long, value_name = "URL|FILE")]
    source: Option<String>,
    /// A config var that app.json asks for, or another one
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// A buildpack in place of those of app.json; once for each
    #[arg(short, long, value_name = "BUILDPACK")]
    buildpack: Vec<String>,
    /// `SHA256:` and the hex digits that the archive must have
    #[arg(long, value_name = "SHA256:HEX")]
    checksum: Option<String>,
    /// What the source is called in builds and releases
    #[arg(long, value_name = "VERSION")]
    source_version: Option<String>,
    /// The stack it runs on
    #[arg(long)]
    stack: Option<String>,
    /// Its region
    #[arg(long)]
    region: Option<String>,
    /// The team that it belongs to; without it it is your own
    #[arg(short, long)]
    team: Option<String>,
    /// With --team: the team's members may only look until they are added
    #[arg(short, long, requires = "team")]
    locked: bool,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// What is read of a setup.
#[derive(Deserialize)]
struct AppSetup {
    id: String,
    status: String,
    app: App,
    build: Option<Build>,
    failure_message: Option<String>,
    manifest_errors: Vec<String>,
    postdeploy: Option<Postdeploy>,
    resolved_success_url: Option<String>,
}

#[derive(Deserialize)]
struct App {
    name: String,
}

#[derive(Deserialize)]
struct Build {
    output_stream_url: String,
}

#[derive(Deserialize)]
struct Postdeploy {
    output: String,
    exit_code: i64,
}

/// Where the upload goes, and where it is then.
#[derive(Deserialize)]
struct Source {
    source_blob: SourceBlob,
}

#[derive(Deserialize)]
struct SourceBlob {
    get_url: String,
    put_url: String,
}

/// Begins a setup and follows it.
pub(crate) async fn setup(session: &mut Session<'_>, args: &Setup) -> Result<(), CliError> {
    let env = args.env.iter().map(|pair| pair_of(pair)).collect::<Result<Map<_, _>, _>>()?;
    let (url, commit) = source(session, args).await?;
    let packs: Vec<Value> = args.buildpack.iter().map(|pack| json!({ "url": pack })).collect();
    let version = args.source_version.clone().or(commit);
    let body = json!({
        "source_blob": { "url": url, "checksum": args.checksum, "version": version },
        "app": {
            "name": args.name, "stack": args.stack, "region": args.region, "team": args.team, "locked": args.locked,
        },
        "overrides": { "env": env, "buildpacks": packs },
    });
    let what = args.name.as_ref().map_or("app".to_owned(), |name| session.console.app_note(name));
    session.console.begin(&format!("Setting up {what}"))?;
    let answer = session.client.post("/app-setups", &body).await?;
    let begun: AppSetup = session.client.read(&answer)?;
    session.console.end(&format!("{} is there", session.console.app_note(&begun.app.name)))?;
    if args.no_wait {
        return if session.console.is_json() { session.console.json(&answer) } else { session.console.line(&begun.id) };
    }
    let answer = followed(session, begun).await?;
    let setup: AppSetup = session.client.read(&answer)?;
    if session.console.is_json() {
        session.console.json(&answer)?;
    }
    concluded(session, setup)
}

fn pair_of(pair: &str) -> Result<(String, Value), CliError> {
    let (name, value) = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        CliError::usage(format!("`{pair}` is no config var."), "Write --env NAME=VALUE, once for each.")
    })?;
    Ok((name.to_owned(), Value::from(value)))
}

/// The address of the source, and the commit it is, where that is known.
async fn source(session: &mut Session<'_>, args: &Setup) -> Result<(String, Option<String>), CliError> {
    let (archive, commit) = match &args.source {
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => return Ok((url.clone(), None)),
        Some(file) => (read(&session.env.cwd.join(file))?, None),
        None => committed(&session.env.cwd)?,
    };
    let source: Source = session.client.read(&session.client.post("/sources", &json!({})).await?)?;
    session.client.upload(&source.source_blob.put_url, archive).await?;
    Ok((source.source_blob.get_url, commit))
}

fn read(file: &Path) -> Result<Bytes, CliError> {
    let what = || format!("read {}", file.display());
    let size_bytes = std::fs::metadata(file).map_err(|error| CliError::local(what(), error))?.len();
    if size_bytes > ARCHIVE_LIMIT_BYTES {
        let message = format!("{} has {size_bytes} bytes; a source may have {ARCHIVE_LIMIT_BYTES}.", file.display());
        return Err(CliError::usage(message, "Leave out what the build does not need."));
    }
    std::fs::read(file).map(Bytes::from).map_err(|error| CliError::local(what(), error))
}

/// The commit that the folder's repository is at, packed by git.
fn committed(folder: &Path) -> Result<(Bytes, Option<String>), CliError> {
    let git = |words: &[&str]| {
        let ran = Command::new("git").args(words).current_dir(folder).output();
        ran.map_err(|error| CliError::local("run git", error))
    };
    let head = git(&["rev-parse", "HEAD"])?;
    if !head.status.success() {
        let message = "This folder is no git repository with a commit.";
        return Err(CliError::usage(message, "Commit what is to be set up, or say --source URL or --source FILE."));
    }
    let packed = git(&["archive", "--format=tar.gz", "HEAD"])?;
    if !packed.status.success() {
        let why = String::from_utf8_lossy(&packed.stderr).trim().to_owned();
        return Err(CliError::failed(format!("git could not pack the commit: {why}."), "Say --source FILE instead."));
    }
    let commit = String::from_utf8_lossy(&head.stdout).trim().to_owned();
    Ok((Bytes::from(packed.stdout), Some(commit)))
}

/// Looks at it until it is over, and shows what its build prints meanwhile; the last answer.
async fn followed(session: &mut Session<'_>, begun: AppSetup) -> Result<Value, CliError> {
    let path = format!("/app-setups/{}", segment(&begun.id));
    let mut shown = false;
    loop {
        let answer = session.client.get(&path).await?;
        let setup: AppSetup = session.client.read(&answer)?;
        if let Some(build) = setup.build.as_ref().filter(|_| !shown) {
            shown = true;
            let mut stream = session.client.stream(&build.output_stream_url, StreamKind::Plain).await?;
            while let Some(bytes) = stream.chunk().await? {
                if !session.console.is_json() {
                    session.console.raw(&bytes)?;
                }
            }
            continue;
        }
        if setup.status != "pending" {
            return Ok(answer);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn concluded(session: &mut Session<'_>, setup: AppSetup) -> Result<(), CliError> {
    let quiet = session.console.is_json();
    if let Some(ran) = setup.postdeploy.filter(|_| !quiet) {
        session.console.line(&format!("-----> scripts.postdeploy exited with status {}", ran.exit_code))?;
        session.console.raw(ran.output.as_bytes())?;
    }
    let name = setup.app.name;
    if setup.status == "succeeded" {
        return match setup.resolved_success_url.filter(|_| !quiet) {
            Some(url) => session.console.line(&format!("{name} is set up: {url}")),
            None if quiet => Ok(()),
            None => session.console.line(&format!("{name} is set up; `flowline open -a {name}` shows it.")),
        };
    }
    let reasons: Vec<String> = setup.failure_message.into_iter().chain(setup.manifest_errors).collect();
    let next = format!("{name} is left as far as it came; `flowline apps:destroy -a {name}` removes it.");
    Err(CliError::failed(format!("{name} could not be set up: {}.", reasons.join("; ")), next))
}
