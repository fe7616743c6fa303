//! `members`: who is in a team, and who was invited to it.

use crate::args::Print;
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::session::Session;
use crate::team::path;
use serde::Deserialize;
use serde_json::{Value, json};

/// The people of a team.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List the members of a team
    #[command(name = "members", alias = "members:list")]
    List(List),
    /// Add somebody to a team; who has no account yet is invited
    #[command(name = "members:add")]
    Add(WithRole),
    /// Give a member another role
    #[command(name = "members:set")]
    Set(WithRole),
    /// Remove somebody from a team, or take their invitation back
    #[command(name = "members:remove")]
    Remove(One),
    /// List the invitations to a team that are open
    #[command(name = "members:invitations")]
    Invitations(OfTeam),
    /// Accept an invitation
    #[command(name = "members:accept")]
    Accept(Accept),
}

/// Which team.
#[derive(Debug, Clone, clap::Args)]
pub struct OfTeam {
    /// The team
    #[arg(short, long)]
    team: String,
    #[command(flatten)]
    print: Print,
}

/// What `members` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// Only those with this role
    #[arg(short, long)]
    role: Option<String>,
    #[command(flatten)]
    of: OfTeam,
}

/// What `members:add` and `members:set` take.
#[derive(Debug, Clone, clap::Args)]
pub struct WithRole {
    /// Who
    email: String,
    /// admin, member or viewer
    #[arg(short, long, default_value = "member")]
    role: String,
    #[command(flatten)]
    of: OfTeam,
}

/// What `members:remove` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Who
    email: String,
    #[command(flatten)]
    of: OfTeam,
}

/// What `members:accept` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Accept {
    /// What whoever invited you was given
    token: String,
    #[command(flatten)]
    print: Print,
}

#[derive(Deserialize)]
struct Member {
    email: String,
    role: String,
    two_factor_authentication: bool,
}

#[derive(Deserialize)]
struct Invitation {
    id: String,
    team: Named,
    user: Person,
    invited_by: Person,
    role: String,
    created_at: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Person {
    email: String,
}

#[derive(Deserialize)]
struct Invited {
    token: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.of.print,
            Self::Add(args) | Self::Set(args) => args.of.print,
            Self::Remove(args) => args.of.print,
            Self::Invitations(args) => args.print,
            Self::Accept(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args).await,
            Self::Add(args) => add(session, &args).await,
            Self::Set(args) => set(session, &args).await,
            Self::Remove(args) => remove(session, &args).await,
            Self::Invitations(args) => invitations(session, &args).await,
            Self::Accept(args) => accept(session, &args).await,
        }
    }
}

async fn list(session: &mut Session<'_>, args: &List) -> Result<(), CliError> {
    let team = &args.of.team;
    let mut all = session.client.all(&path(team, "/members")).await?;
    all.retain(|one| args.role.as_deref().is_none_or(|role| one["role"] == role));
    let answer = Value::Array(all);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let members: Vec<Member> = session.client.read(&answer)?;
    if members.is_empty() {
        let line = format!("{team} has no {}.", args.role.as_deref().unwrap_or("member"));
        return session.console.line(&line);
    }
    let row = |one: Member| {
        let factor = if one.two_factor_authentication { "2fa" } else { "" };
        vec![Cell(one.email, Some(Paint::Name)), Cell(one.role, None), Cell(factor.to_owned(), Some(Paint::Good))]
    };
    let rows: Vec<Vec<Cell>> = members.into_iter().map(row).collect();
    session.console.table(&rows)
}

/// A member; or, of an e-mail that has no account, somebody invited.
async fn add(session: &mut Session<'_>, args: &WithRole) -> Result<(), CliError> {
    let team = &args.of.team;
    session.console.begin(&format!("Adding {} to {team} as {}", args.email, args.role))?;
    let body = json!({ "email": args.email, "role": args.role });
    match session.client.post(&path(team, "/members"), &body).await {
        Ok(answer) => return session.done("done", &answer),
        Err(error) if error.lacks("user") => {}
        Err(error) => return Err(error),
    }
    let answer = session.client.put(&path(team, "/invitations"), &body).await?;
    session.done("invited: there is no account with this e-mail yet", &answer)?;
    if session.console.is_json() {
        return Ok(());
    }
    let Invited { token } = session.client.read(&answer)?;
    session.console.line(&token)?;
    session.console.flush()?;
    let email = &args.email;
    session.console.note(&format!(
        "      This token is told only here. Hand it to {email}. An operator makes the account\n      \
         (`flowline accounts:create {email}`); logged in with it, they type:\n        flowline members:accept {token}"
    ))
}

async fn set(session: &mut Session<'_>, args: &WithRole) -> Result<(), CliError> {
    let team = &args.of.team;
    session.console.begin(&format!("Setting the role of {} in {team} to {}", args.email, args.role))?;
    let body = json!({ "email": args.email, "role": args.role });
    let answer = session.client.patch(&path(team, "/members"), &body).await?;
    session.done("done", &answer)
}

async fn remove(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let team = &args.of.team;
    session.console.begin(&format!("Removing {} from {team}", args.email))?;
    let missing = match session.client.delete(&path(team, &format!("/members/{}", segment(&args.email)))).await {
        Ok(gone) => return session.done("done", &gone),
        Err(error) if error.lacks("member") => error,
        Err(error) => return Err(error),
    };
    let open = Value::Array(session.client.all(&path(team, "/invitations")).await?);
    let open: Vec<Invitation> = session.client.read(&open)?;
    let Some(invitation) = open.into_iter().find(|one| one.user.email.eq_ignore_ascii_case(&args.email)) else {
        return Err(missing);
    };
    let gone = session.client.delete(&path(team, &format!("/invitations/{}", segment(&invitation.id)))).await?;
    session.done("done, the invitation was taken back", &gone)
}

async fn invitations(session: &mut Session<'_>, args: &OfTeam) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all(&path(&args.team, "/invitations")).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let open: Vec<Invitation> = session.client.read(&answer)?;
    if open.is_empty() {
        return session.console.line(&format!("Nobody is invited to {}.", args.team));
    }
    let now = (session.env.now)();
    let row = |one: Invitation| {
        vec![
            Cell(one.user.email, Some(Paint::Name)),
            Cell(one.role, None),
            Cell(format!("by {}", one.invited_by.email), None),
            Cell(ago(&one.created_at, now), Some(Paint::Faint)),
        ]
    };
    let rows: Vec<Vec<Cell>> = open.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn accept(session: &mut Session<'_>, args: &Accept) -> Result<(), CliError> {
    let path = format!("/teams/invitations/{}", segment(&args.token));
    let invitation: Invitation = session.client.read(&session.client.get(&path).await?)?;
    session.console.begin(&format!("Joining {} as {}", invitation.team.name, invitation.role))?;
    let answer = session.client.post(&format!("{path}/accept"), &json!({})).await?;
    session.done("done", &answer)
}
