//! At the end the ledger, the processes, the folders and the route table say the same.

use crate::changes::{App, quantity_of};
use crate::kills::Killed;
use crate::machine::{self, Role};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use testkit::{Client, Flow, PATIENCE};
use tokio::time::{Duration, Instant, sleep};

/// Visits per app that must all see the newest push.
const VISITS: usize = 20;

/// Waits until everything agrees; what does not, if it never does.
pub(crate) async fn wait(flow: &Flow, apps: &[App], killed: &Killed) -> Vec<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let wrong = disagreements(flow, apps, killed).await;
        if wrong.is_empty() || Instant::now() > until {
            return wrong;
        }
        for app in apps {
            // One that was killed again and again is made to wait for minutes; a restart forgets that.
            if app.read(flow, "/dynos").await.as_array().unwrap().iter().any(|dyno| dyno["state"] == "crashed") {
                let _again_if_not = flow.attempt("DELETE", &format!("/apps/{}/dynos", app.name), None).await.is_err();
            }
        }
        sleep(Duration::from_millis(250)).await;
    }
}

async fn disagreements(flow: &Flow, apps: &[App], killed: &Killed) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut dynos = Vec::new();
    for app in apps {
        ledger(flow, app, &mut wrong).await;
        let running = app.read(flow, "/dynos").await;
        formation(flow, app, &running, &mut wrong).await;
        visits(flow, app, &mut wrong).await;
        dynos.extend(running.as_array().unwrap().iter().map(|dyno| (app.name, dyno.clone())));
    }
    routes(flow.dir(), &dynos, &mut wrong);
    folders(flow.dir(), &dynos, &mut wrong);
    processes(flow.dir(), &dynos, killed, &mut wrong);
    wrong
}

/// What was accepted is in the ledger, and nothing there waits for somebody who died.
async fn ledger(flow: &Flow, app: &App, wrong: &mut Vec<String>) {
    let name = app.name;
    let config = app.read(flow, "/config-vars").await;
    if config != serde_json::json!(app.config) {
        wrong.push(format!("{name}: the config is {config}, accepted was {:?}", app.config));
    }
    let builds = app.read(flow, "/builds").await;
    let releases = app.read(flow, "/releases").await;
    for (what, all) in [("build", &builds), ("release", &releases)] {
        for one in all.as_array().unwrap().iter().filter(|one| one["status"] == "pending") {
            wrong.push(format!("{name}: a {what} is pending: {one}"));
        }
    }
    for failed in builds.as_array().unwrap().iter().filter(|build| build["status"] == "failed") {
        let output = flow.attempt("GET", testkit::path_of(&failed["output_stream_url"]), None).await;
        let says_why = output.as_ref().is_ok_and(|output| output.text().contains(" !     "));
        if !says_why {
            wrong.push(format!("{name}: a build failed and does not say why: {failed}, {output:?}"));
        }
    }
    let versions: Vec<i64> =
        releases.as_array().unwrap().iter().map(|release| release["version"].as_i64().unwrap()).collect();
    if !versions.iter().copied().eq(1..=versions.len() as i64) {
        wrong.push(format!("{name}: the releases are {versions:?}"));
    }
    for commit in &app.pushed {
        let of = |build: &&Value| build["source_blob"]["version"] == commit.as_str() && build["status"] == "succeeded";
        let build = builds.as_array().unwrap().iter().find(of);
        let release = build.map(|build| &build["release"]["id"]);
        if !releases.as_array().unwrap().iter().any(|known| Some(&known["id"]) == release) {
            wrong.push(format!("{name}: the push of {commit} was accepted, and has no release: {build:?}"));
        }
    }
}

/// Every dyno that should run does, once, on the newest release, and none that was to be replaced is left.
async fn formation(flow: &Flow, app: &App, running: &Value, wrong: &mut Vec<String>) {
    let name = app.name;
    let formation = app.read(flow, "/formation").await;
    let mut wanted = Vec::new();
    for (kind, quantity) in &app.formation {
        let is = quantity_of(&formation, kind);
        if is != *quantity {
            wrong.push(format!("{name}: {kind} is scaled to {is}, accepted was {quantity}"));
        }
        wanted.extend((1..=*quantity).map(|number| format!("{kind}.{number}")));
    }
    let running = running.as_array().unwrap();
    let mut names: Vec<&str> = running.iter().map(|dyno| dyno["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    if names != wanted {
        wrong.push(format!("{name}: {names:?} run instead of {wanted:?}"));
    }
    let releases = app.read(flow, "/releases").await;
    let current = releases.as_array().unwrap().iter().find(|release| release["current"] == true);
    let current = current.map(|release| release["version"].clone()).unwrap_or_default();
    for dyno in running {
        if dyno["state"] != "up" || dyno["release"]["version"] != current {
            wrong.push(format!("{name}: the release is v{current}, but: {dyno}"));
        }
        if app.retired.contains(dyno["id"].as_str().unwrap()) {
            wrong.push(format!("{name}: was to be restarted and was not: {dyno}"));
        }
    }
}

async fn visits(flow: &Flow, app: &App, wrong: &mut Vec<String>) {
    let host = format!("{}.localhost", app.name);
    for _ in 0..VISITS {
        let visit = async { Client::connect(flow.apps).await?.get(&host, "/").await };
        match visit.await {
            Ok(answer) if answer.text() == app.text => {}
            other => return wrong.push(format!("{}: answered {other:?} instead of `{}`", app.name, app.text)),
        }
    }
    for (key, value) in app.config.iter().filter(|_| !app.is_quiet) {
        let visit = async { Client::connect(flow.apps).await?.get(&host, &format!("/env/{key}")).await };
        match visit.await {
            Ok(answer) if answer.text() == *value => {}
            other => wrong.push(format!("{}: {key} is {other:?} instead of `{value}`", app.name)),
        }
    }
}

/// The table that the router saved leads to the web dynos, to all of them and nowhere else.
fn routes(dir: &Path, dynos: &[(&str, Value)], wrong: &mut Vec<String>) {
    let saved = std::fs::read(dir.join("run/routes.json")).unwrap_or_default();
    let saved: Value = serde_json::from_slice(&saved).unwrap_or_default();
    let mut routed = BTreeSet::new();
    for route in saved.as_array().into_iter().flatten() {
        for backend in route["web"]["backends"].as_array().into_iter().flatten() {
            routed.insert((text(&route["name"]), text(&backend["dyno"]), text(&backend["addr"])));
        }
    }
    let address = |id: &Value| {
        let order = std::fs::read(dir.join("run/dynos").join(text(id)).join("order")).unwrap_or_default();
        text(&serde_json::from_slice::<Value>(&order).unwrap_or_default()["addr"])
    };
    let web = dynos.iter().filter(|(_, dyno)| dyno["type"] == "web");
    let wanted: BTreeSet<_> =
        web.map(|(app, dyno)| ((*app).to_owned(), text(&dyno["id"]), address(&dyno["id"]))).collect();
    if routed != wanted {
        wrong.push(format!("the saved table has {routed:?}, the web dynos are {wanted:?}"));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Folders are those of living dynos.
fn folders(dir: &Path, dynos: &[(&str, Value)], wrong: &mut Vec<String>) {
    let ids: BTreeSet<String> = dynos.iter().map(|(_, dyno)| text(&dyno["id"])).collect();
    let present = names(&dir.join("run/dynos"));
    if present != ids {
        wrong.push(format!("run/dynos has {present:?}, the dynos are {ids:?}"));
    }
    let scratch = names(&dir.join("scratch"));
    if scratch != ids {
        wrong.push(format!("scratch has {scratch:?}, the dynos are {ids:?}"));
    }
    let builds = names(&dir.join("builds"));
    if !builds.is_empty() {
        wrong.push(format!("builds are left: {builds:?}"));
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}

/// Every process is one of the platform's, or below the keeper of a dyno that should run.
fn processes(dir: &Path, dynos: &[(&str, Value)], killed: &Killed, wrong: &mut Vec<String>) {
    let running = machine::processes();
    let mut roles: Vec<Role> =
        running.iter().map(|process| process.role.clone()).filter(|role| *role != Role::Inside).collect();
    roles.sort();
    let mut wanted = vec![Role::Serve, Role::Router, Role::Holder, Role::Nursery];
    // One waits for the next dyno.
    wanted.push(Role::Keeper(None));
    wanted.extend(dynos.iter().map(|(app, dyno)| Role::Keeper(Some(((*app).to_owned(), text(&dyno["name"]))))));
    wanted.sort();
    if roles != wanted {
        wrong.push(format!("the processes are {roles:?}, wanted are {wanted:?}"));
    }
    let alive = machine::cgroups(&running);
    left_cgroups(dir, &alive, killed).for_each(|left| wrong.push(format!("the cgroup {} is left", left.display())));
}

/// Cgroups that this run made and nobody is in.
fn left_cgroups<'a>(
    dir: &Path,
    alive: &'a BTreeSet<String>,
    killed: &'a Killed,
) -> impl Iterator<Item = PathBuf> + use<'a> {
    let mut parents = BTreeSet::new();
    for id in names(&dir.join("run/dynos")) {
        let order = std::fs::read(dir.join("run/dynos").join(id).join("order")).unwrap_or_default();
        let order: Value = serde_json::from_slice(&order).unwrap_or_default();
        let cgroups = order["cgroups"].as_array().into_iter().flatten();
        parents.extend(cgroups.filter_map(|path| Some(Path::new(path.as_str()?).parent()?.to_owned())));
    }
    let unbooked = killed.unbooked.lock().unwrap();
    let seen: Vec<String> = killed
        .cgroups
        .lock()
        .unwrap()
        .keys()
        .filter(|name| !alive.contains(*name) && !unbooked.contains(*name))
        .cloned()
        .collect();
    let paths = parents.into_iter().flat_map(move |parent| seen.clone().into_iter().map(move |name| parent.join(name)));
    paths.filter(|path| path.exists())
}
