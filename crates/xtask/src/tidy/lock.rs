//! What the lock file must not contain.

use super::toml::{strings, tables};
use super::{Finding, Rule, Tree};

const LOCK: &str = "Cargo.lock";

/// Packages that must not be there, with what to use.
const BANNED: [(&str, &str); 5] = [
    ("openssl-sys", "TLS is rustls with aws-lc-rs"),
    ("native-tls", "TLS is rustls with aws-lc-rs"),
    ("reqwest", "HTTP clients are hyper with hyper-rustls"),
    ("libgit2-sys", "git is the git binary"),
    ("libseccomp-sys", "seccomp filters are built by seccompiler"),
];

/// Stacks of which one version is enough.
const SINGLE: [&str; 8] = ["tokio", "hyper", "http", "hyper-util", "rustls", "axum", "sqlx", "serde"];

/// `ring` beside aws-lc-rs makes rustls panic at run time. The lock file lists it even where it is never built, because
/// it is an optional dependency of this package; `rustls` itself lists it exactly when its `ring` feature is on.
const MAY_LIST_RING: &str = "rustls-webpki";

struct Package<'a> {
    name: &'a str,
    line: usize,
    dependencies: Vec<&'a str>,
}

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let Some(lock) = tree.file(LOCK) else {
        findings.push(Finding::new(Rule::Lock, LOCK, 1, "missing", "run cargo once and commit it"));
        return;
    };
    let tables = tables(&lock.text);
    let packages: Vec<Package<'_>> = tables
        .iter()
        .filter(|table| table.name == "package")
        .filter_map(|table| {
            let list = table.entries.iter().find(|(key, ..)| *key == "dependencies");
            let dependencies = list.map(|(_, list, _)| strings(list).collect()).unwrap_or_default();
            Some(Package { name: table.text("name")?, line: table.line, dependencies })
        })
        .collect();
    for package in &packages {
        if let Some((name, instead)) = BANNED.iter().find(|(name, _)| *name == package.name) {
            findings.push(Finding::new(Rule::Lock, LOCK, package.line, format!("`{name}` is banned"), *instead));
        }
        let lists_ring = package.dependencies.iter().any(|name| name.split(' ').next() == Some("ring"));
        if lists_ring && package.name != MAY_LIST_RING {
            let what = format!("`{}` is built with `ring`, which panics beside aws-lc-rs", package.name);
            findings.push(Finding::new(Rule::Lock, LOCK, package.line, what, "choose its aws-lc-rs feature"));
        }
    }
    for name in SINGLE {
        if let Some(second) = packages.iter().filter(|package| package.name == name).nth(1) {
            let what = format!("two versions of `{name}`");
            findings.push(Finding::new(Rule::Lock, LOCK, second.line, what, "move every user to one version"));
        }
    }
}
