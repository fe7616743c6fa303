//! Notification routes: who is told of which alarms; and what was told.

use crate::Control;
use crate::gate::Authorized;
use model::alarm::{AlarmKind, NoSuchKind, Severity};
use model::app::App;
use model::id::NotificationRouteId;
use model::notice::Notice;
use model::notification_route::{self, Channel, LIMIT_PER_SCOPE, NotificationRoute, RouteRefused, Scope};
use model::pipeline::Pipeline;
use store::StoreError;

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct NewRoute {
    /// E-mail addresses, an http(s) address, `author` or `log`.
    pub to: Vec<String>,
    /// Only of apps at this stage.
    pub stage: Option<String>,
    /// Kinds of alarms; all when empty.
    pub kinds: Vec<String>,
    /// `info`, `warning` or `critical`; warning when missing.
    pub severity: Option<String>,
    /// Only of what is still broken so many seconds later.
    pub after_s: Option<u64>,
}

/// Why a route is not found or made.
#[derive(Debug, thiserror::Error)]
pub enum NotificationRouteError {
    /// No such route.
    #[error("Couldn't find that notification route.")]
    NoSuchRoute,
    /// A field.
    #[error(transparent)]
    Refused(#[from] RouteRefused),
    /// As many as there may be.
    #[error("There are {LIMIT_PER_SCOPE} notification routes already, which is the limit; remove one first")]
    TooMany,
    /// Mails would go nowhere.
    #[error("This server has no mail server: its operator sets one with `flowline serve --smtp-url`")]
    NoMail,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a route to this scope. A secret comes back where something is signed with it: it is never shown again.
async fn add(
    control: &Control,
    scope: Scope,
    new: NewRoute,
) -> Result<(NotificationRoute, Option<String>), NotificationRouteError> {
    let kinds: Result<Vec<AlarmKind>, NoSuchKind> = new.kinds.iter().map(|word| word.parse()).collect();
    let severity = new.severity.as_deref().map(str::parse::<Severity>).transpose().map_err(RouteRefused::from)?;
    let route = NotificationRoute {
        id: control.world.new_id(),
        scope,
        stage: new.stage.as_deref().map(str::parse).transpose().map_err(RouteRefused::BadStage)?,
        kinds: kinds.map_err(RouteRefused::from)?,
        severity: severity.unwrap_or(Severity::Warning),
        channel: Channel::read(&new.to)?,
        after_s: notification_route::after(new.after_s.unwrap_or(0))?,
        created_at: control.now(),
    };
    let secret = match &route.channel {
        Channel::Webhook(_) => Some(control.world.secret::<32>()),
        Channel::Email(_) | Channel::Author if control.settings.mail.is_none() => {
            return Err(NotificationRouteError::NoMail);
        }
        Channel::Email(_) | Channel::Author | Channel::Log => None,
    };
    let mut tx = control.store.begin().await?;
    if store::notification_route::count(&mut tx, scope).await? >= LIMIT_PER_SCOPE {
        return Err(NotificationRouteError::TooMany);
    }
    store::notification_route::insert(&mut tx, &route, secret.as_deref()).await?;
    tx.commit().await?;
    Ok((route, secret))
}

pub(crate) async fn find(
    control: &Control,
    scope: Scope,
    which: &str,
) -> Result<NotificationRoute, NotificationRouteError> {
    let id: NotificationRouteId = which.parse().map_err(|_| NotificationRouteError::NoSuchRoute)?;
    let found = store::notification_route::by_id(&control.store, id).await?;
    found.filter(|route| route.scope == scope).ok_or(NotificationRouteError::NoSuchRoute)
}

async fn remove(control: &Control, scope: Scope, which: &str) -> Result<NotificationRoute, NotificationRouteError> {
    let route = find(control, scope, which).await?;
    let mut tx = control.store.begin().await?;
    if !store::notification_route::delete(&mut tx, route.id).await? {
        return Err(NotificationRouteError::NoSuchRoute);
    }
    tx.commit().await?;
    Ok(route)
}

/// Adds a route for the alarms of one app.
///
/// # Errors
/// A field that is not acceptable, too many routes, no mail server.
pub async fn create(
    control: &Control,
    app: &Authorized<App>,
    new: NewRoute,
) -> Result<(NotificationRoute, Option<String>), NotificationRouteError> {
    add(control, Scope::App(app.id), new).await
}

/// The routes of one app, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<NotificationRoute>, NotificationRouteError> {
    Ok(store::notification_route::list(&control.store, Scope::App(app.id)).await?)
}

/// One of them.
///
/// # Errors
/// [`NotificationRouteError::NoSuchRoute`].
pub async fn show(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<NotificationRoute, NotificationRouteError> {
    find(control, Scope::App(app.id), which).await
}

/// Removes one of them; what it was to tell is not told any more. What it was.
///
/// # Errors
/// [`NotificationRouteError::NoSuchRoute`].
pub async fn delete(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<NotificationRoute, NotificationRouteError> {
    remove(control, Scope::App(app.id), which).await
}

/// Adds a route for the alarms of the apps of a pipeline.
///
/// # Errors
/// As [`create`].
pub async fn create_for_pipeline(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    new: NewRoute,
) -> Result<(NotificationRoute, Option<String>), NotificationRouteError> {
    add(control, Scope::Pipeline(pipeline.id), new).await
}

/// The routes of a pipeline, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list_of_pipeline(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
) -> Result<Vec<NotificationRoute>, NotificationRouteError> {
    Ok(store::notification_route::list(&control.store, Scope::Pipeline(pipeline.id)).await?)
}

/// Removes one of them.
///
/// # Errors
/// [`NotificationRouteError::NoSuchRoute`].
pub async fn delete_of_pipeline(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    which: &str,
) -> Result<NotificationRoute, NotificationRouteError> {
    remove(control, Scope::Pipeline(pipeline.id), which).await
}

/// Adds a route for the alarms of every app; for operators.
///
/// # Errors
/// As [`create`].
pub async fn create_for_server(
    control: &Control,
    new: NewRoute,
) -> Result<(NotificationRoute, Option<String>), NotificationRouteError> {
    add(control, Scope::Server, new).await
}

/// The routes of every app; for operators.
///
/// # Errors
/// When the database fails.
pub async fn list_of_server(control: &Control) -> Result<Vec<NotificationRoute>, NotificationRouteError> {
    Ok(store::notification_route::list(&control.store, Scope::Server).await?)
}

/// Removes one of them; for operators.
///
/// # Errors
/// [`NotificationRouteError::NoSuchRoute`].
pub async fn delete_of_server(control: &Control, which: &str) -> Result<NotificationRoute, NotificationRouteError> {
    remove(control, Scope::Server, which).await
}

/// What was told of an app's alarms and to whom, newest first.
///
/// # Errors
/// When the database fails.
pub async fn notices(control: &Control, app: &Authorized<App>) -> Result<Vec<Notice>, NotificationRouteError> {
    Ok(store::notice::of_app(control.store.db(), app.id).await?)
}
