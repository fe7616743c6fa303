//! `buildpacks` and what follows its colon.

use crate::args::{AppOnly, OnApp, Print};
use crate::error::CliError;
use crate::session::{Chosen, Session};
use serde::Deserialize;
use serde_json::{Value, json};

/// The commands about the packs that build an app.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum BuildpackCommand {
    /// List the buildpacks of an app; without any, each build finds out
    #[command(name = "buildpacks", alias = "buildpacks:list")]
    List(AppOnly),
    /// Add a buildpack
    #[command(name = "buildpacks:add")]
    Add(Place),
    /// Remove all buildpacks
    #[command(name = "buildpacks:clear")]
    Clear(AppOnly),
    /// Remove a buildpack
    #[command(name = "buildpacks:remove")]
    Remove(Remove),
    /// Put a buildpack in the place of the first one, or of another
    #[command(name = "buildpacks:set")]
    Set(Place),
}

/// What `buildpacks:add` and `buildpacks:set` take.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// heroku/nodejs, for example
    buildpack: String,
    /// Its place, from 1
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..))]
    index: Option<u16>,
    #[command(flatten)]
    on: OnApp,
}

/// What `buildpacks:remove` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Remove {
    /// As `flowline buildpacks` lists it
    #[arg(required_unless_present = "index", conflicts_with = "index")]
    buildpack: Option<String>,
    /// Its place, from 1
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..))]
    index: Option<u16>,
    #[command(flatten)]
    on: OnApp,
}

/// What is read of an installation.
#[derive(Deserialize)]
struct Installation {
    buildpack: Pack,
}

#[derive(Deserialize)]
struct Pack {
    url: String,
}

impl BuildpackCommand {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) | Self::Clear(args) => args.on.print,
            Self::Add(args) | Self::Set(args) => args.on.print,
            Self::Remove(args) => args.on.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args.on).await,
            Self::Add(args) => {
                change(session, &args.on, "added", |packs| {
                    if packs.contains(&args.buildpack) {
                        let message = format!("{} is already one of the app's buildpacks.", args.buildpack);
                        return Err(CliError::usage(message, "`flowline buildpacks` lists them."));
                    }
                    let place = args.index.map_or(packs.len(), |index| usize::from(index) - 1).min(packs.len());
                    packs.insert(place, args.buildpack.clone());
                    Ok(())
                })
                .await
            }
            Self::Clear(args) => {
                change(session, &args.on, "cleared", |packs| {
                    packs.clear();
                    Ok(())
                })
                .await
            }
            Self::Remove(args) => change(session, &args.on, "removed", |packs| take_out(packs, args)).await,
            Self::Set(args) => {
                change(session, &args.on, "set", |packs| {
                    let place = args.index.map_or(0, |index| usize::from(index) - 1);
                    match packs.get_mut(place) {
                        Some(pack) => pack.clone_from(&args.buildpack),
                        None => packs.push(args.buildpack.clone()),
                    }
                    Ok(())
                })
                .await
            }
        }
    }
}

fn take_out(packs: &mut Vec<String>, args: &Remove) -> Result<(), CliError> {
    let named = |named: &String| packs.iter().position(|pack| pack == named);
    let index = args.index.map(|index| usize::from(index) - 1);
    let place = index.or_else(|| args.buildpack.as_ref().and_then(named)).filter(|place| *place < packs.len());
    let Some(place) = place else {
        return Err(CliError::missing("The app has no such buildpack.", "`flowline buildpacks` lists them."));
    };
    packs.remove(place);
    Ok(())
}

fn path(app: &Chosen) -> String {
    app.path("/buildpack-installations")
}

fn packs(session: &Session<'_>, answer: &Value) -> Result<Vec<String>, CliError> {
    let all: Vec<Installation> = session.client.read(answer)?;
    Ok(all.into_iter().map(|installation| installation.buildpack.url).collect())
}

async fn list(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = session.client.get(&path(&app)).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let packs = packs(session, &answer)?;
    show(session, &app, &packs)
}

fn show(session: &mut Session<'_>, app: &Chosen, packs: &[String]) -> Result<(), CliError> {
    if packs.is_empty() {
        let line =
            format!("{} has no buildpacks; each build finds out which one it needs.", session.console.app(&app.name));
        return session.console.line(&line);
    }
    let head = format!("{} Buildpack{}", session.console.app(&app.name), if packs.len() > 1 { "s" } else { "" });
    session.console.head(&head)?;
    match packs {
        [one] => session.console.line(one),
        several => (1..).zip(several).try_for_each(|(place, pack)| session.console.line(&format!("{place}. {pack}"))),
    }
}

/// The list as it is, changed, put back.
async fn change(
    session: &mut Session<'_>,
    on: &OnApp,
    done: &str,
    with: impl FnOnce(&mut Vec<String>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let app = session.app(on)?;
    let before = session.client.get(&path(&app)).await?;
    let mut wanted = packs(session, &before)?;
    with(&mut wanted)?;
    let updates: Vec<Value> = wanted.iter().map(|pack| json!({ "buildpack": pack })).collect();
    let answer = session.client.put(&path(&app), &json!({ "updates": updates })).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.note(&format!("Buildpack {done}. The next build takes it: git push flowline main"))?;
    let packs = packs(session, &answer)?;
    show(session, &app, &packs)
}
