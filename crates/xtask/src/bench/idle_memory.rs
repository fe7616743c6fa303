//! Memory of all Flowline processes while nothing happens: with one app, and with a hundred, each with a web dyno.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::server::{Server, git, io};
use super::{Aim, BenchError, Checkout, Figure};

/// It shares the machine with the apps.
const AIM_MB: f64 = 60.0;
const APPS: usize = 100;
const APP: &str = "bench-idle";

/// Not the static pack: its web server is flowline itself, and would be counted.
const PROCFILE: &str = "web: exec python3 -m http.server $PORT\n";

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let server = Server::start(checkout)?;
    let folder = server.repository(APP, &[("Procfile", PROCFILE)])?;
    let first = app(&server, &folder, 1)?;
    server.get(&first)?;
    let one = memory(&server)?;
    for number in 2..=APPS {
        let name = app(&server, &folder, number)?;
        server.get(&name)?;
    }
    let hundred = memory(&server)?;
    Ok(vec![
        Figure::new("one_app", one.0, "MB").aiming_at(Aim::Value(AIM_MB)),
        Figure::new("one_app_processes", one.1, ""),
        Figure::new("hundred_apps", hundred.0, "MB").aiming_at(Aim::Value(AIM_MB)),
        Figure::new("hundred_apps_processes", hundred.1, ""),
    ])
}

/// Another app with the same code; its name.
fn app(server: &Server, folder: &Path, number: usize) -> Result<String, BenchError> {
    let name = format!("{APP}-{number}");
    server.flowline(&["apps:create", &name, "--no-remote"])?;
    git(folder, &["push", "--quiet", &server.repository_url(&name), "main"])?;
    Ok(name)
}

/// The proportional set size of every process of this binary, and their number. A dyno has two: keeper and init.
fn memory(server: &Server) -> Result<(f64, f64), BenchError> {
    let of_file = |path: &Path| std::fs::metadata(path).map(|about| (about.dev(), about.ino()));
    let ours = of_file(server.exe()).map_err(io("cannot look at the binary"))?;
    let (mut total, mut count) = (0.0, 0.0);
    for entry in std::fs::read_dir("/proc").map_err(io("cannot list /proc"))?.flatten() {
        // By the file itself: inside a sandbox it has another path.
        if of_file(&entry.path().join("exe")).is_ok_and(|file| file == ours) {
            total += pss_mb(&entry.path());
            count += 1.0;
        }
    }
    Ok((total, count))
}

/// Zero for a process that has just ended.
fn pss_mb(process: &Path) -> f64 {
    let text = std::fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
