//! Promotion: until the promoted code answers, to ten apps at once, and a hundred times while visitors come at a steady rate.

use std::path::Path;
use std::time::Duration;

use super::app_boot::boot;
use super::call::{number, text};
use super::clock::{now, wait_for};
use super::deploys::{Load, PROCFILE, index_js};
use super::figure::median;
use super::server::{Server, commit, git, io};
use super::{Aim, BenchError, Checkout, Figure};

/// Above the boot that the app needs by itself.
const AIM_S: f64 = 0.15;
/// An odd number, so that the median is a measured one.
const ROUNDS: usize = 21;
/// Promotions under load.
const UNDER_LOAD: usize = 100;
/// Targets of one promotion.
const TARGETS: usize = 10;
/// From a promotion to its answer: far above what it takes.
const LIMIT: Duration = Duration::from_secs(60);
const SOURCE: &str = "bench-line-staging";
const TARGET: &str = "bench-line";
const PIPELINE: &str = "bench-line";

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let load = checkout.example_binary("testkit", "steady_load")?;
    let server = Server::start(checkout)?;
    let line = Line::lay(&server)?;
    let mut figures = line.one_target()?;
    figures.extend(line.ten_targets()?);
    let load = Load::start(&load, &server, TARGET)?;
    for round in 0..UNDER_LOAD {
        line.promote(&[TARGET], round)?;
        wait_for("the promoted code's answer", LIMIT, || line.answers(TARGET, round))?;
    }
    for mut figure in load.stop()? {
        if figure.name == "failed" {
            figure.aim = Some(Aim::Value(0.0));
        }
        figure.name = format!("under_load.{}", figure.name);
        figures.push(figure);
    }
    Ok(figures)
}

/// A pipeline with two releases to promote, which answer `0` and `1`.
struct Line<'a> {
    server: &'a Server,
    folder: std::path::PathBuf,
    /// Their versions.
    releases: [String; 2],
}

impl<'a> Line<'a> {
    fn lay(server: &'a Server) -> Result<Self, BenchError> {
        server.flowline(&["apps:create", SOURCE, "--no-remote"])?;
        server.flowline(&["pipelines:create", PIPELINE, "-a", SOURCE, "-s", "staging"])?;
        for app in (0..TARGETS).map(target) {
            server.flowline(&["apps:create", &app, "--no-remote"])?;
            server.flowline(&["pipelines:add", PIPELINE, "-a", &app, "-s", "production"])?;
        }
        let first = index_js(0);
        let folder = server.repository(SOURCE, &[("Procfile", PROCFILE), ("index.js", &first)])?;
        git(&folder, &["push", "--quiet", "flowline", "main"])?;
        let releases = [newest(server, SOURCE)?, second(server, &folder)?];
        Ok(Self { server, folder, releases })
    }

    /// Promotes the release of this round, odd or even; its id.
    fn promote(&self, targets: &[&str], round: usize) -> Result<String, BenchError> {
        let targets: Vec<_> = targets.iter().map(|app| format!("{{\"app\":{{\"id\":\"{app}\"}}}}")).collect();
        let body = format!(
            "{{\"pipeline\":{{\"id\":\"{PIPELINE}\"}},\"source\":{{\"app\":{{\"id\":\"{SOURCE}\"}},\"release\":{{\"id\":\"{}\"}}}},\
             \"targets\":[{}]}}",
            self.releases[round % 2],
            targets.join(",")
        );
        let begun = self.server.call("POST", "/pipeline-promotions", &body)?;
        text(&begun, "id").ok_or_else(|| BenchError::Unexpected(format!("no id in {begun}")))
    }

    /// Is it the code of this round that answers?
    fn answers(&self, app: &str, round: usize) -> Result<bool, BenchError> {
        Ok(self.server.get(app).is_ok_and(|answer| answer == (round % 2).to_string()))
    }

    fn one_target(&self) -> Result<Vec<Figure>, BenchError> {
        let (mut promotions, mut boots) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let begin = now();
            self.promote(&[TARGET], round)?;
            wait_for("the promoted code's answer", LIMIT, || self.answers(TARGET, round))?;
            // The first one replaces nothing, and its files are not unpacked yet.
            if round > 0 {
                promotions.push(begin.elapsed().as_secs_f64());
                // In turns, because the machine itself changes pace.
                boots.push(boot(&self.folder)?.as_secs_f64());
            }
        }
        let (promotion, boot) = (median(promotions), median(boots));
        Ok(vec![
            Figure::new("promotion_to_answer", promotion, "s"),
            Figure::new("app_boot", boot, "s"),
            Figure::new("promotion_to_live", promotion - boot, "s").aiming_at(Aim::Value(AIM_S)),
        ])
    }

    fn ten_targets(&self) -> Result<Vec<Figure>, BenchError> {
        let names: Vec<String> = (0..TARGETS).map(target).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut taken = Vec::new();
        let mut failed = 0.0;
        for round in 0..=3 {
            let begin = now();
            let promotion = self.promote(&names, round)?;
            for app in &names {
                wait_for("the promoted code's answer", LIMIT, || self.answers(app, round))?;
            }
            if round > 0 {
                taken.push(begin.elapsed().as_secs_f64());
            }
            let path = format!("/pipeline-promotions/{promotion}/promotion-targets");
            failed += super::deploys::count(self.server.call("GET", &path, "")?.matches("\"failed\"").count());
        }
        Ok(vec![
            Figure::new("ten_targets", median(taken), "s"),
            Figure::new("ten_targets.failed", failed, "targets").aiming_at(Aim::Value(0.0)),
        ])
    }
}

/// The first is the one that the other measurements promote to.
fn target(place: usize) -> String {
    if place == 0 { TARGET.to_owned() } else { format!("{TARGET}-{place}") }
}

/// Another commit in the source; its version.
fn second(server: &Server, folder: &Path) -> Result<String, BenchError> {
    std::fs::write(folder.join("index.js"), index_js(1)).map_err(io("cannot write index.js"))?;
    commit(folder)?;
    git(folder, &["push", "--quiet", "flowline", "main"])?;
    newest(server, SOURCE)
}

/// The version of the newest release.
fn newest(server: &Server, app: &str) -> Result<String, BenchError> {
    let releases = server.flowline(&["releases", "-a", app, "--num", "1", "--json"])?;
    let version = number(&releases, "version").map(|version| version.to_string());
    version.ok_or_else(|| BenchError::Unexpected(format!("no release in {releases}")))
}
