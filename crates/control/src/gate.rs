//! The one authorization gate: nobody holds an app without having been asked who they are and what they want.

use crate::Control;
use model::account::Account;
use model::app::{App, AppName};
use model::id::AppId;
use model::permission::{Permissions, Right};
use std::ops::Deref;
use store::StoreError;

/// A thing, and the account that may do with it what the gate was asked for. Only this file makes one.
#[derive(Debug, Clone)]
pub struct Authorized<T> {
    thing: T,
    by: Account,
    right: Right,
}

impl<T> Authorized<T> {
    /// Who asked.
    pub fn by(&self) -> &Account {
        &self.by
    }

    /// What was granted.
    pub fn right(&self) -> Right {
        self.right
    }
}

impl<T> Deref for Authorized<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

/// Why the gate stays shut.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// No such app, or none that the caller may see: the two must not differ (CLI-21).
    #[error("Couldn't find that app.")]
    NoSuchApp,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Control {
    /// The app with this name or id (API-10), for this account and right.
    ///
    /// # Errors
    /// [`GateError::NoSuchApp`] when there is none that the account may use so.
    pub async fn app(&self, who: &Account, name_or_id: &str, right: Right) -> Result<Authorized<App>, GateError> {
        let db = self.store.db();
        let app = if let Ok(id) = name_or_id.parse::<AppId>() {
            store::app::by_id(db, id).await?
        } else if let Ok(name) = name_or_id.parse::<AppName>() {
            store::app::by_name(db, &name).await?
        } else {
            None
        };
        let thing = app.filter(|app| may(who, app, right)).ok_or(GateError::NoSuchApp)?;
        Ok(Authorized { thing, by: who.clone(), right })
    }
}

/// The owner may do everything.
fn may(who: &Account, app: &App, right: Right) -> bool {
    let permissions = if app.owner == who.id { Permissions::all() } else { Permissions::NONE };
    permissions.grant(right)
}
