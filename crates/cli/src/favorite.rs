//! `apps:favorites`: apps that are kept at hand.

use crate::args::{AppOnly, Bare, Print};
use crate::client::segment;
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// Favorites.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List your favorite apps
    #[command(name = "apps:favorites", visible_alias = "favorites")]
    List(Bare),
    /// Make an app a favorite
    #[command(name = "apps:favorites:add", visible_alias = "favorites:add")]
    Add(AppOnly),
    /// Take an app out of the favorites
    #[command(name = "apps:favorites:remove", visible_alias = "favorites:remove")]
    Remove(AppOnly),
}

#[derive(Deserialize)]
struct Favorite {
    id: String,
    resource_id: String,
    resource_name: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.print,
            Self::Add(args) | Self::Remove(args) => args.on.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(_) => list(session).await,
            Self::Add(args) => add(session, &args).await,
            Self::Remove(args) => remove(session, &args).await,
        }
    }
}

async fn all(session: &Session<'_>) -> Result<(Value, Vec<Favorite>), CliError> {
    let answer = Value::Array(session.client.all("/favorites").await?);
    let favorites = session.client.read(&answer)?;
    Ok((answer, favorites))
}

async fn list(session: &mut Session<'_>) -> Result<(), CliError> {
    let (answer, favorites) = all(session).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    if favorites.is_empty() {
        return session.console.note("You have no favorites. `flowline apps:favorites:add -a APP` adds one.");
    }
    for favorite in favorites {
        session.console.line(&favorite.resource_name)?;
    }
    Ok(())
}

async fn add(session: &mut Session<'_>, args: &AppOnly) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    session.console.begin(&format!("Adding {} to the favorites", app.name))?;
    let answer = session.client.post("/favorites", &json!({ "resource_id": app.name, "type": "app" })).await?;
    session.done("done", &answer)
}

async fn remove(session: &mut Session<'_>, args: &AppOnly) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (_, favorites) = all(session).await?;
    let found = favorites.into_iter().find(|one| one.resource_name == app.name || one.resource_id == app.name);
    let Some(favorite) = found else {
        return Err(CliError::missing(
            format!("{} is no favorite of yours.", app.name),
            "`flowline apps:favorites` lists them.",
        ));
    };
    session.console.begin(&format!("Removing {} from the favorites", app.name))?;
    let answer = session.client.delete(&format!("/favorites/{}", segment(&favorite.id))).await?;
    session.done("done", &answer)
}
