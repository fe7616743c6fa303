//! One app, as its owner and its visitors use it.

use crate::flow::Flow;
use crate::http::Answer;
use crate::{eventually, until, within};
use bytes::Bytes;
use serde_json::{Value, json};

/// An app of a [`Flow`].
pub struct App<'f> {
    flow: &'f Flow,
    name: String,
}

impl<'f> App<'f> {
    pub(crate) fn new(flow: &'f Flow, name: &str) -> Self {
        Self { flow, name: name.to_owned() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Flowline that it is on.
    #[must_use]
    pub fn flow(&self) -> &'f Flow {
        self.flow
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.localhost", self.name)
    }

    /// A visitor's GET.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.visit("GET", path, &[], Bytes::new()).await
    }

    /// A visitor's request.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn visit(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let host = self.host();
        let visit = self.flow.visit(&host, method, path, headers, body);
        within(path, visit).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// A call below `/apps/<name>`.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.flow.call(method, &format!("/apps/{}{path}", self.name), body).await
    }

    /// GET below `/apps/<name>`, which must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.call("GET", path, None).await;
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// Sets config vars; `null` removes.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn config(&self, vars: Value) -> Value {
        let answer = self.call("PATCH", "/config-vars", Some(&vars)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Scales.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn scale(&self, process_type: &str, quantity: u32) {
        let body = json!({ "updates": [{ "type": process_type, "quantity": quantity }] });
        let answer = self.call("PATCH", "/formation", Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The newest release.
    pub async fn latest_release(&self) -> Value {
        self.read("/releases").await.as_array().and_then(|all| all.last().cloned()).unwrap()
    }

    /// The number of the release that runs.
    pub async fn current_version(&self) -> i64 {
        let releases = self.read("/releases").await;
        let current = releases.as_array().unwrap().iter().find(|release| release["current"] == true).cloned();
        current.unwrap()["version"].as_i64().unwrap()
    }

    /// Waits until a release has left `pending`; its status.
    pub async fn settled(&self, version: i64) -> String {
        let look = async || {
            let release = self.read(&format!("/releases/{version}")).await;
            let status = release["status"].as_str().unwrap();
            (status != "pending").then(|| status.to_owned())
        };
        eventually("the release's decision", look).await
    }

    /// The last lines of the log.
    pub async fn logs(&self) -> String {
        let session = self.call("POST", "/log-sessions", Some(&json!({ "lines": 1500, "tail": false }))).await;
        self.flow.read_address(&session.json()["logplex_url"]).await.text()
    }

    /// Waits until the log, old lines included, has a line with these words; that line.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn log_says(&self, words: &str) -> String {
        let mut tail = self.tail(&json!({ "lines": 1500, "tail": true }), "text/plain").await;
        let found = async {
            loop {
                let line = tail.line().await.unwrap_or_else(|| panic!("the log ended before `{words}`"));
                if line.contains(words) {
                    return line;
                }
            }
        };
        match tokio::time::timeout(crate::PATIENCE, found).await {
            Ok(line) => line,
            Err(_) => panic!("the log of {} never said `{words}`:\n{}", self.name, self.logs().await),
        }
    }

    /// Starts a one-off dyno; its name.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn run(&self, command: &str) -> String {
        let answer = self.call("POST", "/dynos", Some(&json!({ "command": command, "attach": false }))).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["name"].as_str().unwrap().to_owned()
    }
}

impl App<'_> {
    /// Waits for the receipt of a deploy.
    ///
    /// # Panics
    /// When there is none.
    pub async fn receipt(&self, version: i64) -> Value {
        let path = format!("/releases/{version}/receipt");
        let look = async || Some(self.call("GET", &path, None).await).filter(|answer| answer.status == 200);
        eventually("the deploy's receipt", look).await.json()
    }

    /// Waits until it has so many dynos, whatever their state.
    ///
    /// # Panics
    /// When it never has.
    pub async fn has_dynos(&self, count: usize) {
        until("the number of dynos", async || self.read("/dynos").await.as_array().unwrap().len() == count).await;
    }
}

impl App<'_> {
    /// Waits until a path is answered with this text; the router switches a moment after the release is made.
    ///
    /// # Panics
    /// When it never is.
    pub async fn served(&self, path: &str, text: &str) {
        let mut last = String::new();
        let seen = async {
            while last != text {
                last = self.get(path).await.text();
            }
        };
        assert!(
            tokio::time::timeout(crate::PATIENCE, seen).await.is_ok(),
            "{path} never answered `{text}`, last `{last}`"
        );
    }

    /// Waits until a path is answered with this status.
    ///
    /// # Panics
    /// When it never is.
    pub async fn served_status(&self, path: &str, status: u16) {
        let mut last = 0;
        let seen = async {
            while last != status {
                last = self.get(path).await.status.as_u16();
            }
        };
        assert!(
            tokio::time::timeout(crate::PATIENCE, seen).await.is_ok(),
            "{path} never answered {status}, last {last}"
        );
    }
}
