//! Promotions, where they go, and their receipts as clients see them.

use crate::link::Links;
use crate::views::app::NameOrObject;
use crate::views::{IdRef, UserRef};
use control::promotion::PromotionDetail;
use model::id::{AppId, PipelineId, PromotionId, PromotionTargetId, ReleaseId, SlugId};
use model::promotion::{Promotion, PromotionTarget};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A promotion (PIPE-33). `user` and `event_stream_url` are extensions.
#[derive(Debug, Clone, Serialize)]
pub struct PromotionView {
    id: PromotionId,
    pipeline: IdRef<PipelineId>,
    source: SourceView,
    status: &'static str,
    user: UserRef,
    event_stream_url: String,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct SourceView {
    app: IdRef<AppId>,
    release: IdRef<ReleaseId>,
}

impl PromotionView {
    /// The promotion with the address of its events.
    #[must_use]
    pub fn new(promotion: &Promotion, links: &Links) -> Self {
        Self {
            id: promotion.id,
            pipeline: IdRef { id: promotion.pipeline },
            source: SourceView { app: IdRef { id: promotion.source }, release: IdRef { id: promotion.release } },
            status: promotion.word(),
            user: UserRef { id: promotion.by, email: promotion.by_email.clone() },
            event_stream_url: links.promotion_events(promotion.id, &promotion.secret),
            created_at: promotion.created_at.rfc3339(),
            updated_at: promotion.updated_at.rfc3339(),
        }
    }
}

/// One app that a promotion goes to (PIPE-34).
#[derive(Debug, Clone, Serialize)]
pub struct TargetView {
    id: PromotionTargetId,
    app: IdRef<AppId>,
    pipeline_promotion: IdRef<PromotionId>,
    /// There as soon as the release is, before it is decided.
    release: Option<IdRef<ReleaseId>>,
    status: &'static str,
    error_message: Option<String>,
}

impl From<&PromotionTarget> for TargetView {
    fn from(target: &PromotionTarget) -> Self {
        Self {
            id: target.id,
            app: IdRef { id: target.app },
            pipeline_promotion: IdRef { id: target.promotion },
            release: target.state.made().map(|made| IdRef { id: made.release }),
            status: target.state.word(),
            error_message: target.state.why().map(str::to_owned),
        }
    }
}

/// One event of a promotion's stream: how far it and its targets are.
#[derive(Debug, Clone, Serialize)]
pub struct ProgressView {
    id: PromotionId,
    status: &'static str,
    targets: Vec<TargetView>,
}

impl From<&PromotionDetail> for ProgressView {
    fn from(detail: &PromotionDetail) -> Self {
        Self {
            id: detail.promotion.id,
            status: detail.promotion.word(),
            targets: detail.targets.iter().map(TargetView::from).collect(),
        }
    }
}

/// The receipt of a promotion: an extension.
#[derive(Debug, Clone, Serialize)]
pub struct PromotionReceiptView {
    id: PromotionId,
    pipeline: NamedRef<PipelineId>,
    from: FromView,
    to: Vec<ToView>,
    user: UserRef,
    /// What had to be passed and was, in words.
    gates: Vec<String>,
    status: &'static str,
    created_at: String,
}

/// An id, and the name that it had then; null for whoever may not know it.
#[derive(Debug, Clone, Serialize)]
struct NamedRef<Id> {
    id: Id,
    name: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct VersionRef {
    id: ReleaseId,
    version: i64,
}

#[derive(Debug, Clone, Serialize)]
struct FromView {
    app: NamedRef<AppId>,
    release: VersionRef,
    slug: IdRef<SlugId>,
    commit: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct ToView {
    app: NamedRef<AppId>,
    release: Option<VersionRef>,
    status: &'static str,
    error_message: Option<String>,
    /// From the request to the release's decision; null until then.
    settled_after_ms: Option<u64>,
    /// From the request to the moment when the router knew the new dynos; null where none were to be switched to, or no server
    /// lived to see it. The same holds for what follows.
    live_after_ms: Option<u64>,
    cut_over_ms: Option<f64>,
    requests: Option<u64>,
    in_flight: Option<u64>,
    held: Option<u64>,
    failed: Option<u64>,
}

impl PromotionReceiptView {
    /// The receipt, with the names of these apps.
    #[must_use]
    pub fn new(detail: &PromotionDetail, named: &[AppId]) -> Self {
        let promotion = &detail.promotion;
        Self {
            id: promotion.id,
            pipeline: NamedRef { id: promotion.pipeline, name: Some(promotion.pipeline_name.clone()) },
            from: FromView {
                app: app(promotion.source, &promotion.source_name, named),
                release: VersionRef { id: promotion.release, version: promotion.version },
                slug: IdRef { id: promotion.slug },
                commit: promotion.commit.clone(),
            },
            to: detail.targets.iter().map(|target| ToView::new(promotion, target, named)).collect(),
            user: UserRef { id: promotion.by, email: promotion.by_email.clone() },
            gates: promotion.gates.clone(),
            status: promotion.word(),
            created_at: promotion.created_at.rfc3339(),
        }
    }
}

fn app(id: AppId, name: &str, named: &[AppId]) -> NamedRef<AppId> {
    NamedRef { id, name: named.contains(&id).then(|| name.to_owned()) }
}

impl ToView {
    fn new(promotion: &Promotion, target: &PromotionTarget, named: &[AppId]) -> Self {
        let after_ms = |at: Timestamp| u64::try_from(at.since(promotion.created_at).as_millis()).unwrap_or(u64::MAX);
        let passage = target.passage.as_ref();
        // A switch takes microseconds to seconds: far below where an f64 loses any.
        let cut_over_us = passage.map(|passage| u32::try_from(passage.cut_over_us).unwrap_or(u32::MAX));
        Self {
            app: app(target.app, &target.app_name, named),
            release: target.state.made().map(|made| VersionRef { id: made.release, version: made.version }),
            status: target.state.word(),
            error_message: target.state.why().map(str::to_owned),
            settled_after_ms: target.state.is_settled().then(|| after_ms(target.updated_at)),
            live_after_ms: passage.map(|passage| after_ms(passage.live_at)),
            cut_over_ms: cut_over_us.map(|micros| f64::from(micros) / 1000.0),
            requests: passage.map(|passage| passage.requests),
            in_flight: passage.map(|passage| passage.in_flight),
            held: passage.map(|passage| passage.held),
            failed: passage.map(|passage| passage.failed),
        }
    }
}

/// Body of `POST /pipeline-promotions` (PIPE-32).
#[derive(Debug, Deserialize)]
pub struct CreatePromotion {
    /// In which pipeline.
    pub pipeline: NameOrObject,
    /// Whose code.
    pub source: SourceBody,
    /// Where to.
    pub targets: Vec<AppBody>,
    /// Why gates that are shut are passed all the same. An extension.
    #[serde(rename = "override")]
    pub reason: Option<String>,
}

/// Whose code is promoted.
#[derive(Debug, Deserialize)]
pub struct SourceBody {
    /// The app.
    pub app: NameOrObject,
    /// Which release of it; without one, the one that runs.
    #[serde(default)]
    pub release: Option<super::release::ReleaseIdentity>,
}

/// An app that code is promoted to.
#[derive(Debug, Deserialize)]
pub struct AppBody {
    /// The app.
    pub app: NameOrObject,
}
