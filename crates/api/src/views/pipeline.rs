//! Pipelines, couplings and transfers as clients see them.

use crate::views::app::NameOrObject;
use crate::views::{IdRef, Named};
use control::pipeline::OwnerName;
use control::pipeline_coupling::CouplingDetail;
use control::pipeline_transfer::PipelineTransfer;
use model::id::{AppId, PipelineCouplingId, PipelineId};
use model::pipeline::{Pipeline, PipelineOwner};
use model::stack::Stack;
use serde::{Deserialize, Serialize};

/// A pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct PipelineView {
    id: PipelineId,
    name: String,
    /// Never null: clients dereference it (CLI-22).
    owner: OwnerView,
    generation: Named,
    created_at: String,
    updated_at: String,
}

/// Whose a pipeline is.
#[derive(Debug, Clone, Serialize)]
struct OwnerView {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl From<PipelineOwner> for OwnerView {
    fn from(owner: PipelineOwner) -> Self {
        let id = match owner {
            PipelineOwner::User(account) => account.to_string(),
            PipelineOwner::Team(team) => team.to_string(),
        };
        Self { id, kind: owner.word() }
    }
}

impl From<&Pipeline> for PipelineView {
    fn from(pipeline: &Pipeline) -> Self {
        Self {
            id: pipeline.id,
            name: pipeline.name.to_string(),
            owner: pipeline.owner.into(),
            generation: Named::cedar(),
            created_at: pipeline.created_at.rfc3339(),
            updated_at: pipeline.updated_at.rfc3339(),
        }
    }
}

/// A coupling.
#[derive(Debug, Clone, Serialize)]
pub struct CouplingView {
    id: PipelineCouplingId,
    app: IdRef<AppId>,
    pipeline: PipelineRef,
    stage: &'static str,
    created_at: String,
    updated_at: String,
}

/// `{id, name}` of a pipeline.
#[derive(Debug, Clone, Serialize)]
struct PipelineRef {
    id: PipelineId,
    name: String,
}

impl From<&CouplingDetail> for CouplingView {
    fn from(detail: &CouplingDetail) -> Self {
        let coupling = &detail.coupling;
        Self {
            id: coupling.id,
            app: IdRef { id: coupling.app },
            pipeline: PipelineRef { id: detail.pipeline.id, name: detail.pipeline.name.to_string() },
            stage: coupling.stage.word(),
            created_at: coupling.created_at.rfc3339(),
            updated_at: coupling.updated_at.rfc3339(),
        }
    }
}

/// What test and review apps run on.
#[derive(Debug, Clone, Serialize)]
pub struct PipelineStackView {
    stack: Option<Named>,
}

impl From<Option<Stack>> for PipelineStackView {
    fn from(stack: Option<Stack>) -> Self {
        Self { stack: stack.map(|stack| Named::stack(stack.as_str())) }
    }
}

/// A pipeline that was handed over.
#[derive(Debug, Clone, Serialize)]
pub struct PipelineTransferView {
    pipeline: IdRef<PipelineId>,
    previous_owner: OwnerView,
    new_owner: OwnerView,
}

impl From<PipelineTransfer> for PipelineTransferView {
    fn from(done: PipelineTransfer) -> Self {
        Self {
            pipeline: IdRef { id: done.pipeline.id },
            previous_owner: done.previous.into(),
            new_owner: done.pipeline.owner.into(),
        }
    }
}

/// An owner as clients name it.
#[derive(Debug, Deserialize)]
pub struct OwnerBody {
    /// An id; of a team also its name.
    pub id: String,
    /// `user` or `team`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl From<OwnerBody> for OwnerName {
    fn from(body: OwnerBody) -> Self {
        Self { id: body.id, kind: body.kind }
    }
}

/// Body of `POST /pipelines`.
#[derive(Debug, Deserialize)]
pub struct CreatePipeline {
    /// Its name.
    pub name: String,
    /// Whose it is to be; without it, the caller's.
    #[serde(default)]
    pub owner: Option<OwnerBody>,
}

/// Body of `PATCH /pipelines/{pipeline}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdatePipeline {
    /// Another name.
    pub name: Option<String>,
}

/// Body of `POST /pipeline-couplings`.
#[derive(Debug, Deserialize)]
pub struct CreateCoupling {
    /// The app, by name or id.
    pub app: NameOrObject,
    /// The pipeline, by id or by a name that only one has.
    pub pipeline: NameOrObject,
    /// Which stage.
    pub stage: String,
}

/// Body of `PATCH /pipeline-couplings/{coupling}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateCoupling {
    /// Another stage.
    pub stage: Option<String>,
}

/// Body of `POST /pipeline-transfers`.
#[derive(Debug, Deserialize)]
pub struct CreatePipelineTransfer {
    /// Which pipeline.
    pub pipeline: NameOrObject,
    /// To whom.
    pub new_owner: OwnerBody,
}

/// The query of `GET /pipelines`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PipelineFilter {
    /// Only those that are called so (PIPE-2).
    #[serde(rename = "eq[name]")]
    pub name: Option<String>,
}
