//! `notifications:mine`: what broke of the apps that one sees, until one has read it.

use crate::args::Print;
use crate::client::segment;
use crate::error::CliError;
use crate::moment::ago;
use crate::printable::printable;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// The newest first, as many as one answer holds.
const NEWEST: &str = "created_at ..; order=desc, max=1000";

/// Which ones.
#[derive(Debug, Clone, clap::Args)]
pub struct Mine {
    /// Only of this app
    #[arg(short, long, value_name = "APP")]
    app: Option<String>,
    /// Also what you have read; nothing is marked
    #[arg(long)]
    read: bool,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Deserialize)]
struct Notification {
    id: String,
    title: String,
    body: String,
    created_at: String,
    followup: Vec<Followup>,
}

#[derive(Deserialize)]
struct Followup {
    body: String,
    created_at: String,
}

/// Shows them, and marks what was shown.
pub(crate) async fn list(session: &mut Session<'_>, args: &Mine) -> Result<(), CliError> {
    let mut all = session.client.page("/user/notifications", NEWEST).await?;
    if let Some(app) = &args.app {
        let id = session.client.get(&format!("/apps/{}", segment(app))).await?["id"].take();
        all.retain(|one| one["target"]["id"] == id);
    }
    if !args.read {
        all.retain(|one| one["read"] == false);
    }
    let answer = Value::Array(all);
    // To the letter: a text has several lines, and each is made harmless where it is shown.
    let notifications: Vec<Notification> = session.client.exact(&answer)?;
    if session.console.is_json() {
        session.console.json(&answer)?;
    } else {
        show(session, args, &notifications)?;
    }
    if !args.read {
        for one in &notifications {
            let path = format!("/user/notifications/{}", segment(&one.id));
            session.client.patch(&path, &json!({ "read": true })).await?;
        }
    }
    Ok(())
}

fn show(session: &mut Session<'_>, args: &Mine, notifications: &[Notification]) -> Result<(), CliError> {
    if notifications.is_empty() {
        if args.read {
            return session.console.line("You have no notifications.");
        }
        session.console.line("You have no unread notifications.")?;
        return session.console.note("`flowline notifications:mine --read` lists those that you have read.");
    }
    session.console.head(if args.read { "Notifications" } else { "Unread Notifications" })?;
    let now = (session.env.now)();
    let told = |at: &str, body: &str| {
        let lines = body.lines().map(|line| format!("\n  {}", printable(line))).collect::<String>();
        format!("  {}{lines}", printable(&ago(at, now)))
    };
    for one in notifications {
        session.console.line(&printable(&one.title))?;
        session.console.line(&told(&one.created_at, &one.body))?;
        for followup in &one.followup {
            session.console.line(&told(&followup.created_at, &followup.body))?;
        }
        session.console.line("")?;
    }
    Ok(())
}
