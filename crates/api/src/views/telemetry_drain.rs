//! Telemetry drains as clients see and wish them.

use control::telemetry_drain::Wish;
use model::id::{AppId, TelemetryDrainId};
use model::telemetry_drain::TelemetryDrain;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A telemetry drain.
#[derive(Debug, Clone, Serialize)]
pub struct TelemetryDrainView {
    id: TelemetryDrainId,
    owner: OwnerView,
    signals: Vec<&'static str>,
    exporter: ExporterView,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct OwnerView {
    id: AppId,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct ExporterView {
    #[serde(rename = "type")]
    kind: &'static str,
    endpoint: String,
    headers: BTreeMap<String, String>,
}

impl From<&TelemetryDrain> for TelemetryDrainView {
    fn from(drain: &TelemetryDrain) -> Self {
        Self {
            id: drain.id,
            owner: OwnerView { id: drain.app, kind: APP },
            signals: drain.signals.words(),
            exporter: ExporterView {
                kind: drain.exporter.kind.word(),
                endpoint: drain.exporter.endpoint.as_str().to_owned(),
                headers: drain.exporter.headers.clone(),
            },
            created_at: drain.created_at.rfc3339(),
            updated_at: drain.updated_at.rfc3339(),
        }
    }
}

/// The only owner that there is; the other one of the platform is a private space.
const APP: &str = "app";

/// Body of `POST /telemetry-drains`.
#[derive(Debug, Deserialize)]
pub struct CreateTelemetryDrain {
    owner: Owner,
    signals: Vec<String>,
    exporter: ExporterWish,
}

/// Body of `PATCH /telemetry-drains/{telemetry_drain}`; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateTelemetryDrain {
    signals: Option<Vec<String>>,
    exporter: ExporterWish,
}

#[derive(Debug, Deserialize)]
struct Owner {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExporterWish {
    #[serde(rename = "type")]
    kind: Option<String>,
    endpoint: Option<String>,
    headers: Option<BTreeMap<String, String>>,
}

impl ExporterWish {
    fn with(self, signals: Option<Vec<String>>) -> Wish {
        Wish { signals, kind: self.kind, endpoint: self.endpoint, headers: self.headers }
    }
}

impl CreateTelemetryDrain {
    /// The app that it is for, and what is wished; `None`: it is for none.
    #[must_use]
    pub fn for_app(self) -> Option<(String, Wish)> {
        (self.owner.kind == APP).then(|| (self.owner.id, self.exporter.with(Some(self.signals))))
    }
}

impl From<UpdateTelemetryDrain> for Wish {
    fn from(body: UpdateTelemetryDrain) -> Self {
        body.exporter.with(body.signals)
    }
}
