//! Every route, in one list: method, path, who may pass, handler. Tests walk it with every role.

use crate::door::Door;
use crate::{
    account, app, build, config_var, disk, domain, dyno, feature, formation, git_http, idle, log_drain, log_session,
    metrics, platform, region, release, rendezvous, slug, source,
};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use model::permission::Right;

/// Who may pass a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody with a token.
    Account,
    /// Anybody with a token; costs nothing of the rate limit.
    Free,
    /// Whoever has this right to the app in the path.
    App(Right),
    /// Whoever holds the address: it has a secret in it.
    Signed,
    /// Everybody: it is no secret.
    Public,
    /// git's own way: credentials when asked, then the right to deploy.
    Git,
}

impl Access {
    /// The right to the app in the path, where there is one.
    #[must_use]
    pub fn right(self) -> Option<Right> {
        match self {
            Self::App(right) => Some(right),
            Self::Account | Self::Free | Self::Signed | Self::Public | Self::Git => None,
        }
    }
}

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, with `{names}`.
    pub path: &'static str,
    /// Who may pass.
    pub access: Access,
    handler: fn() -> MethodRouter<Door>,
}

const fn route(method: Method, path: &'static str, access: Access, handler: fn() -> MethodRouter<Door>) -> Route {
    Route { method, path, access, handler }
}

const VIEW: Access = Access::App(Right::View);
const DEPLOY: Access = Access::App(Right::Deploy);
const OPERATE: Access = Access::App(Right::Operate);
const RUN: Access = Access::App(Right::Run);
const MANAGE: Access = Access::App(Right::Manage);

/// The list.
pub const ROUTES: &[Route] = &[
    route(Method::GET, "/account", Access::Account, || get(account::show)),
    route(Method::GET, "/account/rate-limits", Access::Free, || get(account::rate_limits)),
    route(Method::GET, "/account/features", Access::Account, || get(feature::of_account)),
    route(Method::POST, "/apps", Access::Account, || post(app::create)),
    route(Method::GET, "/apps", Access::Account, || get(app::list)),
    route(Method::GET, "/apps/{app}", VIEW, || get(app::show)),
    route(Method::PATCH, "/apps/{app}", MANAGE, || patch(app::update)),
    route(Method::DELETE, "/apps/{app}", MANAGE, || delete(app::destroy)),
    // Config vars hold secrets: seeing an app is not enough.
    route(Method::GET, "/apps/{app}/config-vars", RUN, || get(config_var::show)),
    route(Method::PATCH, "/apps/{app}/config-vars", RUN, || patch(config_var::patch)),
    route(Method::POST, "/apps/{app}/builds", DEPLOY, || post(build::create)),
    route(Method::GET, "/apps/{app}/builds", VIEW, || get(build::list)),
    route(Method::GET, "/apps/{app}/builds/{build}", VIEW, || get(build::show)),
    route(Method::DELETE, "/apps/{app}/build-cache", DEPLOY, || delete(build::purge_cache)),
    route(Method::GET, "/disk", Access::Account, || get(disk::show)),
    route(Method::GET, "/metrics", Access::Free, || get(metrics::show)),
    route(Method::POST, "/sources", Access::Account, || post(source::create)),
    route(Method::POST, "/apps/{app}/sources", DEPLOY, || post(source::create)),
    route(Method::POST, "/apps/{app}/slugs", DEPLOY, || post(slug::create)),
    // A slug's address gives its code away: seeing an app is not enough.
    route(Method::GET, "/apps/{app}/slugs/{slug}", DEPLOY, || get(slug::show)),
    route(Method::GET, "/apps/{app}/releases", VIEW, || get(release::list)),
    route(Method::POST, "/apps/{app}/releases", DEPLOY, || post(release::create)),
    route(Method::GET, "/apps/{app}/releases/{release}", VIEW, || get(release::show)),
    route(Method::GET, "/apps/{app}/releases/{release}/receipt", VIEW, || get(release::receipt)),
    route(Method::GET, "/apps/{app}/releases/{release}/config-vars", RUN, || get(config_var::of_release)),
    route(Method::GET, "/apps/{app}/formation", VIEW, || get(formation::list)),
    route(Method::PATCH, "/apps/{app}/formation", RUN, || patch(formation::batch)),
    route(Method::GET, "/apps/{app}/formation/{type}", VIEW, || get(formation::show)),
    route(Method::PATCH, "/apps/{app}/formation/{type}", RUN, || patch(formation::update)),
    route(Method::GET, "/apps/{app}/dynos", VIEW, || get(dyno::list)),
    route(Method::POST, "/apps/{app}/dynos", RUN, || post(dyno::create)),
    route(Method::DELETE, "/apps/{app}/dynos", RUN, || delete(dyno::restart_all)),
    route(Method::GET, "/apps/{app}/dynos/{dyno}", VIEW, || get(dyno::show)),
    route(Method::POST, "/apps/{app}/dynos/{dyno}", RUN, || post(dyno::inside)),
    route(Method::DELETE, "/apps/{app}/dynos/{dyno}", RUN, || delete(dyno::restart_one)),
    route(Method::POST, "/apps/{app}/dynos/{dyno}/actions/stop", RUN, || post(dyno::stop_one)),
    route(Method::DELETE, "/apps/{app}/formations/{type}", RUN, || delete(dyno::restart_type)),
    route(Method::POST, "/apps/{app}/formations/{type}/actions/stop", RUN, || post(dyno::stop_type)),
    route(Method::GET, "/apps/{app}/features", VIEW, || get(feature::list)),
    route(Method::GET, "/apps/{app}/features/{feature}", VIEW, || get(feature::show)),
    route(Method::PATCH, "/apps/{app}/features/{feature}", RUN, || patch(feature::update)),
    route(Method::GET, "/apps/{app}/sleep", VIEW, || get(idle::show)),
    route(Method::PATCH, "/apps/{app}/sleep", RUN, || patch(idle::update)),
    route(Method::POST, "/apps/{app}/actions/sleep", RUN, || post(idle::sleep)),
    route(Method::POST, "/apps/{app}/actions/wake", RUN, || post(idle::wake)),
    route(Method::GET, "/apps/{app}/domains", VIEW, || get(domain::list)),
    route(Method::POST, "/apps/{app}/domains", OPERATE, || post(domain::create)),
    route(Method::GET, "/apps/{app}/domains/{domain}", VIEW, || get(domain::show)),
    route(Method::PATCH, "/apps/{app}/domains/{domain}", OPERATE, || patch(domain::update)),
    route(Method::DELETE, "/apps/{app}/domains/{domain}", OPERATE, || delete(domain::delete)),
    route(Method::GET, "/apps/{app}/available-stacks", VIEW, || get(region::stacks)),
    route(Method::GET, "/stacks", Access::Account, || get(region::stacks)),
    route(Method::GET, "/stacks/{stack}", Access::Account, || get(region::stack)),
    route(Method::GET, "/regions", Access::Account, || get(region::list)),
    route(Method::GET, "/regions/{region}", Access::Account, || get(region::show)),
    route(Method::GET, "/apps/{app}/log-drains", OPERATE, || get(log_drain::list)),
    route(Method::POST, "/apps/{app}/log-drains", OPERATE, || post(log_drain::create)),
    route(Method::GET, "/apps/{app}/log-drains/{drain}", OPERATE, || get(log_drain::show)),
    route(Method::DELETE, "/apps/{app}/log-drains/{drain}", OPERATE, || delete(log_drain::delete)),
    route(Method::POST, "/apps/{app}/log-sessions", RUN, || post(log_session::create)),
    route(Method::PUT, "/sources/{source}/{secret}", Access::Signed, || put(source::put_blob)),
    route(Method::GET, "/sources/{source}/{secret}", Access::Signed, || get(source::get_blob)),
    route(Method::PUT, "/blobs/slugs/{slug}/{secret}", Access::Signed, || put(slug::put_blob)),
    route(Method::GET, "/blobs/slugs/{slug}/{secret}", Access::Signed, || get(slug::get_blob)),
    route(Method::GET, "/streams/builds/{build}/{secret}", Access::Signed, || get(build::stream)),
    route(Method::GET, "/streams/releases/{release}/{secret}", Access::Signed, || get(release::stream)),
    route(Method::GET, "/streams/logs/{session}/{secret}", Access::Signed, || get(log_session::stream)),
    route(Method::GET, "/ca.pem", Access::Public, || get(rendezvous::certificate)),
    route(Method::GET, "/{repository}/info/refs", Access::Git, || get(git_http::refs)),
    route(Method::POST, "/{repository}/git-upload-pack", Access::Git, || post(git_http::fetch)),
    route(Method::POST, "/{repository}/git-receive-pack", Access::Git, || post(git_http::receive)),
];

/// The list as a router.
pub(crate) fn router(door: &Door) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let mut handler = (route.handler)();
        match route.access {
            Access::Account | Access::Free | Access::App(_) => {
                let state = (door.clone(), route.access);
                handler = handler.layer(middleware::from_fn_with_state(state, platform::wrap));
            }
            Access::Signed | Access::Public | Access::Git => {}
        }
        router = router.route(route.path, handler);
    }
    router
        .fallback(platform::no_such_path)
        .method_not_allowed_fallback(platform::wrong_method)
        // JSON bodies have their own limit (body.rs), archives theirs in the verbs, pushes git's.
        .layer(DefaultBodyLimit::disable())
        .with_state(door.clone())
}
