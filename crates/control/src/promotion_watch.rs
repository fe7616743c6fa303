//! A promotion as it changes, for whoever holds the address of its events.

use crate::Control;
use crate::promotion::{self, PromotionDetail, PromotionError};
use model::id::PromotionId;
use store::StoreError;
use tokio::sync::watch;

/// Wakes whoever watches promotions.
#[derive(Debug)]
pub(crate) struct Promotions(watch::Sender<u64>);

impl Default for Promotions {
    fn default() -> Self {
        Self(watch::channel(0).0)
    }
}

impl Promotions {
    /// Something about a promotion was committed.
    pub(crate) fn changed(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// A promotion as it changes, until it is completed.
pub struct Watch {
    control: Control,
    id: PromotionId,
    changes: watch::Receiver<u64>,
    last: Option<PromotionDetail>,
}

/// Watches a promotion, for whoever holds its address.
///
/// # Errors
/// [`PromotionError::NoSuchPromotion`] for a wrong address.
pub async fn watch(control: &Control, which: &str, secret: &str) -> Result<Watch, PromotionError> {
    let id: PromotionId = which.parse().map_err(|_| PromotionError::NoSuchPromotion)?;
    let found = store::promotion::by_id(control.store.db(), id).await?.ok_or(PromotionError::NoSuchPromotion)?;
    if !crate::same_secret(&found.secret, secret) {
        return Err(PromotionError::NoSuchPromotion);
    }
    Ok(Watch { control: control.clone(), id, changes: control.promotions.0.subscribe(), last: None })
}

impl Watch {
    /// The promotion as it is now, then after each change; `None` when it is completed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next(&mut self) -> Result<Option<PromotionDetail>, StoreError> {
        loop {
            if self.last.as_ref().is_some_and(|last| last.promotion.completed) {
                return Ok(None);
            }
            // Seen before it is read: a change in between wakes again.
            self.changes.borrow_and_update();
            let Some(now) = promotion::by_id(&self.control, self.id).await? else { return Ok(None) };
            if self.last.as_ref() != Some(&now) {
                self.last = Some(now.clone());
                return Ok(Some(now));
            }
            if self.changes.changed().await.is_err() {
                return Ok(None);
            }
        }
    }
}
