//! A hundred deploys of one app while visitors come at a steady rate: what they feel of it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::call::{address, number};
use super::clock::{now, wait_for};
use super::figure::median;
use super::program::figures;
use super::server::{Server, commit, git, io};
use super::{Aim, BenchError, Checkout, Figure};

const DEPLOYS: usize = 100;
/// Requests a second.
const RATE: &str = "500";
const APP: &str = "bench-deploys";
/// From a push to its answer: far above what it takes.
const DEPLOY_LIMIT: Duration = Duration::from_secs(60);
pub(super) const PROCFILE: &str = "web: exec node index.js\n";

/// A web server of one file that answers this number.
pub(super) fn index_js(answer: usize) -> String {
    format!(
        "require('http').createServer((request, response) => {{\n\
         response.setHeader('Content-Length', '{}');\n\
         response.end('{answer}');\n\
         }}).listen(process.env.PORT);\n",
        answer.to_string().len()
    )
}

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let load = checkout.example_binary("testkit", "steady_load")?;
    let server = Server::start(checkout)?;
    server.flowline(&["apps:create", APP, "--no-remote"])?;
    let first = index_js(0);
    let folder = server.repository(APP, &[("Procfile", PROCFILE), ("index.js", &first)])?;
    git(&folder, &["push", "--quiet", "flowline", "main"])?;
    server.get(APP)?;
    let first = newest(&server)?;
    let load = Load::start(&load, &server, APP)?;
    let mut taken = Vec::new();
    for answer in 1..=DEPLOYS {
        taken.push(deploy(&server, &folder, answer)?);
    }
    let mut all = load.stop()?;
    for figure in all.iter_mut().filter(|figure| figure.name == "failed") {
        figure.aim = Some(Aim::Value(0.0));
    }
    all.insert(0, Figure::new("deploys", count(taken.len()), ""));
    all.insert(1, Figure::new("deploy", median(taken), "s"));
    all.extend(receipts(&server, first)?);
    Ok(all)
}

/// From the push to the first answer of the new code, in seconds.
fn deploy(server: &Server, folder: &Path, answer: usize) -> Result<f64, BenchError> {
    std::fs::write(folder.join("index.js"), index_js(answer)).map_err(io("cannot write index.js"))?;
    commit(folder)?;
    let begin = now();
    git(folder, &["push", "--quiet", "flowline", "main"])?;
    let wanted = answer.to_string();
    wait_for("the new code's answer", DEPLOY_LIMIT, || Ok(server.get(APP)? == wanted))?;
    Ok(begin.elapsed().as_secs_f64())
}

/// What the router itself counted, deploy by deploy: kept with each release.
fn receipts(server: &Server, first: usize) -> Result<Vec<Figure>, BenchError> {
    let (mut held, mut failed, mut in_flight, mut cut_over) = (0.0, 0.0, 0.0, Vec::new());
    for version in first + 1..=first + DEPLOYS {
        let path = format!("/apps/{APP}/releases/{version}/receipt");
        let mut receipt = String::new();
        wait_for("the receipt of a deploy", DEPLOY_LIMIT, || {
            // The old dynos drain first.
            receipt = server.call("GET", &path, "").unwrap_or_default();
            Ok(!receipt.is_empty())
        })?;
        let of = |name| number(&receipt, name).unwrap_or(f64::NAN);
        held += of("held");
        failed += of("failed");
        in_flight += of("in_flight");
        cut_over.push(of("cut_over_ms"));
    }
    let longest = cut_over.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Figure::new("receipts.failed", failed, "requests").aiming_at(Aim::Value(0.0)),
        Figure::new("receipts.held", held, "requests"),
        Figure::new("receipts.in_flight", in_flight, "requests"),
        Figure::new("receipts.cut_over", median(cut_over), "ms"),
        Figure::new("receipts.cut_over_longest", longest, "ms"),
    ])
}

/// The version of the newest release: of the first push, which replaced nothing.
fn newest(server: &Server) -> Result<usize, BenchError> {
    let releases = server.call("GET", &format!("/apps/{APP}/releases"), "")?;
    let versions = releases.split("\"version\":").skip(1);
    let versions = versions.filter_map(|rest| rest.split([',', '}']).next()?.trim().parse().ok());
    versions.max().ok_or_else(|| BenchError::Unexpected(format!("no release in {releases}")))
}

/// A count as a figure: far below where an f64 loses any.
pub(super) fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::NAN, f64::from)
}

/// Visitors at the fixed rate (`steady_load` of the test kit).
pub(super) struct Load(Child);

impl Load {
    /// Visitors of this app, until it is stopped.
    pub(super) fn start(program: &Path, server: &Server, app: &str) -> Result<Self, BenchError> {
        let mut command = Command::new(program);
        command.args([address(&server.apps), &format!("{app}.localhost"), RATE]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        child.map(Self).map_err(|error| BenchError::NotStarted("steady_load".to_owned(), error))
    }

    /// Ends it; what the visitors met.
    pub(super) fn stop(mut self) -> Result<Vec<Figure>, BenchError> {
        drop(self.0.stdin.take());
        let mut text = String::new();
        if let Some(mut stdout) = self.0.stdout.take() {
            std::io::Read::read_to_string(&mut stdout, &mut text).map_err(io("cannot read what the load says"))?;
        }
        figures(&text)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Its input is closed with it, so it ends by itself.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
