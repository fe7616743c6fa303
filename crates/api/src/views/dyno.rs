//! The dyno as clients see it, and what they send to run one.

use crate::views::{AppRef, IdRef};
use model::app::App;
use model::dyno::Dyno;
use model::id::{DynoId, ReleaseId};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// A dyno (DYNO-37).
#[derive(Debug, Clone, Serialize)]
pub struct DynoView {
    id: DynoId,
    name: String,
    #[serde(rename = "type")]
    process_type: String,
    command: String,
    size: String,
    state: &'static str,
    app: AppRef,
    release: ReleaseRef,
    /// Only of an attached one-off dyno.
    attach_url: Option<String>,
    created_at: String,
    updated_at: String,
}

/// `{id, version}` of the release that a dyno runs.
#[derive(Debug, Clone, Serialize)]
struct ReleaseRef {
    #[serde(flatten)]
    id: IdRef<ReleaseId>,
    version: i64,
}

impl DynoView {
    /// The dyno of this app.
    #[must_use]
    pub fn new(app: &App, dyno: &Dyno) -> Self {
        Self {
            id: dyno.id,
            name: dyno.name.to_string(),
            process_type: dyno.name.process_type.to_string(),
            command: dyno.command.clone(),
            size: dyno.size.to_string(),
            state: dyno.state.word(),
            app: app.into(),
            release: ReleaseRef { id: IdRef { id: dyno.release }, version: dyno.version },
            attach_url: None,
            created_at: dyno.created_at.rfc3339(),
            updated_at: dyno.since.rfc3339(),
        }
    }

    /// The same, with the address where its client is awaited.
    #[must_use]
    pub fn awaiting_at(self, attach_url: Option<String>) -> Self {
        Self { attach_url, ..self }
    }
}

/// A value of an environment: the official command line sends `COLUMNS` and `LINES` of a terminal as numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum EnvValue {
    Text(String),
    Number(serde_json::Number),
}

fn environment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let values = Option::<BTreeMap<String, EnvValue>>::deserialize(from)?;
    let text = |value| match value {
        EnvValue::Text(text) => text,
        EnvValue::Number(number) => number.to_string(),
    };
    Ok(values.map(|values| values.into_iter().map(|(name, value)| (name, text(value))).collect()))
}

/// Body of `POST /apps/{app}/dynos` (DYNO-50).
#[derive(Debug, Deserialize)]
pub struct CreateDyno {
    /// What to run; the name of a process type stands for its command (DYNO-51).
    pub command: String,
    /// Wait for a terminal.
    #[serde(default)]
    pub attach: Option<bool>,
    /// More environment, over the config vars.
    #[serde(default, deserialize_with = "environment")]
    pub env: Option<BTreeMap<String, String>>,
    /// The size, in any case (CLI-12).
    #[serde(default)]
    pub size: Option<String>,
    /// The first half of its name; `run` when absent.
    #[serde(default, rename = "type")]
    pub process_type: Option<String>,
    /// Attached by pipes instead of a terminal.
    #[serde(default)]
    pub force_no_tty: Option<bool>,
    /// It is ended after this many seconds.
    #[serde(default)]
    pub time_to_live: Option<u64>,
}

/// Body of `POST /apps/{app}/dynos/{dyno}`: a command in a dyno that runs.
#[derive(Debug, Deserialize)]
pub struct RunInside {
    /// What to run.
    pub command: String,
    /// More environment, over the config vars.
    #[serde(default, deserialize_with = "environment")]
    pub env: Option<BTreeMap<String, String>>,
    /// Attached by pipes instead of a terminal.
    #[serde(default)]
    pub force_no_tty: Option<bool>,
}
