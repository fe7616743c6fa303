//! `pipelines:diff`: what an app runs that the apps of the next stage do not run yet, by the commits of this folder's repository.

use crate::args::OnApp;
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::pipeline::{self, Member};
use crate::remote;
use crate::session::Session;
use model::pipeline::Stage;
use serde::Deserialize;
use serde_json::{Value, json};

/// Commits that are listed of one pair of apps.
const LISTED: usize = 200;

/// Between the fields of a commit: no name, date or message has it.
const BETWEEN: char = '\u{1f}';

#[derive(Deserialize)]
struct Release {
    status: String,
    slug: Option<Slug>,
}

#[derive(Deserialize)]
struct Slug {
    id: String,
}

#[derive(Deserialize)]
struct Code {
    commit: Option<String>,
}

/// A commit that is not in the next stage yet.
struct Commit {
    sha: String,
    date: String,
    author: String,
    message: String,
}

/// Compares the newest release of the app with that of each app of the next stage (PIPE-50 to PIPE-52).
pub(crate) async fn diff(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let coupling = pipeline::coupling(session, &app).await?;
    let hint = "Only apps of the stages development and staging have a next stage.";
    let next = coupling.stage.parse().ok().and_then(Stage::next);
    let next = next.ok_or_else(|| CliError::usage(format!("Unable to diff {}.", app.name), hint))?;
    let members = pipeline::members(session, &coupling.pipeline.id).await?;
    let below: Vec<&Member> = members.iter().filter(|member| member.stage == Some(next)).collect();
    if below.is_empty() {
        let message = format!("Cannot diff {} as there are no downstream apps configured.", app.name);
        return Err(CliError::missing(message, "`flowline pipelines:add` puts one into the next stage."));
    }
    let Some(ours) = commit(session, &coupling.app.id).await? else {
        let message = format!("No release was found for {}, unable to diff.", app.name);
        return Err(CliError::missing(message, "Push to it first."));
    };
    let mut all = Vec::new();
    for member in below {
        let theirs = commit(session, &member.id).await?;
        all.push(pair(session, &app.name, &ours, member, theirs.as_deref())?);
    }
    if session.console.is_json() { session.console.json(&Value::Array(all)) } else { Ok(()) }
}

/// The commit that the newest release of an app that succeeded was built from.
async fn commit(session: &Session<'_>, app: &str) -> Result<Option<String>, CliError> {
    let path = format!("/apps/{}/releases", segment(app));
    let list = session.client.page(&path, "version ..; max=50, order=desc").await?;
    let releases: Vec<Release> = session.client.read(&Value::Array(list))?;
    let Some(slug) = releases.into_iter().find(|one| one.status == "succeeded").and_then(|one| one.slug) else {
        return Ok(None);
    };
    let code = session.client.get(&format!("/apps/{}/slugs/{}", segment(app), segment(&slug.id))).await?;
    Ok(session.client.read::<Code>(&code)?.commit)
}

/// One pair of apps; what was printed, as JSON.
fn pair(
    session: &mut Session<'_>,
    app: &str,
    ours: &str,
    below: &Member,
    theirs: Option<&str>,
) -> Result<Value, CliError> {
    let name = &below.name;
    let Some(theirs) = theirs else {
        session.console.note(&format!("No release was found for {name}: all of {app} is new to it."))?;
        return Ok(json!({ "app": name, "commits": null }));
    };
    let mut commits = Vec::new();
    if ours == theirs {
        say(session, &format!("{app} is up to date with {name}"))?;
    } else {
        commits = between(session, theirs, ours)?;
        let count = commits.len();
        let many = if count == 1 { "commit" } else { "commits" };
        if count == 0 {
            say(session, &format!("{app} is behind {name}: {theirs} has all of it"))?;
        } else {
            say(session, &format!("{app} is ahead of {name} by {count} {many}"))?;
        }
    }
    if !session.console.is_json() && !commits.is_empty() {
        let row = |one: &Commit| {
            vec![
                Cell(one.sha.chars().take(7).collect(), Some(Paint::Series(0))),
                Cell(one.date.clone(), Some(Paint::Faint)),
                Cell(one.author.clone(), Some(Paint::Name)),
                Cell(one.message.clone(), None),
            ]
        };
        let rows: Vec<Vec<Cell>> = commits.iter().map(row).collect();
        session.console.table(&rows)?;
    }
    let shown =
        |one: &Commit| json!({ "sha": one.sha, "date": one.date, "author": one.author, "message": one.message });
    Ok(json!({ "app": name, "commits": commits.iter().map(shown).collect::<Vec<_>>() }))
}

fn say(session: &mut Session<'_>, text: &str) -> Result<(), CliError> {
    if session.console.is_json() { Ok(()) } else { session.console.line(text) }
}

/// The commits of `to` that `from` does not have, the newest first.
fn between(session: &Session<'_>, from: &str, to: &str) -> Result<Vec<Commit>, CliError> {
    for sha in [from, to] {
        if !remote::has_commit(&session.env.cwd, sha) {
            let message = format!("The commit {sha} is not in the git repository of this folder.");
            return Err(CliError::missing(message, "Type it in a clone of the apps' code, after `git fetch --all`."));
        }
    }
    let format = format!("--format=%H{BETWEEN}%aI{BETWEEN}%an{BETWEEN}%s");
    let count = format!("--max-count={LISTED}");
    let log = remote::said(&session.env.cwd, &["log", &format, &count, &format!("{from}..{to}"), "--"])?;
    Ok(log.lines().filter_map(read).collect())
}

fn read(line: &str) -> Option<Commit> {
    let mut fields = line.split(BETWEEN).map(crate::printable::printable);
    Some(Commit { sha: fields.next()?, date: fields.next()?, author: fields.next()?, message: fields.next()? })
}
