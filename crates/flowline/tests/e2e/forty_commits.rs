//! Two developers, three stages, forty commits, of which some fail at each step: the ledger tells the same story as the test's own
//! record, and so do the figures.

use crate::flow;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::{App, Flow, Source, eventually, until, within};

/// How far a commit comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its tests fail: nothing is built.
    Tests,
    /// Its flowline.yml cannot be read: nothing is built.
    Build,
    /// Its release command fails in development, staging, production.
    Development,
    Staging,
    Production,
    /// Its check on the running server of staging fails.
    Verify,
    /// It goes live.
    Live,
    /// It goes live, and somebody goes back.
    RolledBack,
}

const FATES: [Fate; 10] = [
    Fate::Live,
    Fate::Tests,
    Fate::Live,
    Fate::Verify,
    Fate::Production,
    Fate::Live,
    Fate::Build,
    Fate::Development,
    Fate::RolledBack,
    Fate::Staging,
];

const COMMITS: usize = 40;

const STAGES: [(&str, &str); 3] =
    [("shop-development", "development"), ("shop-staging", "staging"), ("shop", "production")];

/// Somebody with an account of their own.
struct Developer {
    email: &'static str,
    token: String,
}

/// What an app's ledger has to tell: version by version, whether it came to be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Record(BTreeMap<i64, (&'static str, String)>);

impl Record {
    fn add(&mut self, came: bool, what: String) -> i64 {
        // v1 and v2 are the app's own, v3 its config var.
        let version = self.0.last_key_value().map_or(3, |(last, _)| *last) + 1;
        self.0.insert(version, (if came { "succeeded" } else { "failed" }, what));
        version
    }
}

fn source(number: usize, fate: Fate) -> Source {
    let word = match fate {
        Fate::Tests => "tests",
        Fate::Build | Fate::Live | Fate::RolledBack => "none",
        Fate::Development => "development",
        Fate::Staging => "staging",
        Fate::Production => "production",
        Fate::Verify => "verify",
    };
    let app_json = json!({ "environments": {
        "test": { "scripts": { "test": "test $(cat fate) != tests" } },
        "staging": { "scripts": { "verify": "bash verify.sh" } },
    } });
    let verify = "at=${FLOWLINE_VERIFY_URL#http://}; at=${at%%/*}\n\
        exec 3<>/dev/tcp/${at%%:*}/${at##*:}\n\
        printf 'GET / HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' \"$at\" >&3\n\
        grep -q '<h1>' <&3\n\
        test $(cat fate) != verify\n";
    let policy = if fate == Fate::Build { "stages:\n  prodcution: {}\n" } else { "stages: {}\n" };
    Source::empty()
        .with("index.html", &format!("<h1>{number}</h1>\n"))
        .with("fate", word)
        .with("Procfile", "release: test $(cat fate) != $STAGE\n")
        .with("app.json", &app_json.to_string())
        .with("verify.sh", verify)
        .with("flowline.yml", policy)
}

/// Commits and pushes as somebody; was it accepted?
async fn push(app: &App<'_>, by: &Developer, source: Source) -> (bool, String) {
    app.commit(source).await;
    let mut amend = app.git_command(&["commit", "-q", "--amend", "--allow-empty", "--reset-author", "-m", "A change"]);
    amend.env("GIT_AUTHOR_EMAIL", by.email).env("GIT_COMMITTER_EMAIL", by.email);
    assert!(within("git", amend.output()).await.unwrap().status.success());
    let url = app.git_url().replacen("http://", &format!("http://git:{}@", by.token), 1);
    let mut push = app.git_command(&["push", &url, "HEAD:refs/heads/main"]);
    // Without the header of the operator.
    push.env("GIT_CONFIG_COUNT", "2");
    let output = within("git push", push.output()).await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Promotes as somebody, and waits until it is settled: did it come to be? `None`: the gates are shut.
async fn promote(flow: &Flow, by: &Developer, pipeline: &str, from: &str, to: &str) -> Option<bool> {
    let body = json!({ "pipeline": { "id": pipeline }, "source": { "app": { "id": from } }, "targets": [{ "app": { "id": to } }] });
    let answer = flow.call_as(&by.token, "POST", "/pipeline-promotions", Some(&body)).await;
    if answer.status == 422 {
        assert_eq!(answer.json()["id"], "gates_shut", "{}", answer.text());
        return None;
    }
    assert_eq!(answer.status, 201, "{}", answer.text());
    let told = flow.read_address(&answer.json()["event_stream_url"]).await.text();
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    Some(last["targets"][0]["status"] == "succeeded")
}

/// Waits until the newest release of the app was checked on its server; its light.
async fn light(app: &App<'_>, version: i64) -> String {
    eventually("the light", async || {
        let all = app.read("/verifications").await;
        let newest = all.as_array().unwrap().iter().rfind(|check| check["release"]["version"] == version).cloned()?;
        let state = newest["status"].as_str()?;
        (!["pending", "running"].contains(&state)).then(|| state.to_owned())
    })
    .await
}

/// What the ledger of an app tells beyond the first three versions.
async fn ledger(app: &App<'_>) -> Record {
    let all = app.read("/releases").await;
    let told = all.as_array().unwrap().iter().filter(|release| release["version"].as_i64() > Some(3)).map(|release| {
        let status = if release["status"] == "failed" { "failed" } else { "succeeded" };
        let words: Vec<&str> = release["description"].as_str().unwrap().split(' ').collect();
        // Without the commit, which the test does not know.
        let what = if words[0] == "Rollback" { words.join(" ") } else { words[..words.len() - 1].join(" ") };
        (release["version"].as_i64().unwrap(), (status, what))
    });
    Record(told.collect())
}

/// The test's own record.
#[derive(Default)]
struct Story {
    development: Record,
    staging: Record,
    production: Record,
    /// How the test runs came out, in order.
    runs: Vec<&'static str>,
    /// The releases that went live by promotion.
    live: Vec<i64>,
    /// How many of them were taken back.
    back: usize,
}

/// Three apps in a pipeline for both developers, with its gates; its id.
async fn line(flow: &Flow, developers: &[Developer]) -> String {
    let pipeline = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].as_str().unwrap().to_owned();
    for (name, stage) in STAGES {
        let app = flow.app(name).await;
        app.config(json!({ "STAGE": stage })).await;
        let coupling = json!({ "app": name, "pipeline": pipeline, "stage": stage });
        assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
        for developer in developers {
            let added = app.call("POST", "/collaborators", Some(&json!({ "user": developer.email }))).await;
            assert!(added.status.is_success(), "{}", added.text());
        }
    }
    let on = flow.patch(&format!("/pipelines/{pipeline}/test-gate"), &json!({ "enabled": true })).await;
    assert_eq!(on.status, 200, "{}", on.text());
    let gates = json!({ "required_checks": ["flowline/test"], "green_light": true });
    let set = flow.patch(&format!("/pipelines/{pipeline}/stage/production/gates"), &gates).await;
    assert_eq!(set.status, 200, "{}", set.text());
    pipeline
}

impl Story {
    /// One commit, as far as it comes.
    async fn commit(&mut self, flow: &Flow, pipeline: &str, by: &Developer, number: usize) {
        let fate = FATES[number % FATES.len()];
        let (accepted, said) = push(&flow.known_app(STAGES[0].0), by, source(number, fate)).await;
        self.runs.push(if fate == Fate::Tests { "failed" } else { "succeeded" });
        assert_eq!(accepted, !matches!(fate, Fate::Tests | Fate::Build), "{number} {fate:?}: {said}");
        if !accepted {
            return;
        }
        let from = self.development.add(fate != Fate::Development, "Deploy".to_owned());
        if fate == Fate::Development {
            return;
        }
        let came = promote(flow, by, pipeline, STAGES[0].0, STAGES[1].0).await;
        let version = self.staging.add(fate != Fate::Staging, format!("Promote shop-development v{from}"));
        assert_eq!(came, Some(fate != Fate::Staging), "{number} {fate:?}");
        if fate == Fate::Staging {
            return;
        }
        let green = light(&flow.known_app(STAGES[1].0), version).await;
        assert_eq!(green == "green", fate != Fate::Verify, "{number} {fate:?}: {green}");
        let came = promote(flow, by, pipeline, STAGES[1].0, STAGES[2].0).await;
        assert_eq!(came, (fate != Fate::Verify).then_some(fate != Fate::Production), "{number} {fate:?}");
        if came.is_some() {
            self.reached_production(flow, version, number).await;
        }
    }

    async fn reached_production(&mut self, flow: &Flow, version: i64, number: usize) {
        let (fate, shop) = (FATES[number % FATES.len()], flow.known_app(STAGES[2].0));
        let new = self.production.add(fate != Fate::Production, format!("Promote shop-staging v{version}"));
        if fate == Fate::Production {
            return;
        }
        shop.served("/", &format!("<h1>{number}</h1>\n")).await;
        if fate == Fate::RolledBack {
            let to = *self.live.last().unwrap();
            let answer = shop.call("POST", "/releases", Some(&json!({ "release": format!("v{to}") }))).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            self.production.add(true, format!("Rollback to v{to}"));
            self.back += 1;
        }
        self.live.push(new);
    }

    /// The ledger and the figures tell the same.
    async fn is_told(&self, flow: &Flow, pipeline: &str) {
        let [development, staging, shop] = STAGES.map(|(name, _)| flow.known_app(name));
        assert_eq!(ledger(&development).await, self.development);
        assert_eq!(ledger(&staging).await, self.staging);
        until("the last release", async || ledger(&shop).await == self.production).await;
        let told = flow.get(&format!("/pipelines/{pipeline}/test-runs")).await.json();
        let number = |run: &Value| run["number"].as_i64().unwrap();
        let told = told.as_array().unwrap().iter();
        let told: BTreeMap<i64, &str> = told.map(|run| (number(run), run["status"].as_str().unwrap())).collect();
        assert_eq!(told.into_values().collect::<Vec<_>>(), self.runs);
        let figures = async || {
            let figures = flow.get(&format!("/pipelines/{pipeline}/deployments/metrics")).await.json();
            (figures["failures"] == json!(self.back)).then_some(figures)
        };
        let figures = eventually("the figures", figures).await;
        assert_eq!(figures["deployments"], json!(self.live.len()), "{figures}");
        assert_eq!(figures["failures_by_reason"]["rollback"], json!(self.back), "{figures}");
        let rate = figures["change_failure_rate"].as_f64().unwrap();
        assert!((rate - self.back as f64 / self.live.len() as f64).abs() < 0.001, "{figures}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_commits_of_two_developers_and_the_ledger_tells_the_same_story() {
    let flow = flow().await;
    let mut developers = Vec::new();
    for email in ["ann@example.org", "bob@example.org"] {
        developers.push(Developer { email, token: flow.account(email).await });
    }
    let pipeline = line(&flow, &developers).await;
    let mut story = Story::default();
    for number in 0..COMMITS {
        story.commit(&flow, &pipeline, &developers[number % 2], number).await;
    }
    story.is_told(&flow, &pipeline).await;
}
