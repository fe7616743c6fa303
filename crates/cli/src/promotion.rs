//! `pipelines:promote`: the code of one app to others of its pipeline, followed to the end.

use crate::args::OnApp;
use crate::client::{StreamKind, segment};
use crate::console::Paint;
use crate::error::CliError;
use crate::pipeline::{self, Id, Member};
use crate::promotion_receipt;
use crate::release::begun;
use crate::session::Session;
use model::pipeline::Stage;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;

/// Lines of release commands that wait to be printed.
const LINES_WAITING: usize = 256;

/// A server that is being replaced is back within this many tries, a second apart.
const TRIES: u32 = 60;

/// What `pipelines:promote` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Promote {
    /// Where to, with commas between; without it, all apps of the next stage
    #[arg(short, long, value_name = "APP,APP", value_delimiter = ',')]
    to: Vec<String>,
    /// An earlier release of the app, v12 or 12; without it, the one that runs
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// Pass gates that are shut, for this reason; for who manages the target, and kept in the receipt
    #[arg(long = "override", value_name = "REASON")]
    reason: Option<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

#[derive(Deserialize)]
struct Promotion {
    id: String,
    event_stream_url: String,
}

/// How far a promotion is.
#[derive(Deserialize)]
struct Progress {
    status: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    app: Id,
    release: Option<Id>,
    status: String,
}

#[derive(Deserialize)]
struct Release {
    version: i64,
    output_stream_url: Option<String>,
}

/// Promotes, and shows what the release commands print; the exit code says whether all of it succeeded (PIPE-35).
pub(crate) async fn promote(session: &mut Session<'_>, args: &Promote) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let coupling = pipeline::coupling(session, &app).await?;
    let members = pipeline::members(session, &coupling.pipeline.id).await?;
    let targets = if args.to.is_empty() {
        downstream(&app.name, &coupling.stage, &members)?
    } else {
        named(&app.name, &args.to, &members)?
    };
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let (from, to) = (session.console.app_note(&app.name), names.join(", "));
    session.console.begin(&format!("Promoting {from} to {to}"))?;
    let mut body = json!({
        "pipeline": { "id": coupling.pipeline.id },
        "source": { "app": { "id": coupling.app.id } },
        "targets": targets.iter().map(|target| json!({ "app": { "id": target.id } })).collect::<Vec<_>>(),
    });
    if let Some(release) = &args.release {
        body["source"]["release"] = json!({ "id": release });
    }
    if let Some(reason) = &args.reason {
        body["override"] = json!(reason);
    }
    let promotion = session.client.post("/pipeline-promotions", &body).await?;
    let promotion: Promotion = session.client.read(&promotion)?;
    session.console.end("begun")?;
    Follow { promotion: &promotion, members: &members, several: targets.len() > 1 }.run(session).await?;
    promotion_receipt::outcome(session, &promotion.id).await
}

/// All apps of the next stage (PIPE-38).
fn downstream<'m>(app: &str, stage: &str, members: &'m [Member]) -> Result<Vec<&'m Member>, CliError> {
    let hint = "Name the apps to promote to with --to APP,APP.";
    let next = stage.parse().ok().and_then(Stage::next);
    let next = next.ok_or_else(|| CliError::usage(format!("Cannot promote {app} from '{stage}' stage."), hint))?;
    let targets: Vec<&Member> = members.iter().filter(|member| member.stage == Some(next)).collect();
    if targets.is_empty() {
        let message = format!("Cannot promote from {app} as there are no downstream apps in {next} stage.");
        return Err(CliError::usage(message, hint));
    }
    Ok(targets)
}

/// Those that were named (PIPE-39).
fn named<'m>(app: &str, wanted: &[String], members: &'m [Member]) -> Result<Vec<&'m Member>, CliError> {
    let mut targets = Vec::new();
    for wanted in wanted.iter().map(|one| one.trim()).filter(|one| !one.is_empty()) {
        let target = members.iter().find(|member| member.name == wanted || member.id == wanted);
        let target = target.ok_or_else(|| {
            CliError::missing(
                format!("Cannot find app {wanted} in the pipeline."),
                "`flowline pipelines:info PIPELINE` lists them.",
            )
        })?;
        if target.name == app {
            let message = format!("Cannot promote from an app to itself: {app}.");
            return Err(CliError::usage(message, "Specify a different target app."));
        }
        targets.push(target);
    }
    if targets.is_empty() {
        return Err(CliError::usage("There is no app in --to.", "Name at least one."));
    }
    Ok(targets)
}

/// A promotion that is being watched.
struct Follow<'a> {
    promotion: &'a Promotion,
    members: &'a [Member],
    several: bool,
}

impl Follow<'_> {
    /// Until every target is settled and everything that their commands printed is shown.
    async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        let (sender, mut lines) = mpsc::channel::<String>(LINES_WAITING);
        let mut seen = BTreeSet::new();
        let mut tries = 0;
        'opened: loop {
            let mut events = match session.client.stream(&self.promotion.event_stream_url, StreamKind::Events).await {
                Err(error) if error.is_passing() && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                events => events?,
            };
            loop {
                let line = tokio::select! {
                    Some(line) = lines.recv() => {
                        session.console.note(&line)?;
                        continue;
                    }
                    line = events.line() => line,
                };
                match line {
                    Ok(Some(line)) => {
                        let Ok(progress) = serde_json::from_str::<Progress>(&line) else { continue };
                        tries = 0;
                        self.listen(session, &progress, &mut seen, &sender).await?;
                        if progress.status == "completed" {
                            break 'opened;
                        }
                    }
                    // The server was replaced: it goes on with the promotion, and so does this.
                    Ok(None) => break,
                    Err(error) if error.is_passing() && tries < TRIES => break,
                    Err(error) => return Err(error),
                }
            }
            tries += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        drop(sender);
        while let Some(line) = lines.recv().await {
            session.console.note(&line)?;
        }
        Ok(())
    }

    /// Reads along with every release command that has just begun.
    async fn listen(
        &self,
        session: &mut Session<'_>,
        progress: &Progress,
        seen: &mut BTreeSet<String>,
        sender: &mpsc::Sender<String>,
    ) -> Result<(), CliError> {
        for target in &progress.targets {
            let Some(made) = target.release.as_ref().filter(|made| !seen.contains(&made.id)) else { continue };
            seen.insert(made.id.clone());
            let path = format!("/apps/{}/releases/{}", segment(&target.app.id), segment(&made.id));
            // An app that was destroyed meanwhile has none; the end says so.
            let Ok(answer) = session.client.get(&path).await else { continue };
            let release: Release = session.client.read(&answer)?;
            let name = self.members.iter().find(|member| member.id == target.app.id);
            let name = name.map(|member| member.name.clone()).unwrap_or_default();
            let Some(url) = release.output_stream_url else { continue };
            if target.status == "pending" {
                let note = format!("Running release command of {name} v{}...", release.version);
                session.console.note(&note)?;
            }
            let Ok(mut stream) = begun(session, &url).await else { continue };
            let (sender, prefix) = (sender.clone(), if self.several { format!("{name}: ") } else { String::new() });
            tokio::spawn(async move {
                while let Ok(Some(line)) = stream.line().await {
                    let line = format!("{prefix}{}", crate::printable::printable(&line));
                    if sender.send(line).await.is_err() {
                        return;
                    }
                }
            });
        }
        Ok(())
    }
}

/// The colour of a target's end.
pub(crate) fn paint(status: &str) -> Paint {
    match status {
        "succeeded" => Paint::Good,
        "failed" => Paint::Bad,
        _ => Paint::Series(0),
    }
}

/// What was answered, for scripts.
pub(crate) fn is_failed(answer: &Value) -> bool {
    answer["to"].as_array().is_some_and(|to| to.iter().any(|target| target["status"] == "failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Vec<Member> {
        let all = [("dev", Stage::Development), ("staging", Stage::Staging), ("one", Stage::Production)];
        let mut members: Vec<Member> =
            all.map(|(name, stage)| Member { id: format!("id-{name}"), name: name.into(), stage: Some(stage) }).into();
        members.push(Member { id: "id-two".into(), name: "two".into(), stage: Some(Stage::Production) });
        members
    }

    fn names(found: &[&Member]) -> Vec<String> {
        found.iter().map(|member| member.name.clone()).collect()
    }

    #[test]
    fn pipe_38_without_to_all_apps_of_the_next_stage() {
        let members = members();
        assert_eq!(names(&downstream("dev", "development", &members).unwrap()), ["staging"]);
        assert_eq!(names(&downstream("staging", "staging", &members).unwrap()), ["one", "two"]);
        for stage in ["production", "review", "test"] {
            let refused = downstream("one", stage, &members).err().unwrap().to_string();
            assert_eq!(refused, format!("Cannot promote one from '{stage}' stage."));
        }
        let refused = downstream("dev", "development", &members[..1]).err().unwrap().to_string();
        assert_eq!(refused, "Cannot promote from dev as there are no downstream apps in staging stage.");
    }

    #[test]
    fn pipe_39_and_37_names_after_to() {
        let members = members();
        let to = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&named("staging", &to(&["one", "", " two "]), &members).unwrap()), ["one", "two"]);
        let refused = named("staging", &to(&["three"]), &members).err().unwrap().to_string();
        assert!(refused.contains("Cannot find app three"), "{refused}");
        let refused = named("staging", &to(&["staging"]), &members).err().unwrap().to_string();
        assert!(refused.contains("Cannot promote from an app to itself: staging"), "{refused}");
        assert!(named("staging", &to(&[""]), &members).is_err());
    }
}
