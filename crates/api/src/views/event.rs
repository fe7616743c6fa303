//! Events as clients see them: what changed in the shape of the API, in lists and in notifications (HOOK-4).

use crate::link::Links;
use crate::views::app::AppView;
use crate::views::build::BuildView;
use crate::views::collaborator::CollaboratorView;
use crate::views::domain::DomainView;
use crate::views::dyno::DynoView;
use crate::views::formation::FormationView;
use crate::views::notification::notices;
use crate::views::pipeline::CouplingView;
use crate::views::promotion::TargetView;
use crate::views::release::ReleaseView;
use crate::views::sni_endpoint::SniEndpointView;
use crate::views::test_run::TestRunView;
use crate::views::verification::VerificationView;
use control::Settings;
use control::event::{Change, Content, Notification, Resource, Wire};
use model::event::{Actor, Event};
use model::id::{AccountId, EventId};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Of the details: `payload.version` and the notification's `version`.
const VERSION: &str = "application/vnd.heroku+json; version=3";

/// A resource that takes more is told by its id alone: nothing but a client's own endless words is so large.
const CONTENT_LIMIT_BYTES: usize = 64 * 1024;

/// How events look outside.
pub const WIRE: Wire = Wire { content, body, notices };

/// `{id, email}` of who caused an event.
#[derive(Debug, Clone, Serialize)]
struct ActorView<'a> {
    id: AccountId,
    email: &'a str,
}

impl<'a> From<&'a Actor> for ActorView<'a> {
    fn from(actor: &'a Actor) -> Self {
        Self { id: actor.id, email: &actor.email }
    }
}

/// An event, in `GET /apps/{app}/webhook-events`.
#[derive(Debug, Serialize)]
pub struct EventView<'a> {
    id: EventId,
    include: &'static str,
    payload: Payload<'a>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct Payload<'a> {
    action: &'static str,
    actor: ActorView<'a>,
    #[serde(rename = "data")]
    content: &'a RawValue,
    previous_data: &'a RawValue,
    resource: &'static str,
    version: &'static str,
}

impl<'a> EventView<'a> {
    /// The event.
    #[must_use]
    pub fn new(event: &'a Event) -> Self {
        let at = event.created_at.rfc3339();
        Self {
            id: event.id,
            include: event.entity.word(),
            payload: Payload {
                action: event.action.word(),
                actor: (&event.actor).into(),
                content: raw(&event.content),
                previous_data: raw(&event.previous),
                resource: event.entity.resource(),
                version: VERSION,
            },
            created_at: at.clone(),
            updated_at: at,
        }
    }
}

/// The body of a notification (HOOK-4). Its `id` is the event's: a receiver that has seen it may throw it away.
#[derive(Debug, Serialize)]
struct NotificationView<'a> {
    id: EventId,
    action: &'static str,
    actor: ActorView<'a>,
    created_at: String,
    #[serde(rename = "data")]
    content: &'a RawValue,
    previous_data: &'a RawValue,
    published_at: String,
    resource: &'static str,
    sequence: i64,
    updated_at: String,
    version: &'static str,
    webhook_metadata: Value,
}

fn body(told: &Notification<'_>) -> String {
    let event = told.event;
    let at = event.created_at.rfc3339();
    let view = NotificationView {
        id: event.id,
        action: event.action.word(),
        actor: (&event.actor).into(),
        created_at: at.clone(),
        content: raw(&event.content),
        previous_data: raw(&event.previous),
        published_at: at.clone(),
        resource: event.entity.resource(),
        sequence: event.sequence,
        updated_at: at,
        version: VERSION,
        webhook_metadata: json!({
            "attempt": { "id": told.attempt },
            "delivery": { "id": told.delivery.id },
            "event": { "id": event.id, "include": event.entity.word() },
            "webhook": { "id": told.webhook.id },
        }),
    };
    serde_json::to_string(&view).unwrap_or_default()
}

fn content(settings: &Settings, change: &Change<'_>) -> Content {
    let links = Links::new(&format!("http://{}", settings.api)).with_git(settings.git_url.as_deref());
    let now = object(&change.now, &links);
    let before = change.before.as_ref().map(|before| object(before, &links)).unwrap_or_default();
    let differs = |(name, value): &(String, Value)| now.get(name) != Some(value);
    let previous: Map<String, Value> = before.into_iter().filter(differs).collect();
    Content { now: text(now), previous: text(previous) }
}

fn object(resource: &Resource<'_>, links: &Links) -> Map<String, Value> {
    let value = match resource {
        Resource::App(detail) => serde_json::to_value(AppView::new(detail, links)),
        Resource::Build(detail) => serde_json::to_value(BuildView::new(detail, links)),
        Resource::Release(app, detail) => serde_json::to_value(ReleaseView::new(app, detail, links)),
        Resource::Formation(app, detail) => serde_json::to_value(FormationView::new(app, detail)),
        Resource::Collaborator(app, access) => serde_json::to_value(CollaboratorView::new(access, app)),
        Resource::Domain(app, detail) => serde_json::to_value(DomainView::new(app, detail)),
        Resource::SniEndpoint(app, detail) => serde_json::to_value(SniEndpointView::new(app, detail)),
        Resource::Dyno(app, dyno) => serde_json::to_value(DynoView::new(app, dyno)),
        Resource::Verification(app, detail) => serde_json::to_value(VerificationView::new(app, detail, links)),
        Resource::TestRun(_, detail) => serde_json::to_value(TestRunView::from(*detail)),
        Resource::PromotionTarget(_, detail) => serde_json::to_value(TargetView::from(&detail.target)),
        Resource::PipelineCoupling(_, detail) => serde_json::to_value(CouplingView::from(*detail)),
    };
    match value {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn text(mut object: Map<String, Value>) -> String {
    let text = Value::Object(object.clone()).to_string();
    if text.len() <= CONTENT_LIMIT_BYTES {
        return text;
    }
    object.retain(|name, _| name == "id");
    Value::Object(object).to_string()
}

/// JSON that this file has written.
fn raw(text: &str) -> &RawValue {
    serde_json::from_str(text).unwrap_or(RawValue::NULL)
}
