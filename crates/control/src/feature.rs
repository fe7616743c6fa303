//! App features: list, look at, switch.

use crate::gate::Authorized;
use crate::{Control, journal};
use model::app::App;
use model::feature::{AppFeature, Feature, NoSuchFeature};
use store::StoreError;

/// Why a feature is not found or switched.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// None of that name or id.
    #[error(transparent)]
    NoSuchFeature(#[from] NoSuchFeature),
    /// Whoever has an app ask for a second factor must have one: nobody could switch it off again.
    #[error("Enable your own second factor first (`flowline 2fa:enable`), then have the app ask for it")]
    OwnFactor,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All of them, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<AppFeature>, FeatureError> {
    Ok(store::feature::list(control.store.db(), app).await?)
}

/// One by name or id.
///
/// # Errors
/// [`NoSuchFeature`].
pub async fn find(control: &Control, app: &Authorized<App>, which: &str) -> Result<AppFeature, FeatureError> {
    let feature: Feature = which.parse()?;
    let found = list(control, app).await?.into_iter().find(|found| found.feature == feature);
    found.ok_or(FeatureError::NoSuchFeature(NoSuchFeature))
}

/// Switches one on or off. No release is made: dynos that start from now on have it.
///
/// # Errors
/// [`NoSuchFeature`], [`FeatureError::OwnFactor`].
pub async fn switch(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
    enabled: bool,
) -> Result<AppFeature, FeatureError> {
    let present = find(control, app, which).await?;
    if present.enabled == enabled {
        return Ok(present);
    }
    if enabled && present.feature == Feature::SecondFactor && !app.by().two_factor {
        return Err(FeatureError::OwnFactor);
    }
    let next = AppFeature { enabled, updated_at: control.now(), ..present };
    let mut tx = control.store.begin().await?;
    store::feature::put(&mut tx, app.id, &next).await?;
    tx.commit().await?;
    let verb = if enabled { "Enable" } else { "Disable" };
    let said = format!("{verb} {} feature by user {}", next.feature.word(), app.by().email);
    journal::api(control, app.id, next.updated_at, said).await;
    control.supervisor.seen(app.id).await;
    Ok(next)
}
