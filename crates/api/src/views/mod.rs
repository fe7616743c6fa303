//! The wire types: how each noun looks to API clients, and what clients may send. The shapes are those of the Platform API v3.

pub mod account;
pub mod app;
pub mod app_setup;
pub mod audit;
pub mod build;
pub mod buildpack_installation;
pub mod collaborator;
pub mod config_var;
pub mod deployment;
pub mod disk;
pub mod domain;
pub mod dyno;
pub mod dyno_size;
pub mod event;
pub mod feature;
pub mod formation;
pub mod idle;
pub mod log_drain;
pub mod log_session;
pub mod monitor;
mod named;
pub mod notification;
pub mod oauth;
pub mod password_reset;
pub mod pipeline;
pub mod pre_authorization;
pub mod promotion;
pub mod rate_limit;
pub mod receipt;
pub mod region;
pub mod release;
pub mod release_phase;
pub mod slug;
pub mod sni_endpoint;
pub mod source;
pub mod ssh_key;
pub mod stage_gate;
pub mod team;
pub mod telemetry_drain;
pub mod test_run;
pub mod transfer;
pub mod verification;
pub mod webhook;

pub use named::Named;

use model::account::Account;
use model::app::{App, AppName};
use model::id::{AccountId, AppId};
use serde::{Deserialize, Deserializer, Serialize};

/// `{id, name}` of the app that something belongs to.
#[derive(Debug, Clone, Serialize)]
pub struct AppRef {
    /// Its id.
    pub id: AppId,
    /// Its name.
    pub name: AppName,
}

impl From<&App> for AppRef {
    fn from(app: &App) -> Self {
        Self { id: app.id, name: app.name.clone() }
    }
}

/// `{id, email}` of the account that did something.
#[derive(Debug, Clone, Serialize)]
pub struct UserRef {
    /// Its id.
    pub id: AccountId,
    /// Its e-mail address.
    pub email: String,
}

impl From<&Account> for UserRef {
    fn from(account: &Account) -> Self {
        Self { id: account.id, email: account.email.clone() }
    }
}

/// `{id}` of something else.
#[derive(Debug, Clone, Serialize)]
pub struct IdRef<Id> {
    /// Its id.
    pub id: Id,
}

/// A field that is there, be it null: what is missing is not changed.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}
