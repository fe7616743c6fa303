//! The formation as clients see it, and what they send to scale.

use crate::views::app::NameOrObject;
use crate::views::{AppRef, Named, given};
use control::formation::FormationDetail;
use model::app::App;
use model::id::FormationId;
use serde::{Deserialize, Serialize};

/// The entry of one process type.
#[derive(Debug, Clone, Serialize)]
pub struct FormationView {
    id: FormationId,
    app: AppRef,
    #[serde(rename = "type")]
    process_type: String,
    command: String,
    quantity: u32,
    size: String,
    dyno_size: Named,
    created_at: String,
    updated_at: String,
}

impl FormationView {
    /// The entry with the command that its dynos run.
    #[must_use]
    pub fn new(app: &App, detail: &FormationDetail) -> Self {
        let entry = &detail.entry;
        Self {
            id: entry.id,
            app: app.into(),
            process_type: entry.process_type.to_string(),
            command: detail.command.clone(),
            quantity: entry.quantity,
            size: entry.size.to_string(),
            dyno_size: Named::dyno_size(&entry.size.to_string()),
            created_at: entry.created_at.rfc3339(),
            updated_at: entry.updated_at.rfc3339(),
        }
    }
}

/// A process type that is there in a release only that is not current yet. An extension: an answer of the platform would need an entry.
#[derive(Debug, Clone, Serialize)]
pub struct PendingType {
    id: &'static str,
    message: String,
}

impl PendingType {
    /// This release brings it, or takes it out again.
    #[must_use]
    pub fn new(app: &App, process_type: &str, version: i64) -> Self {
        let message = format!(
            "v{version} was made; what it changes of {process_type} holds when its release command has succeeded. To see \
             it: flowline releases:info v{version} -a {}",
            app.name
        );
        Self { id: "pending", message }
    }
}

/// Body of `PATCH /apps/{app}/formation`.
#[derive(Debug, Deserialize)]
pub struct UpdateFormation {
    /// One per process type.
    pub updates: Vec<FormationUpdate>,
}

/// What should become of one process type; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FormationUpdate {
    /// The process type, or the entry's id. Absent where the path says it.
    #[serde(rename = "type")]
    pub process_type: String,
    /// `2`, `"2"`, `"+1"` or `"-1"`.
    pub quantity: Option<NumberOrText>,
    /// A size's name, in any case (CLI-12).
    pub size: Option<String>,
    /// The same, as `{name}`.
    pub dyno_size: Option<NameOrObject>,
    /// The image that it is to run, by the digest of its configuration; null: the type goes.
    #[serde(deserialize_with = "given")]
    pub docker_image: Option<Option<String>>,
    /// Why an image is released without the tests that the app's pipeline asks for. An extension.
    #[serde(rename = "override")]
    pub reason: Option<String>,
}

impl FormationUpdate {
    /// The size that is asked for, whichever way.
    #[must_use]
    pub fn size(&self) -> Option<String> {
        self.size.clone().or_else(|| self.dyno_size.clone().map(NameOrObject::into_text))
    }

    /// The quantity as text.
    #[must_use]
    pub fn quantity(&self) -> Option<String> {
        self.quantity.as_ref().map(|quantity| match quantity {
            NumberOrText::Number(number) => number.to_string(),
            NumberOrText::Text(text) => text.trim().to_owned(),
        })
    }
}

/// The command line sends quantities as text, other clients as numbers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a whole number, or text such as \"2\", \"+1\" or \"-1\"")]
pub enum NumberOrText {
    /// `2`.
    Number(i64),
    /// `"+1"`.
    Text(String),
}
