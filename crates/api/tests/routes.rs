//! The route list is consistent, and holds what the published schema links to for the nouns that are served.

use api::routes::{Access, ROUTES};
use std::collections::HashSet;

#[test]
fn every_route_is_listed_once() {
    let mut seen = HashSet::new();
    for route in ROUTES {
        assert!(seen.insert((route.method.clone(), route.path)), "{} {}", route.method, route.path);
    }
}

#[test]
fn an_app_in_the_path_is_always_behind_the_gate() {
    for route in ROUTES {
        let gated = route.access.right().is_some();
        assert_eq!(gated, route.path.contains("{app}"), "{} {}", route.method, route.path);
    }
}

#[test]
fn a_pipeline_in_the_path_is_always_behind_the_gate() {
    for route in ROUTES {
        let gated = matches!(route.access, Access::Pipeline(_));
        assert_eq!(gated, route.path.contains("{pipeline}"), "{} {}", route.method, route.path);
    }
}

#[test]
fn an_open_address_has_a_secret_in_it() {
    for route in ROUTES {
        let open = matches!(route.access, Access::Signed);
        assert_eq!(open, route.path.contains("{secret}"), "{} {}", route.method, route.path);
    }
}
