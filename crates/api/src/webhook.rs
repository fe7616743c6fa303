//! `/apps/{app}/webhooks`, and what became of them: `webhook-events` and `webhook-deliveries`.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::event::EventView;
use crate::views::webhook::{CreateWebhook, DeliveryView, UpdateWebhook, WebhookView};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use control::{Control, delivery, webhook};
use model::delivery::Delivery;
use model::event::Event;
use model::webhook::Webhook;

/// The only place where a generated secret is ever shown (HOOK-2).
const SECRET: HeaderName = HeaderName::from_static("heroku-webhook-secret");

const FIELDS: &[Field<Webhook>] = &[
    ("created_at", |webhook| Key::Text(webhook.created_at.log_time())),
    ("id", |webhook| Key::Text(webhook.id.to_string())),
];

const EVENT_FIELDS: &[Field<Event>] = &[
    ("seq", |event| Key::Number(event.sequence)),
    ("id", |event| Key::Text(event.id.to_string())),
    ("created_at", |event| Key::Text(event.created_at.log_time())),
];

const DELIVERY_FIELDS: &[Field<Delivery>] = &[
    ("seq", |delivery| Key::Number(delivery.sequence)),
    ("id", |delivery| Key::Text(delivery.id.to_string())),
    ("created_at", |delivery| Key::Text(delivery.created_at.log_time())),
];

/// POST /apps/{app}/webhooks - 201 with the webhook, and its secret in a header when it was made here (HOOK-2).
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<CreateWebhook>,
) -> Result<Response, ApiError> {
    let (made, secret) = webhook::create(&control, &app, body.into()).await?;
    let mut answer = Created(WebhookView::new(&app, &made)).into_response();
    if let Some(secret) = secret.and_then(|secret| HeaderValue::from_str(&secret).ok()) {
        answer.headers_mut().insert(SECRET, secret);
    }
    Ok(answer)
}

/// GET /apps/{app}/webhooks.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(webhook::list(&control, &app).await?, FIELDS, |webhook| WebhookView::new(&app, webhook))
}

/// GET /apps/{app}/webhooks/{webhook}.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<WebhookView>, ApiError> {
    Ok(Json(WebhookView::new(&app, &webhook::find(&control, &app, &which).await?)))
}

/// PATCH /apps/{app}/webhooks/{webhook} - 200 with the webhook as it is then.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    JsonBody(body): JsonBody<UpdateWebhook>,
) -> Result<Json<WebhookView>, ApiError> {
    let changed = webhook::update(&control, &app, &which, body.into()).await?;
    Ok(Json(WebhookView::new(&app, &changed)))
}

/// DELETE /apps/{app}/webhooks/{webhook} - 200 with the webhook as it was (CLI-20).
pub(crate) async fn destroy(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<WebhookView>, ApiError> {
    Ok(Json(WebhookView::new(&app, &webhook::delete(&control, &app, &which).await?)))
}

/// GET /apps/{app}/webhook-events - what happened to the app.
pub(crate) async fn events(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    let events = webhook::events(&control, &app).await?;
    range.answer(events, EVENT_FIELDS, |event| serde_json::to_value(EventView::new(event)).unwrap_or_default())
}

/// GET /apps/{app}/webhook-events/{event}.
pub(crate) async fn event(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let event = webhook::event(&control, &app, &which).await?;
    Ok(Json(EventView::new(&event)).into_response())
}

/// GET /apps/{app}/webhook-deliveries.
pub(crate) async fn deliveries(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(delivery::list(&control, &app).await?, DELIVERY_FIELDS, |delivery| DeliveryView::from(delivery))
}

/// GET /apps/{app}/webhook-deliveries/{delivery}.
pub(crate) async fn delivery(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<DeliveryView>, ApiError> {
    Ok(Json((&delivery::find(&control, &app, &which).await?).into()))
}
