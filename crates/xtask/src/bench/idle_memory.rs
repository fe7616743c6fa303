//! Memory of all Flowline processes while nothing happens: with one app, and with a hundred, each with a web dyno.

use std::path::Path;

use super::memory::Memory;
use super::server::{Server, git};
use super::{Aim, BenchError, Checkout, Figure};

/// Control plane and router: they share the machine with the apps.
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
    let one = Memory::of(server.exe())?;
    for number in 2..=APPS {
        let name = app(&server, &folder, number)?;
        server.get(&name)?;
    }
    let hundred = Memory::of(server.exe())?;
    let mut figures = Vec::new();
    for (name, memory) in [("one", one), ("hundred", hundred)] {
        let aimed = Figure::new(&format!("{name}.control_plane"), memory.control_plane(), "MB");
        figures.push(aimed.aiming_at(Aim::Value(AIM_MB)));
        figures.push(Figure::new(&format!("{name}.all"), memory.total(), "MB"));
        figures.extend(memory.figures(name));
    }
    Ok(figures)
}

/// Another app with the same code; its name.
fn app(server: &Server, folder: &Path, number: usize) -> Result<String, BenchError> {
    let name = format!("{APP}-{number}");
    server.flowline(&["apps:create", &name, "--no-remote"])?;
    git(folder, &["push", "--quiet", &server.repository_url(&name), "main"])?;
    Ok(name)
}
