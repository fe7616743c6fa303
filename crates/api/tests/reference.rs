//! `docs/api.md` is made of the route list. A route that comes, goes or lets others pass shows in the change of that file.
//!
//! `FLOWLINE_WRITE_DOCS=1 cargo test -p api --test reference` writes it again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use api::routes::{Access, ROUTES, Route};
use model::permission::Right;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What the published schema links to, with `{}` for every placeholder.
const PUBLISHED: &str = include_str!("schema/published-links.txt");

const HEAD: &str = "\
# API reference

Made of the route list by `FLOWLINE_WRITE_DOCS=1 cargo test -p api --test reference`; a test holds it to the list.

The API is the Platform API, version 3: `Accept: application/vnd.heroku+json; version=3`, and a token as `Bearer` or as the password
of Basic. Routes marked **+** are Flowline's own: the published schema of that API has none like them.

*Who* is what the caller needs: a permission for the app or a role in the team of the path, a token, or an address with a secret
in it. *Scope* is what the token must be good for.

For every request: `Range` and `Next-Range` page through lists, `ETag` and `If-None-Match` save reading again, `Request-Id` names
the request, `RateLimit-Remaining` says how many are left. A POST with an `Idempotency-Key` (an extension) is done once: the same
request with the same key is answered as before for 24 hours, another request with it is 422. Bodies may be compressed with gzip.
";

fn who(access: Access) -> &'static str {
    match access {
        Access::Account => "a token",
        Access::Free => "a token; not counted",
        Access::Login => "a token, or e-mail and password",
        Access::Operator => "an operator",
        Access::Team(Right::Manage) => "an admin of the team",
        Access::Team(_) => "a member of the team",
        Access::Pipeline(Right::View) => "pipeline: view",
        Access::Pipeline(Right::Manage) => "pipeline: manage",
        Access::Pipeline(_) => "pipeline: deploy or operate",
        Access::App(Right::View) => "app: view",
        Access::App(Right::Deploy) => "app: deploy",
        Access::App(Right::Operate) => "app: operate",
        Access::App(Right::Run) => "app: deploy or operate",
        Access::App(Right::Manage) => "app: manage",
        Access::Signed => "the address",
        Access::Public => "everybody",
        Access::Git => "app: deploy, as git asks",
        Access::Registry => "a token, as registries ask; not counted",
        Access::Repository(Right::View) => "app: view, as registries ask; not counted",
        Access::Repository(_) => "app: deploy, as registries ask; not counted",
    }
}

fn scope(route: &Route) -> &'static str {
    match route.access {
        Access::Signed | Access::Public | Access::Git => "",
        _ => route.scope().word(),
    }
}

/// `/apps/{app}/builds` as `/apps/{}/builds`.
fn bare(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// What the handlers say of themselves: `/// GET /apps/{app} - that app.`
fn sentences() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(rest) = line.trim().strip_prefix("/// ") else { continue };
            let mut said = rest.to_owned();
            while let Some(more) = lines.peek().and_then(|line| line.trim().strip_prefix("/// ")) {
                said = format!("{said} {more}");
                lines.next();
            }
            let Some((route, sentence)) = said.split_once(" - ") else { continue };
            if ["GET ", "POST ", "PUT ", "PATCH ", "DELETE "].iter().any(|method| route.starts_with(method)) {
                found.entry(route.to_owned()).or_insert_with(|| sentence.to_owned());
            }
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn reference() -> String {
    let published: HashSet<&str> = PUBLISHED.lines().collect();
    let sentences = sentences();
    let mut routes: Vec<&Route> = ROUTES.iter().collect();
    routes.sort_by_key(|route| (route.path, route.method.as_str()));
    let mut text = format!("{HEAD}\n|   | Route | Who | Scope | What |\n|---|---|---|---|---|\n");
    for route in routes {
        let named = format!("{} {}", route.method, route.path);
        let own = !published.contains(format!("{} {}", route.method, bare(route.path)).as_str());
        let mark = if own { "**+**" } else { "" };
        let what = sentences.get(&named).cloned().unwrap_or_default().replace('|', "\\|");
        writeln!(text, "| {mark} | `{named}` | {} | {} | {what} |", who(route.access), scope(route)).unwrap();
    }
    text + &not_offered()
}

/// What the published schema has and this server does not, by what the answer says, and why.
const NOT_OFFERED: &[(&str, &str)] = &[
    ("account features", "None exist: features belong to apps."),
    ("add-ons", "No services are sold or started beside apps yet; config vars hold addresses of your own."),
    ("addresses of repositories and caches", "Both are reached by git and `DELETE /apps/{app}/build-cache`."),
    ("authorizations of teams", "Tokens belong to people and OAuth clients."),
    ("bills", "Nothing is sold. The lists of invoices are empty, not absent: clients show them."),
    ("container images", "Images come by the registry at `/v2/`; `docker_image` in the formation releases them."),
    ("enterprise accounts", "Teams are the largest unit; the audit log is `GET /audit-events`."),
    ("gateway tokens", "A token does for everything."),
    ("identity providers", "People log in with password and second factor."),
    ("list of capabilities", "A refused request names the permission that is missing."),
    ("preferences", "Nothing is chosen for a person or a team: what a client remembers is its own."),
    ("private spaces", "Every app is walled off from the others already."),
    ("review apps", "Not there yet."),
    ("settings of single config vars", "Write-only config vars: `PATCH /apps/{app}/config-vars/write-only`."),
    ("text messages", "The second factor is an authenticator app or a recovery code."),
];

/// Published links without a route that are no thing of their own.
const OTHERWISE: &[(&str, &str)] =
    &[("GET /users/~/pipeline-couplings", "served as `GET /users/{user}/pipeline-couplings`")];

/// The links of the published schema that no route serves, each with what it is answered.
fn not_offered() -> String {
    let routes: HashSet<String> = ROUTES.iter().map(|route| format!("{} {}", route.method, bare(route.path))).collect();
    let mut of: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut otherwise = Vec::new();
    for link in PUBLISHED.lines().filter(|link| !routes.contains(*link)) {
        let path = link.split_once(' ').map_or("", |(_, path)| path).replace("{}", "x");
        let known = OTHERWISE.iter().find(|(other, _)| *other == link);
        match (known, api::neighbour::absent(&path)) {
            (Some((link, what)), _) => otherwise.push(format!("- `{link}`: {what}.")),
            (None, Some(noun)) => of.entry(noun).or_default().push(format!("`{link}`")),
            (None, None) => panic!("{link} is published and not served: give neighbour.rs a word for it"),
        }
    }
    let mut text = String::from(
        "\n## Not offered\n\nThe published schema has these links too. They are answered with 404, `not_found`, and \
         \"This server has no ….\"\n\n| No … | Why | Links |\n|---|---|---|\n",
    );
    for (noun, links) in of {
        let why = NOT_OFFERED.iter().find(|(known, _)| *known == noun).map(|(_, why)| *why);
        let why = why.unwrap_or_else(|| panic!("why are there no {noun}?"));
        writeln!(text, "| {noun} | {why} | {} |", links.join(", ")).unwrap();
    }
    otherwise.sort();
    writeln!(text, "\nOther ones:\n\n{}", otherwise.join("\n")).unwrap();
    text
}

#[test]
#[allow(clippy::disallowed_methods, reason = "whoever writes the file again says so by the environment")]
fn the_api_reference_is_that_of_the_route_list() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let text = reference();
    if std::env::var_os("FLOWLINE_WRITE_DOCS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = text.lines().find(|line| !kept.lines().any(|kept| kept == *line));
    assert!(
        text == kept,
        "docs/api.md is not of these routes ({}): FLOWLINE_WRITE_DOCS=1 cargo test -p api --test reference",
        differs.unwrap_or("a line that is gone")
    );
}

#[test]
fn extensions_are_known_by_the_published_schema() {
    let text = reference();
    let line = |route: &str| text.lines().find(|line| line.contains(&format!("`{route}`"))).unwrap().to_owned();
    assert!(line("POST /apps/{app}/webhooks").starts_with("|  |"));
    assert!(line("POST /apps/{app}/actions/sleep").starts_with("| **+** |"));
    assert!(line("GET /apps/{app}/config-vars").contains("read-protected"));
}
