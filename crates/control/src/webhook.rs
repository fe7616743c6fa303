//! Webhooks: subscribe to an app's events, look at what happened.

use crate::Control;
use crate::gate::Authorized;
use model::app::App;
use model::event::Event;
use model::id::{EventId, WebhookId};
use model::webhook::{self, LIMIT_PER_APP, Webhook, WebhookRefused};
use store::StoreError;
use store::webhook::Keys;

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct NewWebhook {
    /// What is told.
    pub include: Vec<String>,
    /// How much is done to deliver.
    pub level: String,
    /// Where to.
    pub url: String,
    /// The key of the signatures; a random one when missing.
    pub secret: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// What a client changes; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    /// What is told.
    pub include: Option<Vec<String>>,
    /// How much is done to deliver.
    pub level: Option<String>,
    /// Where to.
    pub url: Option<String>,
    /// Another key.
    pub secret: Option<String>,
    /// Another `Authorization`, or none.
    pub authorization: Option<Option<String>>,
}

/// Why a webhook is not found, made or changed.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No such webhook.
    #[error("Couldn't find that webhook.")]
    NoSuchWebhook,
    /// No such event, or one that is not kept any more.
    #[error("Couldn't find that event.")]
    NoSuchEvent,
    /// HOOK-1.
    #[error("{0} has {LIMIT_PER_APP} webhooks, which is the limit; remove one first")]
    TooMany(model::app::AppName),
    /// A field.
    #[error(transparent)]
    Refused(#[from] WebhookRefused),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Subscribes. The secret comes back when it was made here: it is never shown again (HOOK-2).
///
/// # Errors
/// A field that is not acceptable, too many webhooks.
pub async fn create(
    control: &Control,
    app: &Authorized<App>,
    new: NewWebhook,
) -> Result<(Webhook, Option<String>), WebhookError> {
    let now = control.now();
    let webhook = Webhook {
        id: control.world.new_id(),
        app: app.id,
        include: webhook::include(&new.include)?,
        level: new.level.parse()?,
        url: new.url.parse()?,
        created_at: now,
        updated_at: now,
    };
    let made = new.secret.is_none().then(|| control.world.secret::<32>());
    let secret = new.secret.or_else(|| made.clone()).unwrap_or_default();
    webhook::check_secret("secret", &secret)?;
    if let Some(authorization) = &new.authorization {
        webhook::check_secret("authorization", authorization)?;
    }
    let mut tx = control.store.begin().await?;
    if store::webhook::list(tx.db(), app.id).await?.len() >= LIMIT_PER_APP {
        return Err(WebhookError::TooMany(app.name.clone()));
    }
    store::webhook::insert(&mut tx, &webhook, &Keys { secret, authorization: new.authorization }).await?;
    tx.commit().await?;
    Ok((webhook, made))
}

/// All of the app's, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<Webhook>, WebhookError> {
    Ok(store::webhook::list(control.store.db(), app.id).await?)
}

/// One by id.
///
/// # Errors
/// [`WebhookError::NoSuchWebhook`].
pub async fn find(control: &Control, app: &Authorized<App>, which: &str) -> Result<Webhook, WebhookError> {
    let id: WebhookId = which.parse().map_err(|_| WebhookError::NoSuchWebhook)?;
    let found = store::webhook::by_id(control.store.db(), id).await?;
    found.filter(|webhook| webhook.app == app.id).ok_or(WebhookError::NoSuchWebhook)
}

/// Changes it; what is on its way already keeps its level.
///
/// # Errors
/// [`WebhookError::NoSuchWebhook`], a field that is not acceptable.
pub async fn update(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
    change: WebhookChange,
) -> Result<Webhook, WebhookError> {
    let present = find(control, app, which).await?;
    let next = Webhook {
        include: change.include.map_or_else(|| Ok(present.include.clone()), |words| webhook::include(&words))?,
        level: change.level.map_or(Ok(present.level), |word| word.parse())?,
        url: change.url.map_or_else(|| Ok(present.url.clone()), |url| url.parse())?,
        updated_at: control.now(),
        ..present
    };
    if let Some(secret) = &change.secret {
        webhook::check_secret("secret", secret)?;
    }
    if let Some(Some(authorization)) = &change.authorization {
        webhook::check_secret("authorization", authorization)?;
    }
    let mut tx = control.store.begin().await?;
    if !store::webhook::update(&mut tx, &next).await? {
        return Err(WebhookError::NoSuchWebhook);
    }
    if let Some(secret) = &change.secret {
        store::webhook::set_secret(&mut tx, next.id, secret).await?;
    }
    if let Some(authorization) = &change.authorization {
        store::webhook::set_authorization(&mut tx, next.id, authorization.as_deref()).await?;
    }
    tx.commit().await?;
    Ok(next)
}

/// Ends the subscription; what was on its way is not delivered any more.
///
/// # Errors
/// [`WebhookError::NoSuchWebhook`].
pub async fn delete(control: &Control, app: &Authorized<App>, which: &str) -> Result<Webhook, WebhookError> {
    let present = find(control, app, which).await?;
    let mut tx = control.store.begin().await?;
    if !store::webhook::delete(&mut tx, present.id).await? {
        return Err(WebhookError::NoSuchWebhook);
    }
    tx.commit().await?;
    Ok(present)
}

/// The app's newest events.
///
/// # Errors
/// When the database fails.
pub async fn events(control: &Control, app: &Authorized<App>) -> Result<Vec<Event>, WebhookError> {
    Ok(store::event::list(control.store.db(), app.id).await?)
}

/// One event.
///
/// # Errors
/// [`WebhookError::NoSuchEvent`].
pub async fn event(control: &Control, app: &Authorized<App>, which: &str) -> Result<Event, WebhookError> {
    let id: EventId = which.parse().map_err(|_| WebhookError::NoSuchEvent)?;
    store::event::by_id(control.store.db(), app.id, id).await?.ok_or(WebhookError::NoSuchEvent)
}
