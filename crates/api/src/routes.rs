//! A route: method, path, who may pass, handler. Tests walk the list of them with every role.

mod list;

pub use list::ROUTES;

use crate::door::Door;
use crate::{container_registry, neighbour, platform};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware;
use axum::routing::MethodRouter;
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
    /// Whoever has this right to the pipeline in the path: its owner, and by their role the people of its team.
    Pipeline(Right),
    /// Whoever has this right to the app in the path.
    App(Right),
    /// Whoever holds the address: it has a secret in it.
    Signed,
    /// Everybody: it is no secret.
    Public,
    /// git's own way: credentials when asked, then the right to deploy.
    Git,
    /// A registry's way: credentials when asked.
    Registry,
    /// The same, and this right to the app in the path.
    Repository(Right),
}

impl Access {
    /// The right to the app in the path, where there is one.
    #[must_use]
    pub fn right(self) -> Option<Right> {
        match self {
            Self::App(right) | Self::Repository(right) => Some(right),
            Self::Account
            | Self::Free
            | Self::Login
            | Self::Operator
            | Self::Team(_)
            | Self::Pipeline(_)
            | Self::Signed
            | Self::Public
            | Self::Registry
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
const OPEN: &[&str] = &[
    "/apps",
    "/sources",
    "/filters/apps",
    "/app-setups",
    "/teams/apps",
    "/pipelines",
    "/pipeline-couplings",
    "/pipeline-couplings/{coupling}",
    "/pipeline-promotions",
    "/telemetry-drains",
    "/telemetry-drains/{telemetry_drain}",
    "/test-runs",
    "/test-runs/{test_run}",
];

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

    /// Does an app with the feature `second-factor` ask for a code first (API-14)? For changes, and for what config vars hold.
    #[must_use]
    pub fn asks_second_factor(&self) -> bool {
        (self.changes() && self.path != "/apps/{app}/pre-authorizations") || self.scope() == Scope::ReadProtected
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
            Access::App(_)
            | Access::Repository(_)
            | Access::Pipeline(_)
            | Access::Team(Right::View)
            | Access::Account
                if reads && !personal =>
            {
                Scope::Read
            }
            // A pipeline is for whoever sees any of its apps; to take it away is its owner's.
            Access::Pipeline(Right::Manage) => Scope::Global,
            Access::App(_) | Access::Repository(_) | Access::Pipeline(_) => Scope::Write,
            Access::Account if OPEN.contains(&self.path) => Scope::Write,
            Access::Account | Access::Login | Access::Operator | Access::Team(_) => Scope::Global,
            Access::Signed | Access::Public | Access::Git | Access::Registry => Scope::Identity,
        }
    }
}

const fn route(method: Method, path: &'static str, access: Access, handler: fn() -> MethodRouter<Door>) -> Route {
    Route { method, path, access, handler }
}

/// The list as a router.
pub(crate) fn router(door: &Door) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let mut handler = (route.handler)();
        match route.access {
            Access::Account
            | Access::Free
            | Access::Login
            | Access::Operator
            | Access::Team(_)
            | Access::Pipeline(_)
            | Access::App(_) => {
                let state = (door.clone(), route);
                handler = handler.layer(middleware::from_fn_with_state(state, platform::wrap));
            }
            Access::Registry | Access::Repository(_) => {
                let state = (door.clone(), route);
                handler = handler.layer(middleware::from_fn_with_state(state, container_registry::wrap));
            }
            Access::Signed | Access::Public | Access::Git => {}
        }
        router = router.route(route.path, handler);
    }
    router
        .fallback(neighbour::no_such_path)
        .method_not_allowed_fallback(neighbour::wrong_method)
        // JSON bodies have their own limit (body.rs), archives theirs in the verbs, pushes git's.
        .layer(DefaultBodyLimit::disable())
        .with_state(door.clone())
}
