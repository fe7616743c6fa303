//! Every route, in one list: method, path, who may pass, handler. Tests walk it with every role.

use crate::door::Door;
use crate::{
    account, app, audit, build, buildpack_installation, collaborator, config_var, disk, domain, dyno, feature, filter,
    formation, git_http, idle, log_drain, log_session, metrics, oauth, platform, region, release, rendezvous, schema,
    slug, sni_endpoint, source, ssh_key, team, team_app, webhook,
};
use crate::{address, neighbour, registry};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use model::authorization::Scope;
use model::permission::Right;

/// Who may pass a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody with a token.
    Account,
    /// Anybody with a token; costs nothing of the rate limit.
    Free,
    /// With a token, or with e-mail and password.
    Login,
    /// Operators of the server.
    Operator,
    /// Whoever has this right to the team in the path: to see it as a member, to manage it as an admin.
    Team(Right),
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
            Self::Account
            | Self::Free
            | Self::Login
            | Self::Operator
            | Self::Team(_)
            | Self::Signed
            | Self::Public
            | Self::Git => None,
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

/// What people do for themselves with tokens of every scope that reads or writes, outside of any app.
const OPEN: &[&str] = &["/apps", "/sources", "/filters/apps", "/app-setups", "/teams/apps"];

/// What is about credentials and people, even to read.
const PERSONAL: &[&str] = &["/oauth/", "/account/", "/accounts", "/audit-events", "/teams/invitations/"];

/// POST because of what is asked with it; nothing is changed by them.
const QUESTIONS: &[&str] = &["/apps/{app}/log-sessions", "/filters/apps"];

impl Route {
    /// Does it change anything? Then it is written down.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.method != Method::GET && !QUESTIONS.contains(&self.path)
    }

    /// Does it stop something or take it away? On a disk that is full this goes on, because it is what helps.
    #[must_use]
    pub fn relieves(&self) -> bool {
        self.method == Method::DELETE || self.path.ends_with("/actions/stop") || self.path.ends_with("/actions/sleep")
    }

    /// What a token must be good for (OAUTH-1). Whatever is outside of apps and not listed asks for everything.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let reads = self.method == Method::GET;
        if self.path.contains("/config-vars") {
            return if reads { Scope::ReadProtected } else { Scope::WriteProtected };
        }
        let personal = PERSONAL.iter().any(|part| self.path.starts_with(part)) && self.path != "/account/features";
        match self.access {
            Access::Free => Scope::Identity,
            _ if self.path == "/account" && reads => Scope::Identity,
            Access::App(_) if self.path.contains("/collaborators") && !reads => Scope::Global,
            Access::App(_) | Access::Team(Right::View) | Access::Account if reads && !personal => Scope::Read,
            Access::App(_) => Scope::Write,
            Access::Account if OPEN.contains(&self.path) => Scope::Write,
            Access::Account | Access::Login | Access::Operator | Access::Team(_) => Scope::Global,
            Access::Signed | Access::Public | Access::Git => Scope::Identity,
        }
    }
}

const fn route(method: Method, path: &'static str, access: Access, handler: fn() -> MethodRouter<Door>) -> Route {
    Route { method, path, access, handler }
}

const VIEW: Access = Access::App(Right::View);
const DEPLOY: Access = Access::App(Right::Deploy);
const OPERATE: Access = Access::App(Right::Operate);
const RUN: Access = Access::App(Right::Run);
const MANAGE: Access = Access::App(Right::Manage);
const MEMBER: Access = Access::Team(Right::View);
const ADMIN: Access = Access::Team(Right::Manage);

/// The list.
pub const ROUTES: &[Route] = &[
    route(Method::GET, "/account", Access::Account, || get(account::show)),
    route(Method::GET, "/account/rate-limits", Access::Free, || get(account::rate_limits)),
    route(Method::PATCH, "/account", Access::Account, || patch(account::update)),
    route(Method::DELETE, "/account", Access::Account, || delete(account::destroy)),
    route(Method::POST, "/account/two-factor", Access::Account, || post(account::begin_two_factor)),
    route(Method::PUT, "/account/two-factor", Access::Account, || put(account::confirm_two_factor)),
    route(Method::GET, "/users/{user}", Access::Account, || get(account::user)),
    route(Method::PATCH, "/users/{user}", Access::Account, || patch(account::update_user)),
    route(Method::DELETE, "/users/{user}", Access::Account, || delete(account::destroy_user)),
    route(Method::GET, "/users/{user}/apps", Access::Account, || get(account::apps)),
    route(Method::GET, "/accounts", Access::Operator, || get(account::list)),
    route(Method::POST, "/accounts", Access::Operator, || post(account::create)),
    route(Method::GET, "/accounts/{account}", Access::Operator, || get(account::find)),
    route(Method::PATCH, "/accounts/{account}", Access::Operator, || patch(account::change)),
    route(Method::DELETE, "/accounts/{account}", Access::Operator, || delete(account::remove)),
    route(Method::POST, "/accounts/{account}/actions/reset-password", Access::Operator, || {
        post(account::reset_password)
    }),
    route(Method::GET, "/oauth/authorizations", Access::Account, || get(oauth::list)),
    route(Method::POST, "/oauth/authorizations", Access::Login, || post(oauth::create)),
    route(Method::GET, "/oauth/authorizations/{authorization}", Access::Account, || get(oauth::show)),
    route(Method::PATCH, "/oauth/authorizations/{authorization}", Access::Account, || patch(oauth::update)),
    route(Method::DELETE, "/oauth/authorizations/{authorization}", Access::Account, || delete(oauth::revoke)),
    route(Method::POST, "/oauth/authorizations/{authorization}/actions/regenerate-tokens", Access::Account, || {
        post(oauth::regenerate)
    }),
    route(Method::GET, "/oauth/sessions", Access::Account, || get(oauth::sessions)),
    route(Method::DELETE, "/oauth/sessions/{authorization}", Access::Account, || delete(oauth::end_session)),
    // A client has no account: its secret in the body is its credential.
    route(Method::POST, "/oauth/tokens", Access::Public, || post(oauth::exchange)),
    route(Method::DELETE, "/oauth/tokens/{authorization}", Access::Account, || delete(oauth::revoke_token)),
    route(Method::GET, "/oauth/clients", Access::Account, || get(oauth::clients)),
    route(Method::POST, "/oauth/clients", Access::Account, || post(oauth::create_client)),
    route(Method::GET, "/oauth/clients/{client}", Access::Account, || get(oauth::show_client)),
    route(Method::PATCH, "/oauth/clients/{client}", Access::Account, || patch(oauth::update_client)),
    route(Method::DELETE, "/oauth/clients/{client}", Access::Account, || delete(oauth::destroy_client)),
    route(Method::POST, "/oauth/clients/{client}/actions/rotate-credentials", Access::Account, || {
        post(oauth::rotate_client)
    }),
    route(Method::GET, "/account/keys", Access::Account, || get(ssh_key::list)),
    route(Method::POST, "/account/keys", Access::Account, || post(ssh_key::add)),
    route(Method::GET, "/account/keys/{key}", Access::Account, || get(ssh_key::show)),
    route(Method::DELETE, "/account/keys/{key}", Access::Account, || delete(ssh_key::remove)),
    route(Method::GET, "/account/app-transfers", Access::Account, || get(team_app::offers)),
    route(Method::POST, "/account/app-transfers", Access::Account, || post(team_app::offer)),
    route(Method::GET, "/account/app-transfers/{transfer}", Access::Account, || get(team_app::show_offer)),
    route(Method::PATCH, "/account/app-transfers/{transfer}", Access::Account, || patch(team_app::answer)),
    route(Method::DELETE, "/account/app-transfers/{transfer}", Access::Account, || delete(team_app::cancel)),
    route(Method::GET, "/teams", Access::Account, || get(team::list)),
    route(Method::POST, "/teams", Access::Account, || post(team::create)),
    route(Method::GET, "/teams/permissions", Access::Account, || get(team::permissions)),
    route(Method::GET, "/teams/apps", Access::Account, || get(team_app::list)),
    route(Method::POST, "/teams/apps", Access::Account, || post(team_app::create)),
    route(Method::GET, "/teams/apps/{app}", VIEW, || get(team_app::show)),
    route(Method::PATCH, "/teams/apps/{app}", MANAGE, || patch(team_app::update)),
    route(Method::GET, "/teams/apps/{app}/collaborators", VIEW, || get(collaborator::list)),
    // To add or remove oneself asks for less than to do it to others: the verbs know.
    route(Method::POST, "/teams/apps/{app}/collaborators", VIEW, || post(collaborator::add)),
    route(Method::GET, "/teams/apps/{app}/collaborators/{collaborator}", VIEW, || get(collaborator::show)),
    route(Method::PATCH, "/teams/apps/{app}/collaborators/{collaborator}", MANAGE, || patch(collaborator::update)),
    route(Method::DELETE, "/teams/apps/{app}/collaborators/{collaborator}", VIEW, || delete(collaborator::remove)),
    route(Method::GET, "/teams/invitations/{token}", Access::Account, || get(team::invitation)),
    route(Method::POST, "/teams/invitations/{token}/accept", Access::Account, || post(team::accept)),
    route(Method::GET, "/teams/{team}", MEMBER, || get(team::show)),
    route(Method::PATCH, "/teams/{team}", ADMIN, || patch(team::update)),
    route(Method::DELETE, "/teams/{team}", ADMIN, || delete(team::destroy)),
    route(Method::GET, "/teams/{team}/apps", MEMBER, || get(team::apps)),
    route(Method::GET, "/teams/{team}/features", MEMBER, || get(team::features)),
    route(Method::GET, "/teams/{team}/members", MEMBER, || get(team::members)),
    route(Method::PUT, "/teams/{team}/members", ADMIN, || put(team::put_member)),
    route(Method::POST, "/teams/{team}/members", ADMIN, || post(team::add_member)),
    route(Method::PATCH, "/teams/{team}/members", ADMIN, || patch(team::change_member)),
    // Oneself without being an admin: the verb knows.
    route(Method::DELETE, "/teams/{team}/members/{member}", MEMBER, || delete(team::remove_member)),
    route(Method::GET, "/teams/{team}/members/{member}/apps", MEMBER, || get(team::member_apps)),
    route(Method::GET, "/teams/{team}/invitations", ADMIN, || get(team::invitations)),
    route(Method::PUT, "/teams/{team}/invitations", ADMIN, || put(team::invite)),
    route(Method::DELETE, "/teams/{team}/invitations/{invitation}", ADMIN, || delete(team::revoke_invitation)),
    route(Method::GET, "/audit-events", Access::Operator, || get(audit::list)),
    route(Method::GET, "/audit-events/chain", Access::Operator, || get(audit::chain)),
    route(Method::GET, "/apps/{app}/audit-events", MANAGE, || get(audit::of_app)),
    route(Method::GET, "/account/features", Access::Account, || get(feature::of_account)),
    route(Method::POST, "/apps", Access::Account, || post(app::create)),
    route(Method::GET, "/apps", Access::Account, || get(app::list)),
    route(Method::GET, "/apps/{app}", VIEW, || get(app::show)),
    // Another name asks for more: the verb knows.
    route(Method::PATCH, "/apps/{app}", RUN, || patch(app::update)),
    route(Method::DELETE, "/apps/{app}", MANAGE, || delete(app::destroy)),
    route(Method::GET, "/apps/{app}/collaborators", VIEW, || get(collaborator::list)),
    route(Method::POST, "/apps/{app}/collaborators", VIEW, || post(collaborator::add)),
    route(Method::GET, "/apps/{app}/collaborators/{collaborator}", VIEW, || get(collaborator::show)),
    route(Method::DELETE, "/apps/{app}/collaborators/{collaborator}", VIEW, || delete(collaborator::remove)),
    // Config vars hold secrets: seeing an app is not enough.
    route(Method::GET, "/apps/{app}/config-vars", RUN, || get(config_var::show)),
    route(Method::GET, "/apps/{app}/config-vars/write-only", RUN, || get(config_var::write_only)),
    route(Method::PATCH, "/apps/{app}/config-vars/write-only", RUN, || patch(config_var::hide)),
    route(Method::PATCH, "/apps/{app}/config-vars", RUN, || patch(config_var::patch)),
    route(Method::POST, "/apps/{app}/builds", DEPLOY, || post(build::create)),
    route(Method::GET, "/apps/{app}/builds", VIEW, || get(build::list)),
    route(Method::GET, "/apps/{app}/builds/{build}", VIEW, || get(build::show)),
    route(Method::GET, "/apps/{app}/buildpack-installations", VIEW, || get(buildpack_installation::list)),
    route(Method::PUT, "/apps/{app}/buildpack-installations", DEPLOY, || put(buildpack_installation::replace)),
    route(Method::DELETE, "/apps/{app}/build-cache", DEPLOY, || delete(build::purge_cache)),
    route(Method::POST, "/filters/apps", Access::Account, || post(filter::apps)),
    route(Method::GET, "/schema", Access::Public, || get(schema::show)),
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
    route(Method::GET, "/apps/{app}/sni-endpoints", VIEW, || get(sni_endpoint::list)),
    route(Method::POST, "/apps/{app}/sni-endpoints", OPERATE, || post(sni_endpoint::create)),
    route(Method::GET, "/apps/{app}/sni-endpoints/{endpoint}", VIEW, || get(sni_endpoint::show)),
    route(Method::PATCH, "/apps/{app}/sni-endpoints/{endpoint}", OPERATE, || patch(sni_endpoint::update)),
    route(Method::DELETE, "/apps/{app}/sni-endpoints/{endpoint}", OPERATE, || delete(sni_endpoint::delete)),
    route(Method::POST, "/apps/{app}/acm", OPERATE, || post(sni_endpoint::enable_acm)),
    route(Method::PATCH, "/apps/{app}/acm", OPERATE, || patch(sni_endpoint::refresh_acm)),
    route(Method::DELETE, "/apps/{app}/acm", OPERATE, || delete(sni_endpoint::disable_acm)),
    route(Method::GET, "/apps/{app}/log-drains", OPERATE, || get(log_drain::list)),
    route(Method::POST, "/apps/{app}/log-drains", OPERATE, || post(log_drain::create)),
    route(Method::GET, "/apps/{app}/log-drains/{drain}", OPERATE, || get(log_drain::show)),
    route(Method::DELETE, "/apps/{app}/log-drains/{drain}", OPERATE, || delete(log_drain::delete)),
    // A webhook's address often has a credential in it: seeing an app is not enough.
    route(Method::POST, "/apps/{app}/webhooks", OPERATE, || post(webhook::create)),
    route(Method::GET, "/apps/{app}/webhooks", OPERATE, || get(webhook::list)),
    route(Method::GET, "/apps/{app}/webhooks/{webhook}", OPERATE, || get(webhook::show)),
    route(Method::PATCH, "/apps/{app}/webhooks/{webhook}", OPERATE, || patch(webhook::update)),
    route(Method::GET, "/apps/{app}/webhook-events", VIEW, || get(webhook::events)),
    route(Method::GET, "/apps/{app}/webhook-events/{event}", VIEW, || get(webhook::event)),
    route(Method::GET, "/apps/{app}/webhook-deliveries", VIEW, || get(webhook::deliveries)),
    route(Method::GET, "/apps/{app}/webhook-deliveries/{delivery}", VIEW, || get(webhook::delivery)),
    route(Method::DELETE, "/apps/{app}/webhooks/{webhook}", OPERATE, || delete(webhook::destroy)),
    route(Method::POST, "/apps/{app}/log-sessions", RUN, || post(log_session::create)),
    route(Method::PUT, "/sources/{source}/{secret}", Access::Signed, || put(source::put_blob)),
    route(Method::GET, "/sources/{source}/{secret}", Access::Signed, || get(source::get_blob)),
    route(Method::PUT, "/blobs/slugs/{slug}/{secret}", Access::Signed, || put(slug::put_blob)),
    route(Method::GET, "/blobs/slugs/{slug}/{secret}", Access::Signed, || get(slug::get_blob)),
    route(Method::GET, "/streams/builds/{build}/{secret}", Access::Signed, || get(build::stream)),
    route(Method::GET, "/streams/releases/{release}/{secret}", Access::Signed, || get(release::stream)),
    route(Method::GET, "/streams/logs/{session}/{secret}", Access::Signed, || get(log_session::stream)),
    // What clients look for, and this server has none of.
    route(Method::GET, "/addons", Access::Account, || get(neighbour::none)),
    route(Method::GET, "/addon-attachments", Access::Account, || get(neighbour::none)),
    route(Method::GET, "/addon-services", Access::Account, || get(neighbour::none)),
    route(Method::GET, "/pipelines", Access::Account, || get(neighbour::none)),
    route(Method::GET, "/spaces", Access::Account, || get(neighbour::none)),
    route(Method::GET, "/favorites", Access::Account, || get(neighbour::none)),
    route(Method::GET, "/user/notifications", Access::Account, || get(neighbour::none)),
    route(Method::GET, "/apps/{app}/addons", VIEW, || get(neighbour::none)),
    route(Method::GET, "/apps/{app}/addon-attachments", VIEW, || get(neighbour::none)),
    route(Method::GET, "/apps/{app}/telemetry-drains", VIEW, || get(neighbour::none)),
    route(Method::GET, "/api/v4/current-status", Access::Public, || get(neighbour::status)),
    route(Method::GET, "/buildpacks", Access::Public, || get(registry::list)),
    route(Method::GET, "/buildpacks/{buildpack}", Access::Public, || get(registry::show)),
    route(Method::GET, "/buildpacks/{buildpack}/revisions", Access::Public, || get(registry::revisions)),
    route(Method::GET, "/buildpacks/{buildpack}/readme", Access::Public, || get(registry::readme)),
    route(Method::GET, "/addresses", Access::Public, || get(address::show)),
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
            Access::Account | Access::Free | Access::Login | Access::Operator | Access::Team(_) | Access::App(_) => {
                let state = (door.clone(), route);
                handler = handler.layer(middleware::from_fn_with_state(state, platform::wrap));
            }
            Access::Signed | Access::Public | Access::Git => {}
        }
        router = router.route(route.path, handler);
    }
    router
        .fallback(neighbour::no_such_path)
        .method_not_allowed_fallback(platform::wrong_method)
        // JSON bodies have their own limit (body.rs), archives theirs in the verbs, pushes git's.
        .layer(DefaultBodyLimit::disable())
        .with_state(door.clone())
}
