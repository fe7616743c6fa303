//! `webhooks`, and what came of them: `webhooks:deliveries`, `webhooks:events`.

use crate::args::{AppOnly, OnApp, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The newest first, as many as one answer holds.
const NEWEST: &str = "seq ..; order=desc, max=1000";

/// The commands about webhooks.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum WebhookCommand {
    /// List the webhooks
    #[command(name = "webhooks", alias = "webhooks:list")]
    List(AppOnly),
    /// Tell an address what happens to an app
    #[command(name = "webhooks:add")]
    Add(Add),
    /// Show a webhook
    #[command(name = "webhooks:info")]
    Show(One),
    /// Change a webhook
    #[command(name = "webhooks:update")]
    Update(Update),
    /// Remove a webhook
    #[command(name = "webhooks:remove", alias = "webhooks:delete")]
    Remove(One),
    /// List what was delivered, and what was not
    #[command(name = "webhooks:deliveries")]
    Deliveries(AppOnly),
    /// Show a delivery
    #[command(name = "webhooks:deliveries:info")]
    Delivery(One),
    /// List what happened to an app
    #[command(name = "webhooks:events")]
    Events(AppOnly),
    /// Show an event with all that it holds
    #[command(name = "webhooks:events:info")]
    Event(One),
}

impl WebhookCommand {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) | Self::Deliveries(args) | Self::Events(args) => args.on.print,
            Self::Add(args) => args.on.print,
            Self::Update(args) => args.on.print,
            Self::Show(args) | Self::Remove(args) | Self::Delivery(args) | Self::Event(args) => args.on.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args.on).await,
            Self::Add(args) => add(session, args).await,
            Self::Show(args) => show(session, args).await,
            Self::Update(args) => update(session, args).await,
            Self::Remove(args) => remove(session, args).await,
            Self::Deliveries(args) => deliveries(session, &args.on).await,
            Self::Delivery(args) => delivery(session, args).await,
            Self::Events(args) => events(session, &args.on).await,
            Self::Event(args) => event(session, args).await,
        }
    }
}

/// What `webhooks:add` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Add {
    /// What to be told of, such as api:release,api:build,dyno
    #[arg(short, long, value_delimiter = ',', required = true)]
    include: Vec<String>,
    /// notify: one attempt. sync: until it is delivered, in order
    #[arg(short, long)]
    level: String,
    /// Where to
    #[arg(short, long)]
    url: String,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    on: OnApp,
}

/// What `webhooks:update` takes; what is not given stays.
#[derive(Debug, Clone, clap::Args)]
pub struct Update {
    /// Its id, as `flowline webhooks` lists it
    webhook: String,
    /// What to be told of, such as api:release,api:build,dyno
    #[arg(short, long, value_delimiter = ',')]
    include: Option<Vec<String>>,
    /// notify: one attempt. sync: until it is delivered, in order
    #[arg(short, long)]
    level: Option<String>,
    /// Where to
    #[arg(short, long)]
    url: Option<String>,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    on: OnApp,
}

/// What a notification is signed and sent with.
#[derive(Debug, Clone, Default, clap::Args)]
struct Keys {
    /// The key of the signatures; without it the server makes one, and it is printed once
    #[arg(short, long)]
    secret: Option<String>,
    /// An Authorization header to send along
    #[arg(short = 't', long)]
    authorization: Option<String>,
}

/// One webhook, delivery or event.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its id
    id: String,
    #[command(flatten)]
    on: OnApp,
}

/// What is read of a webhook.
#[derive(Deserialize)]
struct Webhook {
    id: String,
    include: Vec<String>,
    level: String,
    url: String,
}

/// What is read of a delivery.
#[derive(Deserialize)]
struct Delivery {
    id: String,
    event: EventRef,
    status: String,
    num_attempts: u32,
    next_attempt_at: Option<String>,
    last_attempt: Option<Attempt>,
    created_at: String,
}

#[derive(Deserialize)]
struct EventRef {
    id: String,
    include: String,
}

#[derive(Deserialize)]
struct Attempt {
    code: Option<u16>,
    error_class: Option<String>,
}

/// What is read of an event.
#[derive(Deserialize)]
struct Event {
    id: String,
    include: String,
    payload: Payload,
    created_at: String,
}

#[derive(Deserialize)]
struct Payload {
    action: String,
    actor: Actor,
}

#[derive(Deserialize)]
struct Actor {
    email: String,
}

/// All of the app's.
async fn list(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.all(&app.path("/webhooks")).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let webhooks: Vec<Webhook> = session.client.read(&answer)?;
    let name = session.console.app(&app.name);
    if webhooks.is_empty() {
        return session.console.line(&format!("{name} has no webhooks. `flowline webhooks:add` makes one."));
    }
    session.console.head(&format!("{name} Webhooks"))?;
    let row = |webhook: Webhook| {
        let cells = [webhook.id, webhook.url, webhook.include.join(","), webhook.level];
        cells.map(|text| Cell(text, None)).into()
    };
    let rows: Vec<Vec<Cell>> = webhooks.into_iter().map(row).collect();
    session.console.table(&rows)
}

/// Subscribes. A secret that the server made goes to stdout, everything else to stderr.
async fn add(session: &mut Session<'_>, args: &Add) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    session.console.begin(&format!("Adding webhook to {}", session.console.app_note(&app.name)))?;
    let mut body = json!({ "include": args.include, "level": args.level, "url": args.url });
    args.keys.put_into(&mut body);
    let path = app.path("/webhooks");
    let (mut answer, secret) = session.client.post_and_header(&path, &body, "heroku-webhook-secret").await?;
    session.console.end("done")?;
    if session.console.is_json() {
        answer["secret"] = Value::from(secret);
        return session.console.json(&answer);
    }
    match secret {
        Some(secret) => {
            session.console.note("Its signing secret, which is not shown again:")?;
            session.console.line(&secret)
        }
        None => Ok(()),
    }
}

impl Keys {
    fn put_into(&self, body: &mut Value) {
        for (name, value) in [("secret", &self.secret), ("authorization", &self.authorization)] {
            if let Some(value) = value {
                body[name] = Value::from(value.clone());
            }
        }
    }
}

/// One webhook.
async fn show(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let answer = session.client.get(&app.path(&format!("/webhooks/{}", segment(&args.id)))).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let webhook: Webhook = session.client.read(&answer)?;
    session.console.head(&format!("Webhook {}", webhook.id))?;
    let include = webhook.include.join(",");
    session.console.fields(&[("Include", include), ("Level", webhook.level), ("URL", webhook.url)])
}

/// Changes one.
async fn update(session: &mut Session<'_>, args: &Update) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let mut body = Value::Object(Map::new());
    if let Some(include) = &args.include {
        body["include"] = json!(include);
    }
    for (name, value) in [("level", &args.level), ("url", &args.url)] {
        if let Some(value) = value {
            body[name] = Value::from(value.clone());
        }
    }
    args.keys.put_into(&mut body);
    let what = format!("Updating webhook {} of {}", args.webhook, session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer = session.client.patch(&app.path(&format!("/webhooks/{}", segment(&args.webhook))), &body).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

/// Removes one.
async fn remove(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let what = format!("Removing webhook {} from {}", args.id, session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer = session.client.delete(&app.path(&format!("/webhooks/{}", segment(&args.id)))).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

/// The newest deliveries, newest first.
async fn deliveries(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.page(&app.path("/webhook-deliveries"), NEWEST).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let deliveries: Vec<Delivery> = session.client.read(&answer)?;
    let name = session.console.app(&app.name);
    if deliveries.is_empty() {
        return session.console.line(&format!("{name} has no webhook deliveries."));
    }
    session.console.head(&format!("{name} Webhook Deliveries"))?;
    let now = (session.env.now)();
    let row = |one: &Delivery| {
        vec![
            Cell(one.id.clone(), None),
            Cell(one.status.clone(), Some(one.paint())),
            Cell(one.event.include.clone(), None),
            Cell(one.num_attempts.to_string(), None),
            Cell(one.last(), None),
            Cell(ago(&one.created_at, now), None),
        ]
    };
    let rows: Vec<Vec<Cell>> = deliveries.iter().map(row).collect();
    session.console.table(&rows)
}

impl Delivery {
    fn paint(&self) -> Paint {
        match self.status.as_str() {
            "succeeded" => Paint::Good,
            "failed" => Paint::Bad,
            _ => Paint::Series(0),
        }
    }

    /// How the last attempt ended: a status, or why there was none.
    fn last(&self) -> String {
        let last = self.last_attempt.as_ref();
        let code = last.and_then(|last| last.code).map(|code| code.to_string());
        code.or_else(|| last.and_then(|last| last.error_class.clone())).unwrap_or_else(|| "-".to_owned())
    }
}

/// One delivery.
async fn delivery(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let answer = session.client.get(&app.path(&format!("/webhook-deliveries/{}", segment(&args.id)))).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let one: Delivery = session.client.read(&answer)?;
    let now = (session.env.now)();
    session.console.head(&format!("Delivery {}", one.id))?;
    let status = session.console.paint(one.paint(), &one.status);
    session.console.fields(&[
        ("Attempts", one.num_attempts.to_string()),
        ("Created", ago(&one.created_at, now)),
        ("Event", format!("{} {}", one.event.include, one.event.id)),
        ("Last Attempt", one.last()),
        ("Next Attempt", one.next_attempt_at.unwrap_or_else(|| "none".to_owned())),
        ("Status", status),
    ])
}

/// The newest events, newest first.
async fn events(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.page(&app.path("/webhook-events"), NEWEST).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let events: Vec<Event> = session.client.read(&answer)?;
    let head = format!("{} Webhook Events", session.console.app(&app.name));
    session.console.head(&head)?;
    let now = (session.env.now)();
    let row = |event: Event| {
        let when = ago(&event.created_at, now);
        let cells = [event.id, event.include, event.payload.action, event.payload.actor.email, when];
        cells.map(|text| Cell(text, None)).into()
    };
    let rows: Vec<Vec<Cell>> = events.into_iter().map(row).collect();
    session.console.table(&rows)
}

/// One event with all that it holds.
async fn event(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let answer = session.client.get(&app.path(&format!("/webhook-events/{}", segment(&args.id)))).await?;
    session.console.json(&answer)
}
