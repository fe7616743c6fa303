//! Config vars: read, change. A change is a release (CONF-2).

use crate::Control;
use crate::gate::Authorized;
use crate::release::{self, ReleaseError};
use model::app::App;
use model::config_var::{ConfigError, ConfigPatch, ConfigVars, apply, describe};
use model::release::{Release, ReleaseCause};
use store::StoreError;

/// Why config vars are not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigVarError {
    /// A name, a value or the size.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The release that the change makes.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is set now (CONF-1).
///
/// # Errors
/// When the database fails.
pub async fn get(control: &Control, app: &Authorized<App>) -> Result<ConfigVars, ConfigVarError> {
    Ok(store::config_var::all(&control.store, app.id).await?)
}

/// Applies a change: one release, whatever the number of names; none when nothing changes (CONF-2, RELPH-11).
///
/// # Errors
/// The first bad name or value; then nothing of the change is applied.
pub async fn patch(
    control: &Control,
    app: &Authorized<App>,
    patch: &ConfigPatch,
) -> Result<(ConfigVars, Option<Release>), ConfigVarError> {
    let mut tx = control.store.begin().await?;
    let present = store::config_var::all_in(&mut tx, app.id).await?;
    let Some(vars) = apply(&present, patch)? else { return Ok((present, None)) };
    store::config_var::replace(&mut tx, app.id, &vars).await?;
    let slug = store::release::current(tx.db(), app.id).await?.and_then(|release| release.slug);
    let cause = ReleaseCause::Config(describe(&present, patch));
    let created = release::insert(control, &mut tx, app.id, app.by().id, &cause, slug, &vars).await?;
    tx.commit().await?;
    let release = created.release.clone();
    release::begin(control, app.by(), created).await?;
    Ok((vars, Some(release)))
}
