//! What every door holds: the verbs, the server's own address, the rate limits.

use crate::authority::Authority;
use crate::link::Links;
use crate::rate::RateLimits;
use crate::settings::{Settings, SshDoor};
use axum::Router;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use control::Control;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// The state of the router.
#[derive(Clone)]
pub(crate) struct Door {
    /// The verbs.
    pub(crate) control: Control,
    /// The API's own address, for clients that send no usable `Host`.
    pub(crate) api_url: Arc<str>,
    pub(crate) limits: Arc<RateLimits>,
    /// Vouches for the rendezvous.
    pub(crate) authority: Arc<Authority>,
    /// Where the same doors listen by TLS.
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) ssh: Option<SshDoor>,
    /// The routes themselves, for what is there before a change.
    pub(crate) routes: Arc<OnceLock<Router>>,
}

impl Door {
    pub(crate) fn new(control: Control, authority: Arc<Authority>, settings: &Settings) -> Self {
        let api_url = format!("http://{}", control.settings().api).into();
        let limits = Arc::new(RateLimits::new(settings));
        let ssh = settings.ssh.clone();
        Self { control, api_url, limits, authority, tls: settings.tls, ssh, routes: Arc::default() }
    }
}

impl FromRef<Door> for Control {
    fn from_ref(door: &Door) -> Self {
        door.control.clone()
    }
}

impl FromRef<Door> for Arc<Authority> {
    fn from_ref(door: &Door) -> Self {
        Arc::clone(&door.authority)
    }
}

impl FromRequestParts<Door> for Links {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, &door.api_url).with_git(door.control.settings().git_url.as_deref()))
    }
}
