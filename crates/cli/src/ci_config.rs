//! `ci:gate` and `ci:config*`: whether a pipeline's pushes are tested, and what its tests get.

use crate::args::Print;
use crate::ci::{Of, pipeline_of};
use crate::config_var::{parse_pair, show};
use crate::error::CliError;
use crate::pipeline;
use crate::session::Session;
use clap::ValueEnum;
use serde_json::{Map, Value, json};

const PATH: &str = "/stage/test/config-vars";

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Pushes are tested first
    On,
    /// Pushes are built at once
    Off,
}

/// What `ci:gate` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Gate {
    /// Without it, it is shown
    switch: Option<Switch>,
    /// A test run may take so many minutes
    #[arg(long, value_name = "MINUTES")]
    time_limit: Option<u64>,
    #[command(flatten)]
    of: Of,
}

/// What `ci:config:get` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Key {
    /// Its name
    key: String,
    #[command(flatten)]
    of: Of,
}

/// What `ci:config:set` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Set {
    /// Names and values
    #[arg(value_name = "KEY=VALUE", required = true)]
    pairs: Vec<String>,
    #[command(flatten)]
    of: Of,
}

/// What `ci:config:unset` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Keys {
    /// Their names
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
    #[command(flatten)]
    of: Of,
}

impl Gate {
    pub(crate) fn print(&self) -> Print {
        self.of.on.print
    }
}

impl Key {
    pub(crate) fn print(&self) -> Print {
        self.of.on.print
    }
}

impl Set {
    pub(crate) fn print(&self) -> Print {
        self.of.on.print
    }
}

impl Keys {
    pub(crate) fn print(&self) -> Print {
        self.of.on.print
    }
}

/// Shows the gate, or changes it.
pub(crate) async fn gate(session: &mut Session<'_>, args: &Gate) -> Result<(), CliError> {
    let (id, name) = pipeline_of(session, &args.of).await?;
    let path = pipeline::path(&id, "/test-gate");
    let mut change = Map::new();
    if let Some(switch) = args.switch {
        change.insert("enabled".into(), json!(switch == Switch::On));
    }
    if let Some(minutes) = args.time_limit {
        change.insert("time_limit_s".into(), json!(minutes.saturating_mul(60)));
    }
    let answer = if change.is_empty() {
        session.client.get(&path).await?
    } else {
        session.client.patch(&path, &Value::Object(change)).await?
    };
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let minutes = answer["time_limit_s"].as_u64().unwrap_or_default() / 60;
    let said = if answer["enabled"] == true {
        format!("{name}: pushes are tested before they are built. A test run may take {minutes} minutes.")
    } else {
        format!("{name}: pushes are built without a test run; `flowline ci:gate on -p {name}` changes that.")
    };
    session.console.line(&said)
}

/// All of them.
pub(crate) async fn list(session: &mut Session<'_>, of: &Of) -> Result<(), CliError> {
    let (id, name) = pipeline_of(session, of).await?;
    let answer = session.client.get(&pipeline::path(&id, PATH)).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let vars: Map<String, Value> = session.client.exact(&answer)?;
    if vars.is_empty() {
        return session.console.line(&format!("{name} has no test config vars."));
    }
    session.console.head(&format!("{name} Test Config Vars"))?;
    show(session, &vars)
}

/// One of them; one that is not set prints an empty line and makes the exit code 4.
pub(crate) async fn get(session: &mut Session<'_>, args: &Key) -> Result<(), CliError> {
    let (id, name) = pipeline_of(session, &args.of).await?;
    let answer = session.client.get(&pipeline::path(&id, PATH)).await?;
    let vars: Map<String, Value> = session.client.exact(&answer)?;
    let value = vars.get(&args.key);
    if session.console.is_json() {
        session.console.json(&json!({ &args.key: value }))?;
    } else {
        session.console.line(value.and_then(Value::as_str).unwrap_or_default())?;
    }
    let missing = || {
        CliError::missing(
            format!("{} is not set for the tests of {name}.", args.key),
            "`flowline ci:config` lists what is.",
        )
    };
    value.map(drop).ok_or_else(missing)
}

/// Sets some, for the runs that begin from now on.
pub(crate) async fn set(session: &mut Session<'_>, args: &Set) -> Result<(), CliError> {
    let patch = args.pairs.iter().map(|pair| parse_pair(pair)).collect::<Result<Map<String, Value>, _>>()?;
    let after = change(session, &args.of, "Setting", &patch).await?;
    if session.console.is_json() {
        return session.console.json(&after);
    }
    let after: Map<String, Value> = session.client.exact(&after)?;
    show(session, &after.into_iter().filter(|(name, _)| patch.contains_key(name)).collect())
}

/// Removes some.
pub(crate) async fn unset(session: &mut Session<'_>, args: &Keys) -> Result<(), CliError> {
    let patch = args.keys.iter().map(|key| (key.clone(), Value::Null)).collect();
    let after = change(session, &args.of, "Unsetting", &patch).await?;
    if session.console.is_json() { session.console.json(&after) } else { Ok(()) }
}

async fn change(session: &mut Session<'_>, of: &Of, verb: &str, patch: &Map<String, Value>) -> Result<Value, CliError> {
    let (id, name) = pipeline_of(session, of).await?;
    let names = patch.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    session.console.begin(&format!("{verb} {names} for the tests of {name}"))?;
    let after = session.client.patch(&pipeline::path(&id, PATH), &Value::Object(patch.clone())).await?;
    session.console.end("done")?;
    Ok(after)
}
