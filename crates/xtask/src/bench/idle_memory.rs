//! Memory of all Flowline processes while nothing happens: with one app, and with a hundred of which one runs.

use std::path::Path;

use super::server::{Server, io};
use super::{Aim, BenchError, Checkout, Figure};

/// It shares the machine with the apps.
const AIM_MB: f64 = 60.0;
const APPS: usize = 100;
const APP: &str = "bench-idle";

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let server = Server::start(checkout)?;
    server.flowline(&["apps:create", APP])?;
    let folder = server.repository(APP, &[("index.html", "idle")])?;
    super::server::git(&folder, &["push", "--quiet", "flowline", "main"])?;
    server.get(APP)?;
    let one = memory(&server)?;
    for number in 2..=APPS {
        server.flowline(&["apps:create", &format!("{APP}-{number}")])?;
    }
    let hundred = memory(&server)?;
    Ok(vec![
        Figure::new("one_app", one, "MB").aiming_at(Aim::Value(AIM_MB)),
        Figure::new("hundred_apps", hundred, "MB").aiming_at(Aim::Value(AIM_MB)),
    ])
}

/// The proportional set size of `serve` and of every Flowline process that works on its data folder.
fn memory(server: &Server) -> Result<f64, BenchError> {
    let mut total = 0.0;
    for entry in std::fs::read_dir("/proc").map_err(io("cannot list /proc"))?.flatten() {
        let name = entry.file_name();
        let own = name.to_str() == Some(&server.pid().to_string());
        if own || is_ours(&entry.path(), server.folder()) {
            total += pss_mb(&entry.path());
        }
    }
    Ok(total)
}

/// A `flowline` process whose command line names the folder.
fn is_ours(process: &Path, folder: &Path) -> bool {
    let is_flowline =
        std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe.file_name().is_some_and(|name| name == "flowline"));
    let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
    is_flowline && String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy())
}

/// Zero for a process that has just ended.
fn pss_mb(process: &Path) -> f64 {
    let text = std::fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
