//! The app setup as clients see it, and what they send to begin one.

use crate::link::Links;
use crate::views::AppRef;
use crate::views::app::NameOrObject;
use crate::views::build::SourceBlob;
use control::app_setup::AppSetupDetail;
use model::app_setup::AppSetupState;
use model::build::Build;
use model::id::{AppSetupId, BuildId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An app setup (APPJSON-8).
#[derive(Debug, Clone, Serialize)]
pub struct AppSetupView {
    id: AppSetupId,
    app: AppRef,
    status: &'static str,
    failure_message: Option<String>,
    manifest_errors: Vec<String>,
    build: Option<BuildRef>,
    postdeploy: Option<PostdeployView>,
    resolved_success_url: Option<String>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct BuildRef {
    id: BuildId,
    status: &'static str,
    output_stream_url: String,
}

#[derive(Debug, Clone, Serialize)]
struct PostdeployView {
    output: String,
    exit_code: i32,
}

impl AppSetupView {
    /// The setup with the address of its build's output.
    #[must_use]
    pub fn new(detail: &AppSetupDetail, links: &Links) -> Self {
        let setup = &detail.setup;
        let (failure_message, manifest_errors) = match &setup.state {
            AppSetupState::Pending | AppSetupState::Succeeded => (None, Vec::new()),
            AppSetupState::Failed(failure) => (Some(failure.why.clone()), failure.manifest_errors.clone()),
        };
        let build = |build: &Build| BuildRef {
            id: build.id,
            status: build.state.word(),
            output_stream_url: links.build_output(build.id, &build.secret),
        };
        let ran = setup.postdeploy.as_ref();
        Self {
            id: setup.id,
            app: (&detail.app).into(),
            status: setup.state.word(),
            failure_message,
            manifest_errors,
            build: detail.build.as_ref().map(build),
            postdeploy: ran.map(|ran| PostdeployView { output: ran.output.clone(), exit_code: ran.exit_code }),
            resolved_success_url: setup.plan.success_address(&detail.web_url),
            created_at: setup.created_at.rfc3339(),
            updated_at: setup.updated_at.rfc3339(),
        }
    }
}

/// Body of `POST /app-setups`.
#[derive(Debug, Deserialize)]
pub struct CreateAppSetup {
    /// Where the source is.
    pub source_blob: SourceBlob,
    /// The app.
    #[serde(default)]
    pub app: SetupApp,
    /// What is wanted otherwise than app.json has it.
    #[serde(default)]
    pub overrides: SetupOverrides,
    /// The pipeline that the app is put into; the schema does not have it, `pipelines:setup` sends it.
    pub pipeline_coupling: Option<SetupCoupling>,
}

/// A place in a pipeline.
#[derive(Debug, Deserialize)]
pub struct SetupCoupling {
    /// The pipeline, by id or by a name that only one has.
    pub pipeline: NameOrObject,
    /// Which stage.
    pub stage: String,
}

/// The app that is to be made.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetupApp {
    /// Absent or null: a generated name.
    pub name: Option<String>,
    /// The team, by name or id.
    pub organization: Option<NameOrObject>,
    /// The same by its newer name.
    pub team: Option<NameOrObject>,
    /// One's own, whatever `organization` says.
    pub personal: Option<bool>,
    /// May the team's members only look until they are added?
    pub locked: Option<bool>,
    /// A name, or `{name}`.
    pub region: Option<NameOrObject>,
    /// A name, or `{name}`.
    pub stack: Option<NameOrObject>,
    /// A space, which this server has none of.
    pub space: Option<NameOrObject>,
}

/// What is wanted otherwise than app.json has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetupOverrides {
    /// Config vars.
    pub env: BTreeMap<String, String>,
    /// Packs.
    pub buildpacks: Vec<BuildpackOverride>,
}

/// One pack.
#[derive(Debug, Deserialize)]
pub struct BuildpackOverride {
    /// Its name or address.
    pub url: String,
}
