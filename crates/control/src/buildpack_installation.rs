//! Buildpack installations: which packs build an app, and in which order. The next build takes them (BLD-9).

use crate::gate::Authorized;
use crate::{Control, journal};
use model::app::App;
use model::buildpack::{BUILDPACKS_LIMIT, BadBuildpack, Buildpack};
use store::StoreError;

/// Why packs are not set.
#[derive(Debug, thiserror::Error)]
pub enum BuildpackError {
    /// Not even a name.
    #[error(transparent)]
    Bad(#[from] BadBuildpack),
    /// More than any build needs.
    #[error("An app can have {BUILDPACKS_LIMIT} buildpacks at most")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// In the order in which they run.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<Buildpack>, BuildpackError> {
    Ok(store::buildpack_installation::list(control.store.db(), app.id).await?)
}

/// Replaces all of them; none: the next build finds out. A pack that this server does not have is taken: the build says so,
/// because apps are described before they are moved.
///
/// # Errors
/// [`BuildpackError`].
pub async fn replace(
    control: &Control,
    app: &Authorized<App>,
    packs: &[String],
) -> Result<Vec<Buildpack>, BuildpackError> {
    if packs.len() > BUILDPACKS_LIMIT {
        return Err(BuildpackError::TooMany);
    }
    let packs: Vec<Buildpack> = packs.iter().map(|pack| pack.parse()).collect::<Result<_, _>>()?;
    let mut tx = control.store.begin().await?;
    store::buildpack_installation::replace(&mut tx, app.id, &packs).await?;
    tx.commit().await?;
    let said = format!("Update {} buildpacks by user {}", packs.len(), app.by().email);
    journal::api(control, app.id, control.now(), said).await;
    Ok(packs)
}
