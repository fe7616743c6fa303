//! One app's entry in the route table: where its requests go, and what its owner wants beside that.

use model::route::Route;
use serde::{Deserialize, Serialize};

/// One app as the control plane gives it to the router. A plain [`Route`] is an entry without wishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where its requests go.
    #[serde(flatten)]
    pub route: Route,
    /// `ERROR_PAGE_URL`: shown in a frame where the router answers with an application error (ROUTE-61, ROUTE-62).
    /// Anything but an `http` or `https` URL is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_page: Option<String>,
    /// `MAINTENANCE_PAGE_URL`: shown in a frame during maintenance. As `error_page`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_page: Option<String>,
    /// Requests of one visitor go to one dyno as long as it is up (ROUTE-16).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub session_affinity: bool,
}

impl From<Route> for Entry {
    fn from(route: Route) -> Self {
        Self { route, error_page: None, maintenance_page: None, session_affinity: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::route::{Backend, Web};

    #[test]
    fn a_route_of_an_older_release_is_an_entry() {
        let backend =
            Backend { dyno: uuid::Uuid::from_u128(2).into(), name: "web.1".into(), addr: "[::1]:80".parse().unwrap() };
        let route = Route {
            app: uuid::Uuid::from_u128(1).into(),
            name: "shop".parse().unwrap(),
            hosts: vec!["shop.localhost".into()],
            web: Web::Up { backends: vec![backend] },
        };
        let text = serde_json::to_string(&route).unwrap();
        let plain = Entry::from(route);
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), plain);
        assert_eq!(serde_json::to_string(&plain).unwrap(), text);
        let full = Entry { error_page: Some("https://a.test".into()), session_affinity: true, ..plain };
        assert_eq!(serde_json::from_str::<Entry>(&serde_json::to_string(&full).unwrap()).unwrap(), full);
    }
}
