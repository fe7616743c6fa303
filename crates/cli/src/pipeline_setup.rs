//! `pipelines:setup`: a pipeline with an app for staging and one for production, and a git remote for each (PIPE-21).

use crate::args::Print;
use crate::error::CliError;
use crate::pipeline::{Id, Pipeline};
use crate::remote;
use crate::session::Session;
use model::pipeline::Stage;
use serde::Deserialize;
use serde_json::{Value, json};

/// An app's name has 30 letters, and one of the two ends in `-staging`.
const NAME_LIMIT: usize = 22;

/// What `pipelines:setup` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Setup {
    /// The name of the pipeline and of its production app; the other one is NAME-staging
    name: String,
    /// The team that all of it belongs to
    #[arg(short, long)]
    team: Option<String>,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Deserialize)]
struct App {
    id: String,
    name: String,
    git_url: String,
}

/// Makes all of it. Stops at the first thing that cannot be made, and says what is there by then.
pub(crate) async fn setup(session: &mut Session<'_>, args: &Setup) -> Result<(), CliError> {
    let name = args.name.trim().to_lowercase().replace(' ', "-");
    if name.len() < 3 || name.len() > NAME_LIMIT {
        let message = format!("The name {name} has {} letters.", name.len());
        return Err(CliError::usage(message, format!("Choose one with 3 to {NAME_LIMIT}.")));
    }
    let mut pipeline = json!({ "name": name });
    if let Some(team) = &args.team {
        pipeline["owner"] = json!({ "id": team, "type": "team" });
    }
    session.console.begin(&format!("Creating the pipeline {name}"))?;
    let answer = session.client.post("/pipelines", &pipeline).await?;
    session.console.end("done")?;
    let pipeline: Pipeline = session.client.read(&answer)?;
    let mut apps = Vec::new();
    for (app, stage, remote) in
        [(format!("{name}-staging"), Stage::Staging, "staging"), (name.clone(), Stage::Production, "production")]
    {
        apps.push(app_at(session, args.team.as_deref(), &app, &pipeline.id, stage).await?);
        link(session, &apps[apps.len() - 1], remote)?;
    }
    if session.console.is_json() {
        let shown = |app: &App| json!({ "id": app.id, "name": app.name, "git_url": app.git_url });
        let apps: Vec<Value> = apps.iter().map(shown).collect();
        return session.console.json(&json!({ "pipeline": answer, "apps": apps }));
    }
    session.console.note(&format!(
        "      Now: git push staging main, and when it is good: flowline pipelines:promote -a {name}-staging"
    ))
}

async fn app_at(
    session: &mut Session<'_>,
    team: Option<&str>,
    name: &str,
    pipeline: &str,
    stage: Stage,
) -> Result<App, CliError> {
    let note = session.console.app_note(name);
    session.console.begin(&format!("Creating {note} ({stage})"))?;
    let answer = match team {
        Some(team) => session.client.post("/teams/apps", &json!({ "name": name, "team": team })).await?,
        None => session.client.post("/apps", &json!({ "name": name })).await?,
    };
    let app: App = session.client.read(&answer)?;
    let coupling = json!({ "app": app.id, "pipeline": pipeline, "stage": stage.word() });
    let coupled = session.client.post("/pipeline-couplings", &coupling).await?;
    session.client.read::<Id>(&coupled)?;
    session.console.end("done")?;
    Ok(app)
}

/// In a git repository, a remote for each of the two; one that leads elsewhere stays as it is.
fn link(session: &mut Session<'_>, app: &App, name: &str) -> Result<(), CliError> {
    match remote::add(&session.env.cwd, name, &app.git_url)? {
        remote::Added::NoRepository => return Ok(()),
        remote::Added::New => session.console.note(&format!("Git remote {name} leads to {}", app.name))?,
        remote::Added::Already => {}
        remote::Added::Elsewhere(url) => {
            let next = format!("`flowline git:remote -a {} -r NAME` adds another", app.name);
            session.console.warn(&format!("The git remote {name} leads to {url} already; {next}."))?;
        }
    }
    remote::use_our_credentials(&session.env.cwd, &session.client.server, &session.env.exe)
}
