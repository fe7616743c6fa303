//! A coupling: one app at one stage of one pipeline (PIPE-5, PIPE-6).

use crate::id::{AppId, PipelineCouplingId, PipelineId};
use crate::pipeline::Stage;
use crate::time::Timestamp;

/// An app's place. An app has at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineCoupling {
    /// Its id.
    pub id: PipelineCouplingId,
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The app.
    pub app: AppId,
    /// Where in the pipeline.
    pub stage: Stage,
    /// Since when.
    pub created_at: Timestamp,
    /// When the stage last changed.
    pub updated_at: Timestamp,
}
