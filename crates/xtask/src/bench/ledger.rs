//! What a ledger of 100,000 releases of 1,000 apps costs against one of 100: to list, to promote, and to count.

use std::process::Command;

use super::call::text;
use super::clock::now;
use super::deploys::{PROCFILE, index_js};
use super::figure::median;
use super::program::output;
use super::server::{Server, git};
use super::{Aim, BenchError, Checkout, Figure};

/// As a multiple of the same with the small ledger, in the same run.
const AIM: f64 = 1.5;
/// An odd number, so that the median is a measured one.
const ROUNDS: usize = 41;
/// Apps, releases, and how many days ago the newest of them went live: the month that the metrics look at holds the same in both.
const SMALL: [&str; 3] = ["2", "100", "0"];
const LARGE: [&str; 3] = ["1000", "100000", "40"];
const SOURCE: &str = "bench-ledger-staging";
const TARGET: &str = "bench-ledger";

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let fill = checkout.example_binary("store", "fill_ledger")?;
    let mut server = Server::start(checkout)?;
    for (app, stage) in [(SOURCE, "staging"), (TARGET, "production")] {
        server.flowline(&["apps:create", app, "--no-remote"])?;
        let verb = if app == SOURCE { "pipelines:create" } else { "pipelines:add" };
        server.flowline(&[verb, TARGET, "-a", app, "-s", stage])?;
    }
    let folder = server.repository(SOURCE, &[("Procfile", PROCFILE), ("index.js", &index_js(0))])?;
    git(&folder, &["push", "--quiet", "flowline", "main"])?;
    // Dynos would share the machine with what is measured.
    server.flowline(&["ps:scale", "web=0", "-a", SOURCE])?;
    promote(&server)?;
    server.flowline(&["ps:scale", "web=0", "-a", TARGET])?;
    let mut figures = Vec::new();
    for [apps, releases, days_ago] in [SMALL, LARGE] {
        let data = server.data();
        server.paused(|| output(Command::new(&fill).arg(&data).args([apps, releases, days_ago])).map(drop))?;
        figures.extend(measure(&server, releases)?);
    }
    for name in ["list", "latest", "promote", "metrics"] {
        let of = |releases: &str| {
            figures.iter().find(|figure| figure.name == format!("{name}.{releases}")).map(|figure| figure.value)
        };
        if let (Some(small), Some(large)) = (of(SMALL[1]), of(LARGE[1])) {
            let mut ratio = Figure::new(&format!("{name}.ratio"), large, "ms").aiming_at(Aim::Ratio(AIM));
            ratio.ratio = Some(large / small);
            figures.push(ratio);
        }
    }
    Ok(figures)
}

fn measure(server: &Server, releases: &str) -> Result<Vec<Figure>, BenchError> {
    let mut taken = [const { Vec::new() }; 4];
    // Without the promotions of these rounds.
    let app = server.call("GET", &format!("/apps/{TARGET}"), "")?;
    let made = text(&app, "created_at").ok_or_else(|| BenchError::Unexpected(format!("no time in {app}")))?;
    let metrics = format!("/pipelines/{TARGET}/deployments/metrics?to={made}");
    for _ in 0..ROUNDS {
        // In turns, because the machine itself changes pace.
        let begin = now();
        server.page(&format!("/apps/{TARGET}/releases"), "version ..; order=desc,max=15")?;
        taken[0].push(begin.elapsed().as_secs_f64() * 1000.0);
        let begin = now();
        server.call("GET", &format!("/pipelines/{TARGET}/latest-releases"), "")?;
        taken[1].push(begin.elapsed().as_secs_f64() * 1000.0);
        let begin = now();
        promote(server)?;
        taken[2].push(begin.elapsed().as_secs_f64() * 1000.0);
        let begin = now();
        server.call("GET", &metrics, "")?;
        taken[3].push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    let [list, latest, promote, metrics] = taken.map(median);
    Ok(vec![
        Figure::new(&format!("list.{releases}"), list, "ms"),
        Figure::new(&format!("latest.{releases}"), latest, "ms"),
        Figure::new(&format!("promote.{releases}"), promote, "ms"),
        Figure::new(&format!("metrics.{releases}"), metrics, "ms"),
    ])
}

/// Until the answer, when the releases of all targets are made.
fn promote(server: &Server) -> Result<(), BenchError> {
    let body = format!(
        "{{\"pipeline\":{{\"id\":\"{TARGET}\"}},\"source\":{{\"app\":{{\"id\":\"{SOURCE}\"}}}},\
         \"targets\":[{{\"app\":{{\"id\":\"{TARGET}\"}}}}]}}"
    );
    let answer = server.call("POST", "/pipeline-promotions", &body)?;
    match text(&answer, "status").as_deref() {
        Some("completed") => Ok(()),
        _ => Err(BenchError::Unexpected(format!("the promotion is not over: {answer}"))),
    }
}
