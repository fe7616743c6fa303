//! Platform API v3, git smart HTTP; wire types; the one error mapping.
//!
//! Doors are thin: who, what, one verb, answer. No SQL and no decisions here.

pub mod accept;
mod account;
mod address;
mod answer;
mod app;
mod app_setup;
mod audit;
mod auth;
pub mod authority;
mod blob;
pub mod body;
mod browser_login;
mod build;
mod buildpack_installation;
mod collaborator;
mod config_var;
mod container_registry;
mod cors;
mod deployment;
mod disk;
mod domain;
mod door;
mod dyno;
mod dyno_size;
pub mod error;
mod error_count;
mod etag;
mod exposition;
mod favorite;
mod feature;
mod filter;
mod formation;
mod front;
mod git_http;
mod gzip;
mod idempotency;
mod idle;
pub mod link;
mod log_drain;
mod log_session;
mod mask;
mod metrics;
mod monitor;
pub mod neighbour;
mod notification;
mod oauth;
mod official;
mod output;
mod password_reset;
mod pipeline;
mod pipeline_coupling;
mod platform;
mod pre_authorization;
mod promotion;
pub mod range;
mod rate;
mod region;
mod registry;
mod registry_error;
mod release;
mod release_phase;
pub mod rendezvous;
mod reservation;
pub mod routes;
mod schema;
mod serve;
mod settings;
mod slug;
mod sni_endpoint;
mod source;
mod ssh_key;
mod stage_gate;
mod team;
mod team_app;
mod telemetry_drain;
mod test_gate;
mod test_run;
pub mod tls;
mod traffic;
mod user_notification;
mod verification;
pub mod views;
mod webhook;

pub use serve::serve;
pub use settings::{Settings, SshDoor, Tunnel};
pub use views::event::WIRE;

use authority::Authority;
use axum::Router;
use control::Control;
use door::Door;
use front::Front;
use std::sync::Arc;

/// Every door of the control plane but the rendezvous, as one router.
pub fn router(control: Control, authority: Arc<Authority>, settings: &Settings) -> Router {
    let door = Door::new(control.clone(), authority, settings);
    let routes = routes::router(&door);
    // The first time is the only one.
    let _set = door.routes.set(routes.clone()).is_ok();
    Router::new().fallback(front::pass).with_state(Front::new(routes, control))
}
