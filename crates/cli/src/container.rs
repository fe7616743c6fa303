//! `container:*`: images are built, pushed and pulled by the user's own engine; which of them an app runs is said by
//! `container:release` and `container:rm`.

mod dockerfile;
mod folder;
mod local;
mod push;
mod run;

use crate::args::{Bare, OnApp, Override, Print};
use crate::client::segment;
use crate::error::CliError;
use crate::release::{Release, see_through};
use crate::session::{Chosen, Session};
use local::Engine;
use serde::Deserialize;
use serde_json::{Value, json};

/// The last release of an app.
const NEWEST: &str = "version ..; max=1, order=desc";

/// The commands about images.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Let Docker or Podman keep a login to this server's registry; container:push and container:pull do without
    #[command(name = "container:login")]
    LogIn(Bare),
    /// Let Docker or Podman forget that login
    #[command(name = "container:logout")]
    LogOut(Bare),
    /// Build images with Docker or Podman and push them to HOST:PORT/APP/TYPE
    #[command(name = "container:push")]
    Push(push::Push),
    /// Pull images that were pushed, with Docker or Podman
    #[command(name = "container:pull")]
    Pull(run::Pull),
    /// Run an image on this machine, with Docker or Podman
    #[command(name = "container:run")]
    Run(run::Run),
    /// Release images that were pushed to HOST:PORT/APP/TYPE
    #[command(name = "container:release")]
    Release(Types),
    /// Take process types out of an app that runs images
    #[command(name = "container:rm")]
    Remove(Types),
}

/// What both take.
#[derive(Debug, Clone, clap::Args)]
pub struct Types {
    /// Process types, such as web
    #[arg(required = true)]
    types: Vec<String>,
    #[command(flatten)]
    untested: Override,
    #[command(flatten)]
    on: OnApp,
}

/// What is read of an image's manifest.
#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::LogIn(args) | Self::LogOut(args) => args.print,
            Self::Push(args) => args.on.print,
            Self::Pull(args) => args.on.print,
            Self::Run(args) => args.on.print,
            Self::Release(args) | Self::Remove(args) => args.on.print,
        }
    }

    /// The exit code of what was run here.
    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<u8, CliError> {
        let done = match self {
            Self::LogIn(_) => log_in(session).await,
            Self::LogOut(_) => log_out(session).await,
            Self::Push(args) => push::push(session, args).await,
            Self::Pull(args) => run::pull(session, args).await,
            Self::Run(args) => return run::run(session, args).await,
            Self::Release(args) => release(session, args).await,
            Self::Remove(args) => remove(session, args).await,
        };
        done.map(|()| 0)
    }
}

async fn log_in(session: &mut Session<'_>) -> Result<(), CliError> {
    let engine = Engine::of(session)?;
    engine.log_in(session).await?;
    told(session, &engine)
}

async fn log_out(session: &mut Session<'_>) -> Result<(), CliError> {
    let engine = Engine::of(session)?;
    engine.must(session, &["logout", engine.registry()]).await?;
    told(session, &engine)
}

/// The engine has said it to people.
fn told(session: &mut Session<'_>, engine: &Engine) -> Result<(), CliError> {
    let answer = json!({ "registry": engine.registry(), "engine": engine.name() });
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

async fn release(session: &mut Session<'_>, args: &Types) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let mut images = Vec::new();
    for process_type in &args.types {
        images.push((process_type, pushed(session, &app, process_type).await?.into()));
    }
    let types = args.types.join(", ");
    let name = session.console.app_note(&app.name);
    session.console.begin(&format!("Releasing images {types} to {name}"))?;
    change(session, &app, args, &images).await
}

async fn remove(session: &mut Session<'_>, args: &Types) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let images: Vec<(&String, Value)> = args.types.iter().map(|process_type| (process_type, Value::Null)).collect();
    let types = args.types.join(", ");
    let name = session.console.app_note(&app.name);
    session.console.begin(&format!("Removing containers {types} from {name}"))?;
    change(session, &app, args, &images).await
}

/// The image that was pushed last, by the digest of its configuration.
async fn pushed(session: &Session<'_>, app: &Chosen, process_type: &str) -> Result<String, CliError> {
    let path = format!("/v2/{}/{}/manifests/latest", segment(&app.name), segment(process_type));
    let answer = session.client.get(&path).await?;
    Ok(session.client.read::<Manifest>(&answer)?.config.digest)
}

/// One release, however many types; waits for its command.
async fn change(
    session: &mut Session<'_>,
    app: &Chosen,
    args: &Types,
    images: &[(&String, Value)],
) -> Result<(), CliError> {
    let update = |(process_type, image): &(&String, Value)| {
        let mut update = json!({ "type": process_type, "docker_image": image });
        args.untested.put(&mut update);
        update
    };
    let updates: Vec<Value> = images.iter().map(update).collect();
    session.client.patch(&app.path("/formation"), &json!({ "updates": updates })).await?;
    let answer = session.client.page(&app.path("/releases"), NEWEST).await?.into_iter().next().unwrap_or_default();
    let release: Release = session.client.read(&answer)?;
    session.console.end(&format!("done, v{}", release.version))?;
    let answer = see_through(session, app, answer).await?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}
