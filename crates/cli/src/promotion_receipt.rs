//! `promotions`, `promotions:info`: what was promoted, and how that went.

use crate::args::Print;
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::pipeline;
use crate::promotion::{is_failed, paint};
use crate::session::Session;
use serde::Deserialize;
use serde_json::Value;

/// What `promotions` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct OfPipeline {
    /// The pipeline, by name or id
    pipeline: String,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// What `promotions:info` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct OnePromotion {
    /// Its id
    promotion: String,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Deserialize)]
struct Promotion {
    id: String,
    status: String,
    created_at: String,
    user: User,
}

#[derive(Deserialize)]
struct User {
    email: String,
}

#[derive(Deserialize)]
struct Receipt {
    pipeline: Named,
    from: From,
    to: Vec<To>,
    user: User,
    gates: Vec<String>,
    status: String,
    created_at: String,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: Option<String>,
}

impl Named {
    fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.clone())
    }
}

#[derive(Deserialize)]
struct From {
    app: Named,
    release: Version,
    commit: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    version: i64,
}

#[derive(Deserialize)]
struct To {
    app: Named,
    release: Option<Version>,
    status: String,
    error_message: Option<String>,
    settled_after_ms: Option<u64>,
    live_after_ms: Option<u64>,
    requests: Option<u64>,
    in_flight: Option<u64>,
    held: Option<u64>,
    failed: Option<u64>,
}

impl To {
    /// In one line: the release, how long it took, what requests met.
    fn said(&self) -> String {
        let mut said = Vec::new();
        said.extend(self.release.as_ref().map(|release| format!("v{}", release.version)));
        said.extend(self.error_message.clone());
        said.extend(self.settled_after_ms.map(|ms| format!("settled after {ms} ms")));
        said.extend(self.live_after_ms.map(|ms| format!("live after {ms} ms")));
        if let (Some(requests), Some(in_flight), Some(held), Some(failed)) =
            (self.requests, self.in_flight, self.held, self.failed)
        {
            said.push(format!("{requests} requests: {in_flight} in flight, {held} held, {failed} failed"));
        }
        said.join("; ")
    }
}

/// The newest promotions of a pipeline.
pub(crate) async fn list(session: &mut Session<'_>, args: &OfPipeline) -> Result<(), CliError> {
    let (_, pipeline) = pipeline::find(session, &args.pipeline).await?;
    let path = pipeline::path(&pipeline.id, "/promotions");
    let answer = Value::Array(session.client.page(&path, "created_at ..; order=desc,max=20").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let all: Vec<Promotion> = session.client.read(&answer)?;
    if all.is_empty() {
        return session.console.line(&format!("Nothing was promoted in {} yet.", pipeline.name));
    }
    session.console.head(&format!("{} Promotions", pipeline.name))?;
    let now = (session.env.now)();
    let row = |one: Promotion| {
        let when = ago(&one.created_at, now);
        vec![
            Cell(one.id, Some(Paint::Name)),
            Cell(one.status, Some(Paint::Faint)),
            Cell(one.user.email, None),
            Cell(when, None),
        ]
    };
    let rows: Vec<Vec<Cell>> = all.into_iter().map(row).collect();
    session.console.table(&rows)
}

/// The receipt of a promotion.
pub(crate) async fn show(session: &mut Session<'_>, args: &OnePromotion) -> Result<(), CliError> {
    let (answer, receipt) = read(session, &args.promotion).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.head(&format!("Promotion {}", args.promotion))?;
    let commit = receipt.from.commit.as_deref().map(|commit| format!(" ({commit})")).unwrap_or_default();
    let gates = if receipt.gates.is_empty() { "none".to_owned() } else { receipt.gates.join("; ") };
    session.console.fields(&[
        ("Pipeline", receipt.pipeline.shown()),
        ("From", format!("{} v{}{commit}", receipt.from.app.shown(), receipt.from.release.version)),
        ("By", receipt.user.email.clone()),
        ("When", ago(&receipt.created_at, (session.env.now)())),
        ("Gates passed", gates),
        ("Status", receipt.status.clone()),
    ])?;
    session.console.line("")?;
    targets(session, &receipt)
}

fn targets(session: &mut Session<'_>, receipt: &Receipt) -> Result<(), CliError> {
    let row = |to: &To| {
        vec![
            Cell(to.app.shown(), Some(Paint::App)),
            Cell(to.status.clone(), Some(paint(&to.status))),
            Cell(to.said(), None),
        ]
    };
    let rows: Vec<Vec<Cell>> = receipt.to.iter().map(row).collect();
    session.console.table(&rows)
}

/// How a promotion ended, and an error unless all of it succeeded (PIPE-35).
pub(crate) async fn outcome(session: &mut Session<'_>, id: &str) -> Result<(), CliError> {
    let (answer, receipt) = read(session, id).await?;
    if session.console.is_json() {
        session.console.json(&answer)?;
    } else {
        targets(session, &receipt)?;
    }
    if is_failed(&answer) {
        let message = "Promotion to some apps failed; what ran there before still runs.";
        return Err(CliError::failed(message, format!("`flowline promotions:info {id}` has its receipt.")));
    }
    session.console.note("Promotion successful.")
}

async fn read(session: &Session<'_>, id: &str) -> Result<(Value, Receipt), CliError> {
    let answer = session.client.get(&format!("/pipeline-promotions/{}/receipt", segment(id))).await?;
    let receipt = session.client.read(&answer)?;
    Ok((answer, receipt))
}
