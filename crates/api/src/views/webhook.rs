//! Webhooks and deliveries as clients see them, and what they send to subscribe (HOOK-1, HOOK-7).

use crate::views::AppRef;
use control::webhook::{NewWebhook, WebhookChange};
use model::app::App;
use model::delivery::{Attempt, Delivery, Outcome};
use model::id::{AttemptId, DeliveryId, EventId, WebhookId};
use model::time::Timestamp;
use model::webhook::Webhook;
use serde::{Deserialize, Deserializer, Serialize};

/// A webhook. Its secret is never shown.
#[derive(Debug, Clone, Serialize)]
pub struct WebhookView {
    id: WebhookId,
    app: AppRef,
    include: Vec<&'static str>,
    level: &'static str,
    url: String,
    created_at: String,
    updated_at: String,
}

impl WebhookView {
    /// A webhook of this app.
    #[must_use]
    pub fn new(app: &App, webhook: &Webhook) -> Self {
        Self {
            id: webhook.id,
            app: app.into(),
            include: webhook.include.iter().map(|entity| entity.word()).collect(),
            level: webhook.level.word(),
            url: webhook.url.to_string(),
            created_at: webhook.created_at.rfc3339(),
            updated_at: webhook.updated_at.rfc3339(),
        }
    }
}

/// Body of `POST /apps/{app}/webhooks`.
#[derive(Debug, Deserialize)]
pub struct CreateWebhook {
    /// Entities, such as `api:release`.
    pub include: Vec<String>,
    /// `notify` or `sync`.
    pub level: String,
    /// Where to.
    pub url: String,
    /// The key of the signatures.
    #[serde(default)]
    pub secret: Option<String>,
    /// Sent along as it is.
    #[serde(default)]
    pub authorization: Option<String>,
}

impl From<CreateWebhook> for NewWebhook {
    fn from(body: CreateWebhook) -> Self {
        let CreateWebhook { include, level, url, secret, authorization } = body;
        Self { include, level, url, secret, authorization }
    }
}

/// Body of `PATCH /apps/{app}/webhooks/{webhook}`; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateWebhook {
    /// Other entities.
    pub include: Option<Vec<String>>,
    /// Another level.
    pub level: Option<String>,
    /// Another address.
    pub url: Option<String>,
    /// Another key.
    pub secret: Option<String>,
    /// Another header; null for none.
    #[serde(deserialize_with = "present")]
    pub authorization: Option<Option<String>>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl From<UpdateWebhook> for WebhookChange {
    fn from(body: UpdateWebhook) -> Self {
        let UpdateWebhook { include, level, url, secret, authorization } = body;
        Self { include, level, url, secret, authorization }
    }
}

/// A delivery (HOOK-7).
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryView {
    id: DeliveryId,
    event: EventRef,
    webhook: WebhookRef,
    status: &'static str,
    num_attempts: u32,
    next_attempt_at: Option<String>,
    last_attempt: Option<AttemptView>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct EventRef {
    id: EventId,
    include: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct WebhookRef {
    id: WebhookId,
    level: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct AttemptView {
    id: AttemptId,
    code: Option<u16>,
    error_class: Option<&'static str>,
    status: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id,
            event: EventRef { id: delivery.event, include: delivery.entity.word() },
            webhook: WebhookRef { id: delivery.webhook, level: delivery.level.word() },
            status: delivery.state.word(),
            num_attempts: delivery.attempts,
            next_attempt_at: delivery.state.next_attempt_at().map(Timestamp::rfc3339),
            last_attempt: delivery.last.map(AttemptView::from),
            created_at: delivery.created_at.rfc3339(),
            updated_at: delivery.updated_at.rfc3339(),
        }
    }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let (code, error_class) = match attempt.outcome {
            Outcome::Answered(status) => (Some(status), None),
            Outcome::Unanswered(why) => (None, Some(why.word())),
        };
        Self {
            id: attempt.id,
            code,
            error_class,
            status: if attempt.outcome.is_success() { "succeeded" } else { "failed" },
            created_at: attempt.created_at.rfc3339(),
            updated_at: attempt.updated_at.rfc3339(),
        }
    }
}
