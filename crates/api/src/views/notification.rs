//! Notification routes, alarms and notices as clients see them; and the body of what is posted to webhooks.

use control::notification_route::NewRoute;
use model::alarm::Alarm;
use model::id::{AppId, NoticeId, NotificationRouteId};
use model::notice::Notice;
use model::notification_route::{Addressee, LOG, NotificationRoute};
use model::pipeline::Stage;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Body of `POST /apps/{app}/notification-routes`.
#[derive(Debug, Deserialize)]
pub struct CreateRoute {
    /// E-mail addresses, or one http(s) address, or `author`, or `log`.
    pub to: Vec<String>,
    /// Only of apps at this stage.
    #[serde(default)]
    pub stage: Option<String>,
    /// Kinds of alarms; all when missing.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// At least so much.
    #[serde(default)]
    pub severity: Option<String>,
    /// Only of what is still broken so many seconds later.
    #[serde(default)]
    pub after_s: Option<u64>,
}

impl From<CreateRoute> for NewRoute {
    fn from(body: CreateRoute) -> Self {
        let CreateRoute { to, stage, kinds, severity, after_s } = body;
        Self { to, stage, kinds, severity, after_s }
    }
}

/// A route. A webhook's secret is never shown.
#[derive(Debug, Clone, Serialize)]
pub struct RouteView {
    id: NotificationRouteId,
    to: Vec<String>,
    stage: Option<&'static str>,
    kinds: Vec<&'static str>,
    severity: &'static str,
    after_s: u32,
    created_at: String,
}

impl From<&NotificationRoute> for RouteView {
    fn from(route: &NotificationRoute) -> Self {
        Self {
            id: route.id,
            to: route.channel.to(),
            stage: route.stage.map(Stage::word),
            kinds: route.kinds.iter().map(|kind| kind.word()).collect(),
            severity: route.severity.word(),
            after_s: route.after_s,
            created_at: route.created_at.rfc3339(),
        }
    }
}

/// A route that was just made.
#[derive(Debug, Clone, Serialize)]
pub struct MadeRouteView {
    #[serde(flatten)]
    route: RouteView,
    secret: Option<String>,
}

impl MadeRouteView {
    /// With the secret that its posts are signed with, where there is one.
    #[must_use]
    pub fn new(route: &NotificationRoute, secret: Option<String>) -> Self {
        Self { route: route.into(), secret }
    }
}

/// What is broken.
#[derive(Debug, Clone, Serialize)]
pub struct AlarmView {
    kind: &'static str,
    thing: Option<String>,
    state: &'static str,
    severity: &'static str,
    since: Option<String>,
    failures: u32,
    what: String,
    first_failing_line: Option<String>,
    updated_at: String,
}

impl From<&Alarm> for AlarmView {
    fn from(alarm: &Alarm) -> Self {
        Self {
            kind: alarm.key.kind.word(),
            thing: Some(alarm.key.thing.clone()).filter(|thing| !thing.is_empty()),
            state: alarm.state.word(),
            severity: alarm.key.kind.severity().word(),
            since: alarm.state.since().map(Timestamp::rfc3339),
            failures: alarm.failures,
            what: alarm.what.clone(),
            first_failing_line: alarm.first_line.clone(),
            updated_at: alarm.updated_at.rfc3339(),
        }
    }
}

/// What was told, to whom, and how far it is.
#[derive(Debug, Clone, Serialize)]
pub struct NoticeView {
    #[serde(flatten)]
    news: NewsView,
    route: Option<NotificationRouteId>,
    to: String,
    status: &'static str,
    num_attempts: u32,
    next_attempt_at: Option<String>,
    why: Option<String>,
    updated_at: String,
}

impl From<&Notice> for NoticeView {
    fn from(notice: &Notice) -> Self {
        let to = match &notice.addressee {
            Addressee::Email(address) => address.clone(),
            Addressee::Webhook(_) => "webhook".to_owned(),
            Addressee::Log => LOG.to_owned(),
        };
        Self {
            news: notice.into(),
            route: notice.route,
            to,
            status: notice.state.word(),
            num_attempts: notice.attempts,
            next_attempt_at: notice.state.due().map(Timestamp::rfc3339),
            why: notice.why.clone(),
            updated_at: notice.updated_at.rfc3339(),
        }
    }
}

/// What is told, wherever it goes.
#[derive(Debug, Clone, Serialize)]
struct NewsView {
    id: NoticeId,
    app: AppOfNews,
    stage: Option<&'static str>,
    kind: &'static str,
    thing: Option<String>,
    /// `broken`, `still-broken`, `fixed`, `well` or `test`.
    turn: &'static str,
    severity: &'static str,
    headline: String,
    what: String,
    first_failing_line: Option<String>,
    author: Option<String>,
    since: String,
    failures: u32,
    created_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct AppOfNews {
    id: AppId,
    name: String,
}

impl From<&Notice> for NewsView {
    fn from(notice: &Notice) -> Self {
        Self {
            id: notice.id,
            app: AppOfNews { id: notice.key.app, name: notice.app_name.to_string() },
            stage: notice.stage.map(Stage::word),
            kind: notice.key.kind.word(),
            thing: Some(notice.key.thing.clone()).filter(|thing| !thing.is_empty()),
            turn: notice.turn.word(),
            severity: notice.severity.word(),
            headline: notice.headline(),
            what: notice.what.clone(),
            first_failing_line: notice.first_line.clone(),
            author: notice.author.clone(),
            since: notice.since.rfc3339(),
            failures: notice.failures,
            created_at: notice.created_at.rfc3339(),
        }
    }
}

/// What is posted: notices that go together, oldest first. One that was seen before has the same id.
#[derive(Debug, Serialize)]
struct NoticesView {
    notices: Vec<NewsView>,
}

/// The body of a post.
pub(crate) fn notices(lot: &[Notice]) -> String {
    serde_json::to_string(&NoticesView { notices: lot.iter().map(NewsView::from).collect() }).unwrap_or_default()
}
