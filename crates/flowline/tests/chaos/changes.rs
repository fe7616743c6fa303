//! Changes to an app, one after the other, and what must be there because somebody heard that it was accepted.
//!
//! A change whose answer was lost with the server may be there or not: the next look decides, and from then on it counts.

use crate::dice::Dice;
use crate::kills::Killed;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use testkit::{Flow, PATIENCE, Source};
use tokio::time::{Duration, Instant, sleep};

/// Between two looks at something that is on its way.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The fixture's server, but a small answer leaves it in one piece, as those of most servers do: a router that is killed
/// then has sent all of it or nothing.
const IN_ONE_PIECE: &str = "text = open('server.py').read()\nexec(text.replace('protocol_version', 'wbufsize = -1\\n    protocol_version', 1))\n";

/// What one app was changed to.
pub(crate) struct App {
    pub(crate) name: &'static str,
    /// Does a release run a command first? Its log is short, so that it can be read whole: one-off dynos run here.
    pub(crate) is_quiet: bool,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) formation: BTreeMap<String, u64>,
    pub(crate) text: String,
    /// Commits whose push was accepted.
    pub(crate) pushed: BTreeSet<String>,
    /// Dynos that were to be replaced.
    pub(crate) retired: BTreeSet<String>,
    pub(crate) lost: Vec<String>,
    dice: Dice,
}

/// For all apps together.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: AtomicU64,
    /// Their answers were lost with the server.
    pub(crate) unheard: AtomicU64,
    /// Declined with a reason, such as a build that was broken off.
    pub(crate) declined: AtomicU64,
}

/// What came of a change.
enum Outcome {
    Accepted(Value),
    Unheard,
}

impl App {
    /// Makes it, with its first release.
    pub(crate) async fn create(flow: &Flow, name: &'static str, is_quiet: bool, web: u64, seed: u64) -> Self {
        let made = flow.app(name).await;
        made.config(json!({ "CHAOS_APP": name })).await;
        made.push(source("0", is_quiet)).await.released("v4");
        if web > 1 {
            made.scale("web", u32::try_from(web).unwrap()).await;
        }
        made.served("/", "0").await;
        Self {
            name,
            is_quiet,
            config: BTreeMap::from([("CHAOS_APP".to_owned(), name.to_owned())]),
            formation: BTreeMap::from([("web".to_owned(), web), ("worker".to_owned(), 0)]),
            text: "0".to_owned(),
            pushed: BTreeSet::new(),
            retired: BTreeSet::new(),
            lost: Vec::new(),
            dice: Dice::of(seed, name),
        }
    }

    /// Changes it until it is told to stop.
    pub(crate) async fn change(
        mut self,
        flow: Arc<Flow>,
        tally: Arc<Tally>,
        killed: Arc<Killed>,
        over: Arc<AtomicBool>,
    ) -> Self {
        let mut number = 0;
        while !over.load(Ordering::Relaxed) {
            sleep(self.dice.pause(50, 700)).await;
            number += 1;
            let pick = self.dice.roll();
            match self.dice.between(0, 100) {
                0..25 => self.push(&flow, &tally, number).await,
                25..50 => self.set_config(&flow, &tally, number, pick).await,
                50..75 => self.scale(&flow, &tally, pick).await,
                75..85 => self.restart(&flow, &tally).await,
                _ if self.is_quiet => self.run(&flow, &tally, &killed, number).await,
                _ => self.restart(&flow, &tally).await,
            }
        }
        self
    }

    async fn push(&mut self, flow: &Flow, tally: &Tally, number: u64) {
        let text = format!("{} {number}", self.name);
        let push = flow.known_app(self.name).push(source(&text, self.is_quiet)).await;
        let is_live = if push.ok {
            tally.acknowledged.fetch_add(1, Ordering::Relaxed);
            self.pushed.insert(push.commit);
            !push.said.contains("Waiting for release.... failed.")
        } else {
            let declined = push.said.contains("Push rejected") || push.said.contains("Push failed");
            if declined { &tally.declined } else { &tally.unheard }.fetch_add(1, Ordering::Relaxed);
            self.was_released(flow, &push.commit).await
        };
        if is_live {
            self.text = text;
        }
    }

    /// Did a commit whose push was not accepted become what runs all the same?
    async fn was_released(&mut self, flow: &Flow, commit: &str) -> bool {
        let build = self.over(flow, "/builds", |build| build["source_blob"]["version"] == commit).await;
        let Some(release) = build.and_then(|build| build["release"]["id"].as_str().map(ToOwned::to_owned)) else {
            return false;
        };
        let release = self.over(flow, "/releases", |known| known["id"] == release.as_str()).await;
        release.is_some_and(|release| release["status"] == "succeeded")
    }

    /// The last of a list that is meant, once it is not pending any more.
    async fn over(&mut self, flow: &Flow, path: &str, is_meant: impl Fn(&Value) -> bool) -> Option<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let all = self.read(flow, path).await;
            let meant = all.as_array().unwrap().iter().rfind(|one| is_meant(one)).cloned();
            if meant.as_ref().is_none_or(|one| one["status"] != "pending") {
                return meant;
            }
            if Instant::now() > until {
                self.lost.push(format!("{} is pending for ever: {meant:?}", self.name));
                return meant;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn set_config(&mut self, flow: &Flow, tally: &Tally, number: u64, pick: u64) {
        let (key, value) = (format!("VAR_{}", pick % 4), format!("{number}"));
        let path = format!("/apps/{}/config-vars", self.name);
        match attempt(flow, tally, "PATCH", &path, Some(json!({ &key: value }))).await {
            Outcome::Accepted(_) => drop(self.config.insert(key, value)),
            Outcome::Unheard => {
                let now = self.read(flow, "/config-vars").await;
                let before = self.config.get(&key).cloned();
                let is = now[&key].as_str().map(ToOwned::to_owned);
                if is != before && is.as_ref() != Some(&value) {
                    self.lost.push(format!("{}: {key} was {before:?}, may be {value}, is {is:?}", self.name));
                }
                self.config.extend(is.map(|is| (key, is)));
            }
        }
    }

    async fn scale(&mut self, flow: &Flow, tally: &Tally, pick: u64) {
        let is_web = pick & 1 == 0 && self.name == "shop";
        let (kind, quantity) = if is_web { ("web", 2 + (pick >> 1) % 2) } else { ("worker", (pick >> 1) % 3) };
        let path = format!("/apps/{}/formation", self.name);
        let body = json!({ "updates": [{ "type": kind, "quantity": quantity }] });
        match attempt(flow, tally, "PATCH", &path, Some(body)).await {
            Outcome::Accepted(_) => drop(self.formation.insert(kind.to_owned(), quantity)),
            Outcome::Unheard => {
                let now = quantity_of(&self.read(flow, "/formation").await, kind);
                if now != self.formation[kind] && now != quantity {
                    self.lost.push(format!("{}: {kind} is {now}, neither before nor {quantity}", self.name));
                }
                self.formation.insert(kind.to_owned(), now);
            }
        }
    }

    async fn restart(&mut self, flow: &Flow, tally: &Tally) {
        let ids = |dynos: Value| -> Vec<String> {
            let formation = dynos.as_array().unwrap().iter().filter(|dyno| dyno["type"] != "run").cloned();
            formation.map(|dyno| dyno["id"].as_str().unwrap().to_owned()).collect()
        };
        let before = ids(self.read(flow, "/dynos").await);
        let path = format!("/apps/{}/dynos", self.name);
        if let Outcome::Accepted(_) = attempt(flow, tally, "DELETE", &path, None).await {
            self.retired.extend(before);
        }
    }

    /// A one-off dyno runs to its end once, and its log has all of it.
    async fn run(&mut self, flow: &Flow, tally: &Tally, killed: &Killed, number: u64) {
        let path = format!("/apps/{}/dynos", self.name);
        let command = format!("echo begin {number}.; sleep 0.4; echo end {number}.");
        let body = json!({ "command": command, "attach": false });
        let Outcome::Accepted(dyno) = attempt(flow, tally, "POST", &path, Some(body)).await else { return };
        let name = dyno["name"].as_str().unwrap().to_owned();
        let id = dyno["id"].clone();
        let until = Instant::now() + PATIENCE;
        while self.read(flow, "/dynos").await.as_array().unwrap().iter().any(|known| known["id"] == id) {
            if Instant::now() > until {
                return self.lost.push(format!("{name} of {} does not end", self.name));
            }
            sleep(LOOK_AGAIN).await;
        }
        let log = self.log(flow).await;
        // A line that was on its way when the server was killed may come twice, as it was.
        let lines = |words: &str| {
            let lines: BTreeSet<&str> = log.lines().filter(|line| line.contains(words)).collect();
            lines.len()
        };
        let (begun, ended) =
            (lines(&format!("app[{name}]: begin {number}.")), lines(&format!("app[{name}]: end {number}.")));
        let all = (begun, ended) == (1, 1);
        let reason = lines(&format!("heroku[{name}]: State changed from up to complete")) > 0
            || lines(&format!("heroku[{name}]: Process exited")) > 0;
        // A keeper that was killed between the order and its first process has no name yet; then the log says so.
        let gone = |line: &str| line.contains(&format!("heroku[{name}]")) && line.contains("its keeper has gone");
        let unborn = begun == 0 && killed.nameless() && log.lines().any(gone);
        if begun > 1 || ended > begun || !reason || !(all || unborn || killed.has(self.name, &name)) {
            let told: Vec<&str> = log.lines().filter(|line| line.contains(&format!("[{name}]"))).collect();
            self.lost.push(format!("{name} of {}: begun {begun}, ended {ended}: {told:#?}", self.name));
        }
    }

    /// The log's last lines.
    async fn log(&self, flow: &Flow) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let path = format!("/apps/{}/log-sessions", self.name);
            let wish = json!({ "lines": 1500, "tail": false });
            if let Ok(session) = flow.attempt("POST", &path, Some(&wish)).await
                && session.status == 201
                && let Ok(log) = flow.attempt("GET", testkit::path_of(&session.json()["logplex_url"]), None).await
                && log.status == 200
            {
                return log.text();
            }
            assert!(Instant::now() < until, "the log of {} cannot be read", self.name);
            sleep(LOOK_AGAIN).await;
        }
    }

    /// GET below the app, once the server is there.
    pub(crate) async fn read(&self, flow: &Flow, path: &str) -> Value {
        let path = format!("/apps/{}{path}", self.name);
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = flow.attempt("GET", &path, None).await;
            match answer {
                Ok(answer) if answer.status == 200 => return answer.json(),
                other => assert!(Instant::now() < until, "{path}: {other:?}"),
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

pub(crate) fn quantity_of(formation: &Value, kind: &str) -> u64 {
    let all = formation.as_array().unwrap();
    all.iter().find(|entry| entry["type"] == kind).and_then(|entry| entry["quantity"].as_u64()).unwrap_or(0)
}

async fn attempt(flow: &Flow, tally: &Tally, method: &str, path: &str, body: Option<Value>) -> Outcome {
    match flow.attempt(method, path, body.as_ref()).await {
        Ok(answer) if answer.status.is_success() => {
            tally.acknowledged.fetch_add(1, Ordering::Relaxed);
            Outcome::Accepted(serde_json::from_slice(&answer.body).unwrap_or_default())
        }
        Ok(answer) => panic!("{method} {path} {body:?}: {} {}", answer.status, answer.text()),
        Err(_lost_with_the_server) => {
            tally.unheard.fetch_add(1, Ordering::Relaxed);
            Outcome::Unheard
        }
    }
}

fn source(text: &str, has_command: bool) -> Source {
    let release = if has_command { "release: echo migrating; sleep 0.2; echo migrated\n" } else { "" };
    let procfile = format!("web: python3 whole.py\nworker: sleep 100000\n{release}");
    Source::answering(text).with("Procfile", &procfile).with("whole.py", IN_ONE_PIECE)
}
