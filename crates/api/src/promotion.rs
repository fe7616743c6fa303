//! `/pipeline-promotions`: begin one, see how far it is, its events, its receipt.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::output;
use crate::platform::{By, Caller, ForPipeline, code};
use crate::range::{Field, Key};
use crate::views::app::NameOrObject;
use crate::views::promotion::{CreatePromotion, ProgressView, PromotionReceiptView, PromotionView, TargetView};
use crate::views::release::ReleaseIdentity;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use control::Control;
use control::promotion::{self, NewPromotion};
use control::promotion_watch;
use control::second_factor;
use futures_util::stream;
use model::promotion::{Promotion, PromotionTarget};
use std::io;

const FIELDS: &[Field<Promotion>] =
    &[("created_at", |one| Key::Time(one.created_at)), ("id", |one| Key::Text(one.id.to_string()))];

const TARGETS: &[Field<PromotionTarget>] = &[("id", |one| Key::Text(one.id.to_string()))];

/// POST /pipeline-promotions - 201; asks for `deploy` on the source and on every target; each target settles by itself.
pub(crate) async fn create(
    State(control): State<Control>,
    by: By,
    links: Links,
    headers: HeaderMap,
    JsonBody(body): JsonBody<CreatePromotion>,
) -> Result<Created<PromotionView>, ApiError> {
    let new = NewPromotion {
        pipeline: body.pipeline.into_text(),
        source: body.source.app.into_text(),
        release: body.source.release.map(ReleaseIdentity::into_text),
        targets: body.targets.into_iter().map(|target| NameOrObject::into_text(target.app)).collect(),
        reason: body.reason,
    };
    for target in &new.targets {
        second_factor::ask_for(&control, &by.entry, target, code(&headers).as_deref()).await?;
    }
    let made = promotion::create(&control, by.account(), new).await?;
    Ok(Created(PromotionView::new(&made.promotion, &links)))
}

/// GET /pipeline-promotions/{promotion} - `completed` says that all targets are settled, not how.
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
    links: Links,
) -> Result<Json<PromotionView>, ApiError> {
    let found = promotion::find(&control, &who, &which).await?;
    Ok(Json(PromotionView::new(&found.promotion, &links)))
}

/// GET /pipeline-promotions/{promotion}/promotion-targets - how far each is; `release` is there before it is decided.
pub(crate) async fn targets(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
    range: Ranged,
) -> Result<Response, ApiError> {
    let found = promotion::find(&control, &who, &which).await?;
    range.answer(found.targets, TARGETS, |one| TargetView::from(one))
}

/// GET /pipeline-promotions/{promotion}/receipt - from, to, who, gates passed, what requests met; kept for ever. An extension.
pub(crate) async fn receipt(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<PromotionReceiptView>, ApiError> {
    let found = promotion::find(&control, &who, &which).await?;
    let named = promotion::named(&control, &who, &found).await?;
    Ok(Json(PromotionReceiptView::new(&found, &named)))
}

/// GET /pipelines/{pipeline}/promotions - the newest 1,000. An extension.
pub(crate) async fn list(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(promotion::list(&control, &pipeline).await?, FIELDS, |one| PromotionView::new(one, &links))
}

/// GET /streams/promotions/{promotion}/{secret} - its targets at each change, to the end: server-sent events, or a line of JSON
/// each. An extension.
pub(crate) async fn stream(
    State(control): State<Control>,
    Path((which, secret)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let watch = promotion_watch::watch(&control, &which, &secret).await?;
    let lines = stream::unfold(Some(watch), |watch| async move {
        let mut watch = watch?;
        match watch.next().await {
            Ok(now) => {
                let line = now.map(|now| serde_json::to_string(&ProgressView::from(&now)).map_err(io::Error::other))?;
                Some((line.map(|line| Bytes::from(line + "\n")), Some(watch)))
            }
            Err(error) => Some((Err(io::Error::other(error)), None)),
        }
    });
    Ok(output::respond(&headers, lines, false))
}
