//! The way of a change: tested, built, staged, verified on the running server, promoted; and what happens when a step is not passed.

use super::server::Server;
use super::{APP, DemoError, STAGING, io_error, say, site};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// The title of the first commit.
const TITLE: &str = "Hello from Flowline";

/// The title of the commit with the prices.
const WITH_PRICES: &str = "Hello from Flowline, with prices";

/// Visits until a release is live…
const TRIES: u32 = 300;

/// …and between two of them.
const PAUSE_NS: i64 = 100_000_000;

/// Steps with their times.
struct Walk<'s> {
    server: &'s Server,
    folder: &'s Path,
    /// What was done, and how long it took.
    steps: Vec<(&'static str, Duration)>,
}

/// Walks the whole way once.
pub(super) fn walk(server: &Server, folder: &Path) -> Result<(), DemoError> {
    let mut walk = Walk { server, folder, steps: Vec::new() };
    walk.prepare()?;
    walk.first_change()?;
    walk.stops_at_its_tests()?;
    walk.stops_at_verify()?;
    walk.stops_in_production()?;
    walk.rolls_back()?;
    walk.board()
}

impl Walk<'_> {
    fn step<T>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&Self) -> Result<T, DemoError>,
    ) -> Result<T, DemoError> {
        say(&format!("\n=====> {what}"));
        let began = Instant::now();
        let done = work(self)?;
        let took = began.elapsed();
        say(&format!("=====> {} ms: {what}", took.as_millis()));
        self.steps.push((what, took));
        Ok(done)
    }

    fn prepare(&mut self) -> Result<(), DemoError> {
        site::write(self.folder).map_err(io_error("The sample app cannot be written"))?;
        self.step("A pipeline with a staging and a production app; pushes are tested before they are built", |walk| {
            for app in [STAGING, APP] {
                walk.server.run(&["apps:create", app, "--no-remote"])?;
            }
            walk.server.run(&["pipelines:create", APP, "--stage", "production", "-a", APP])?;
            walk.server.run(&["pipelines:add", APP, "--stage", "staging", "-a", STAGING])?;
            walk.server.run(&["ci:gate", "on", "--pipeline", APP])
        })
    }

    fn push(&self, message: &str) -> Result<bool, DemoError> {
        self.server.push(self.folder, STAGING, message)
    }

    fn passes(&self, message: &str) -> Result<(), DemoError> {
        if self.push(message)? { Ok(()) } else { Err(DemoError::Step("git push".to_owned())) }
    }

    fn edit(&self, name: &str, from: &str, to: &str) -> Result<(), DemoError> {
        site::replace(self.folder, name, from, to).map_err(io_error("The sample app cannot be changed"))
    }

    fn promotes(&self) -> Result<bool, DemoError> {
        self.server.runs(&["pipelines:promote", "-a", STAGING])
    }

    /// Visits production until it answers with this title: a release that was made is live a moment later.
    fn answers(&self, title: &str) -> Result<(), DemoError> {
        let mut answer = String::new();
        for _ in 0..TRIES {
            answer = match self.server.visit(APP) {
                Ok(answer) if answer.trim() == format!("<h1>{title}</h1>") => {
                    say(&format!("       production answers: {title}"));
                    return Ok(());
                }
                // Before its first release is live, an app has nothing to say.
                Ok(answer) | Err(DemoError::Answer(answer)) => answer,
                Err(error) => return Err(error),
            };
            let _early = rustix::thread::nanosleep(&rustix::time::Timespec { tv_sec: 0, tv_nsec: PAUSE_NS });
        }
        Err(DemoError::Answer(answer))
    }

    fn first_change(&mut self) -> Result<(), DemoError> {
        self.step("git push: test run, build, staging, verify on the running server, green light", |walk| {
            walk.passes("Hello")
        })?;
        self.step("Promotion: the same artifact goes to production, never rebuilt", |walk| {
            if !walk.promotes()? {
                return Err(DemoError::Step("flowline pipelines:promote".to_owned()));
            }
            walk.answers(TITLE)
        })
    }

    fn stops_at_its_tests(&mut self) -> Result<(), DemoError> {
        self.edit("index.html", "<h1>Hello from Flowline</h1>", "<h2>Hello from Flowline</h2>")?;
        self.step("A commit that breaks its tests: nothing is built of it", |walk| {
            let stopped = !walk.push("A smaller title")?;
            walk.edit("index.html", "<h2>Hello from Flowline</h2>", "<h1>Hello from Flowline</h1>")?;
            if stopped { Ok(()) } else { Err(DemoError::NotStopped("git push".to_owned())) }
        })
    }

    fn stops_at_verify(&mut self) -> Result<(), DemoError> {
        self.edit("index.html", "</html>", "  <a href=\"/prices.html\">Prices</a>\n</html>")?;
        self.step(
            "A commit that passes its tests and fails on the running server: no green light, no promotion",
            |walk| {
                walk.passes("Link to the prices")?;
                if walk.promotes()? {
                    Err(DemoError::NotStopped("flowline pipelines:promote".to_owned()))
                } else {
                    Ok(())
                }
            },
        )
    }

    fn stops_in_production(&mut self) -> Result<(), DemoError> {
        site::page(self.folder, "prices.html", "Prices").map_err(io_error("The sample app cannot be changed"))?;
        self.edit("index.html", "Hello from Flowline", "Hello from Flowline, with prices")?;
        self.edit("release.sh", ":=1}, the", ":=2}, the")?;
        self.step("A commit whose release phase fails in production: the current release stays", |walk| {
            walk.server.run(&["config:set", "SCHEMA=2", "-a", STAGING])?;
            walk.passes("Prices, with another schema")?;
            if walk.promotes()? {
                return Err(DemoError::NotStopped("flowline pipelines:promote".to_owned()));
            }
            walk.answers(TITLE)
        })?;
        self.step("Its cause is mended, and the same release promoted once more", |walk| {
            walk.server.run(&["config:set", "SCHEMA=2", "-a", APP])?;
            if !walk.promotes()? {
                return Err(DemoError::Step("flowline pipelines:promote".to_owned()));
            }
            walk.answers(WITH_PRICES)
        })
    }

    fn rolls_back(&mut self) -> Result<(), DemoError> {
        self.step("A rollback: the release before, with its own config", |walk| {
            let releases = walk.server.output(&["releases", "-a", APP, "--json"])?;
            let first = first_promoted(&releases);
            walk.server.run(&["releases:rollback", &first, "-a", APP])?;
            walk.answers(TITLE)
        })
    }

    /// The pipeline as it stands, and its figures.
    fn board(&self) -> Result<(), DemoError> {
        say("\n=====> The pipeline");
        self.server.run(&["pipelines:info", APP])?;
        for app in [STAGING, APP] {
            self.server.run(&["releases", "-a", app])?;
        }
        self.server.run(&["ci", "--pipeline", APP])?;
        self.server.run(&["verify", "-a", STAGING])?;
        say("\n=====> Its figures");
        self.server.run(&["pipelines:metrics", APP])?;
        say("\n=====> What each step took");
        for (what, took) in &self.steps {
            say(&format!("{:>8} ms  {what}", took.as_millis()));
        }
        Ok(())
    }
}

/// The number of the first release that a promotion made.
fn first_promoted(releases: &str) -> String {
    let releases: Vec<serde_json::Value> = serde_json::from_str(releases).unwrap_or_default();
    let promoted = |release: &&serde_json::Value| {
        release["status"] == "succeeded"
            && release["description"].as_str().is_some_and(|text| text.starts_with("Promote "))
    };
    let first = releases.iter().filter(promoted).filter_map(|release| release["version"].as_i64()).min();
    format!("v{}", first.unwrap_or_default())
}
