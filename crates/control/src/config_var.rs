//! Config vars: read, change. A change is a release (CONF-2).

use crate::Control;
use crate::gate::Authorized;
use crate::release::{self, ReleaseError};
use model::app::App;
use model::config_var::{ConfigError, ConfigPatch, ConfigVars, apply, check_name, describe, shown, without_hidden};
use model::release::{Release, ReleaseCause};
use std::collections::BTreeSet;
use store::StoreError;

/// Names of one app whose values are write-only: as many as fit into its config vars.
pub const WRITE_ONLY_LIMIT: usize = 1000;

/// Why config vars are not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigVarError {
    /// A name, a value or the size.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Too many names.
    #[error("An app has at most {WRITE_ONLY_LIMIT} write-only config vars; remove some first")]
    TooManyHidden,
    /// The release that the change makes.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is set now (CONF-1), without what is write-only.
///
/// # Errors
/// When the database fails.
pub async fn get(control: &Control, app: &Authorized<App>) -> Result<ConfigVars, ConfigVarError> {
    let vars = store::config_var::all(&control.store, app.id).await?;
    Ok(shown(vars, &store::config_var::write_only(control.store.db(), app.id).await?))
}

/// The names whose values are never shown again.
///
/// # Errors
/// When the database fails.
pub async fn write_only(control: &Control, app: &Authorized<App>) -> Result<BTreeSet<String>, ConfigVarError> {
    Ok(store::config_var::write_only(control.store.db(), app.id).await?)
}

/// Hides the values of these names for good, also before they are set: only the app itself reads them, until the name is removed.
///
/// # Errors
/// A bad name, or too many.
pub async fn hide(
    control: &Control,
    app: &Authorized<App>,
    names: &[String],
) -> Result<BTreeSet<String>, ConfigVarError> {
    names.iter().try_for_each(|name| check_name(name))?;
    let mut tx = control.store.begin().await?;
    for name in names {
        store::config_var::hide(&mut tx, app.id, name).await?;
    }
    let hidden = store::config_var::write_only(tx.db(), app.id).await?;
    if hidden.len() > WRITE_ONLY_LIMIT {
        return Err(ConfigVarError::TooManyHidden);
    }
    tx.commit().await?;
    Ok(hidden)
}

/// Applies a change: one release, whatever the number of names; none when nothing changes (CONF-2, RELPH-11).
///
/// # Errors
/// The first bad name or value; then nothing of the change is applied.
pub async fn patch(
    control: &Control,
    app: &Authorized<App>,
    patch: ConfigPatch,
) -> Result<(ConfigVars, Option<Release>), ConfigVarError> {
    let mut tx = control.store.begin().await?;
    let present = store::config_var::all_in(&mut tx, app.id).await?;
    let hidden = store::config_var::write_only(tx.db(), app.id).await?;
    let patch = &without_hidden(patch, &hidden);
    let Some(vars) = apply(&present, patch)? else { return Ok((shown(present, &hidden), None)) };
    for (name, _) in patch.iter().filter(|(_, value)| value.is_none()) {
        store::config_var::forget(&mut tx, app.id, name).await?;
    }
    store::config_var::replace(&mut tx, app.id, &vars).await?;
    let slug = store::release::current(tx.db(), app.id).await?.and_then(|release| release.slug);
    let cause = ReleaseCause::Config(describe(&present, patch));
    let created = release::insert(control, &mut tx, app.id, app.by().id, &cause, slug, &vars).await?;
    tx.commit().await?;
    let release = created.release.clone();
    release::begin(control, app.by(), created).await?;
    Ok((shown(vars, &hidden), Some(release)))
}
