//! Favorites: apps that somebody keeps at hand. They give no right: what one no longer sees is not in the list.

use crate::Control;
use crate::gate::Authorized;
use model::account::Account;
use model::app::App;
use model::favorite::{FAVORITE_LIMIT, Favorite};
use store::StoreError;

/// Why one is not added or found.
#[derive(Debug, thiserror::Error)]
pub enum FavoriteError {
    /// None of that id, or somebody else's.
    #[error("Couldn't find that favorite.")]
    NoSuchFavorite,
    /// Once is enough.
    #[error("{0} is a favorite already")]
    Already(String),
    /// Too many.
    #[error("You have {FAVORITE_LIMIT} favorites, which is the limit; remove one first")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One's own, each with its app, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, who: &Account) -> Result<Vec<(Favorite, App)>, FavoriteError> {
    let visible = store::app::visible(control.store.db(), who.id).await?;
    let favorites = store::favorite::of_account(control.store.db(), who.id).await?;
    let with_app = |favorite: Favorite| {
        let app = visible.iter().find(|app| app.id == favorite.app)?.clone();
        Some((favorite, app))
    };
    Ok(favorites.into_iter().filter_map(with_app).collect())
}

/// Adds one.
///
/// # Errors
/// [`FavoriteError::Already`], [`FavoriteError::TooMany`].
pub async fn add(control: &Control, who: &Account, app: &Authorized<App>) -> Result<(Favorite, App), FavoriteError> {
    let favorite = Favorite { id: control.world.new_id(), account: who.id, app: app.id, created_at: control.now() };
    let mut tx = control.store.begin().await?;
    if store::favorite::of_account(tx.db(), who.id).await?.len() >= FAVORITE_LIMIT {
        return Err(FavoriteError::TooMany);
    }
    match store::favorite::insert(&mut tx, &favorite).await {
        Err(error) if error.is_duplicate() => return Err(FavoriteError::Already(app.name.to_string())),
        inserted => inserted?,
    }
    tx.commit().await?;
    Ok((favorite, App::clone(app)))
}

/// Removes one, by its id.
///
/// # Errors
/// [`FavoriteError::NoSuchFavorite`].
pub async fn remove(control: &Control, who: &Account, which: &str) -> Result<(Favorite, App), FavoriteError> {
    let all = list(control, who).await?;
    let found = all.into_iter().find(|(favorite, _)| favorite.id.to_string() == which);
    let found = found.ok_or(FavoriteError::NoSuchFavorite)?;
    let mut tx = control.store.begin().await?;
    store::favorite::delete(&mut tx, found.0.id).await?;
    tx.commit().await?;
    Ok(found)
}
