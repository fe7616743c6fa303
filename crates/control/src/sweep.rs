//! Takes away what nothing refers to any more.

use crate::{Control, image_sweep, source};
use model::id::{AppId, SlugId};
use model::source::SOURCE_LIFE_S;

/// What an app leaves behind once the database has forgotten it. Each part by itself: one that fails keeps no other back.
pub(crate) async fn after_destroy(control: &Control, app: AppId, slugs: Vec<SlugId>, checksums: Vec<String>) {
    if let Err(error) = control.git.remove(app).await {
        tracing::warn!(app.id = %app, %error, "A destroyed app's repository was not removed");
    }
    for id in slugs {
        if let Err(error) = control.slugs.forget(id) {
            tracing::warn!(slug.id = %id, %error, "A destroyed app's slug was not removed");
        }
    }
    for checksum in checksums {
        unused_archive(control, &checksum).await;
    }
    let cache = control.settings.dir.join("cache").join(app.to_string());
    let removed = tokio::task::spawn_blocking(move || runtime::remove_dir(&cache)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(app.id = %app, %error, "A destroyed app's build cache was not removed");
    }
    control.logs.remove(app).await;
    image_sweep::after_destroy(control).await;
}

/// Removes a slug's archive, unless a slug has it still. `true`: it is gone.
pub(crate) async fn unused_archive(control: &Control, checksum: &str) -> bool {
    // The same bytes may be made again just now.
    let _alone = control.archives.write().await;
    let used = store::slug::checksum_uses(control.store.db(), checksum).await;
    if !matches!(used, Ok(0)) {
        return false;
    }
    let deleted = control.objects.delete(&builder::slug_key(checksum)).await;
    if let Err(error) = &deleted {
        tracing::warn!(checksum, %error, "An archive that nothing uses was not removed");
    }
    deleted.is_ok()
}

/// Removes upload slots whose hour is over.
pub(crate) async fn old_sources(control: &Control) -> Result<(), source::SourceError> {
    let oldest = model::time::Timestamp(control.now().0 - i64::try_from(SOURCE_LIFE_S).unwrap_or(0) * 1_000_000);
    for old in store::source::older(control.store.db(), oldest).await? {
        control.objects.delete(&source::key(old.id)).await?;
        let mut tx = control.store.begin().await?;
        store::source::delete(&mut tx, old.id).await?;
        tx.commit().await?;
    }
    Ok(())
}
