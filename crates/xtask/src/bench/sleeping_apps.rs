//! A thousand apps that sleep on one machine: what they hold of the memory, and what a restart costs among them.

use std::time::Duration;

use super::call::text;
use super::clock::{now, wait_for};
use super::deploys::count;
use super::figure::median;
use super::memory::{Memory, available_mb};
use super::server::{Server, git};
use super::wake::fall_asleep;
use super::{Aim, BenchError, Checkout, Figure};

const APPS: usize = 1000;
const APP: &str = "bench-sleep";
/// The machine that they should fit on.
const AIM_MB: f64 = 8192.0;
/// As small as a web server can be, so that what is measured is Flowline's part.
const PROCFILE: &str = "web: exec busybox httpd -f -h . -p $PORT\n";
/// Apps that are woken from each depth, spread over all.
const WOKEN: usize = 21;
/// For all of them to start, or to fall asleep.
const ALL_LIMIT: Duration = Duration::from_secs(600);

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let mut server = Server::start(checkout)?;
    let before = available_mb()?;
    let begin = now();
    create(&server)?;
    let mut figures = vec![Figure::new("created", begin.elapsed().as_secs_f64(), "s")];
    let begin = now();
    for number in 1..=APPS {
        answers(&server, number)?;
    }
    figures.push(Figure::new("all_answered", begin.elapsed().as_secs_f64(), "s"));
    figures.extend(held("awake", &server, before)?);
    for (depth, stopped) in [("frozen", false), ("stopped", true)] {
        let begin = now();
        for number in 1..=APPS {
            fall_asleep(&server, &format!("{APP}-{number}"), stopped)?;
        }
        figures.push(Figure::new(&format!("{depth}.all_asleep"), begin.elapsed().as_secs_f64(), "s"));
        figures.extend(held(depth, &server, before)?);
        figures.push(Figure::new(&format!("{depth}.restart"), server.restart()?.as_secs_f64(), "s"));
        figures.push(Figure::new(&format!("{depth}.wake"), woken(&server, stopped)?, "ms"));
    }
    Ok(figures)
}

/// The first is pushed, all others release its slug.
fn create(server: &Server) -> Result<(), BenchError> {
    let folder = server.repository(APP, &[("Procfile", PROCFILE), ("index.html", "hello\n")])?;
    let mut slug = None;
    for number in 1..=APPS {
        server.call("POST", "/apps", &format!("{{\"name\":\"{APP}-{number}\"}}"))?;
        let path = format!("/apps/{APP}-{number}/releases");
        match &slug {
            Some(slug) => server.call("POST", &path, &format!("{{\"slug\":\"{slug}\"}}"))?,
            None => {
                git(&folder, &["push", "--quiet", &server.repository_url(&format!("{APP}-{number}")), "main"])?;
                let releases = server.call("GET", &path, "")?;
                let after = releases.split("\"slug\":{").nth(1).and_then(|object| text(object, "id"));
                slug = Some(after.ok_or_else(|| BenchError::Unexpected(format!("no slug in {releases}")))?);
                releases
            }
        };
    }
    Ok(())
}

fn answers(server: &Server, number: usize) -> Result<(), BenchError> {
    let name = format!("{APP}-{number}");
    wait_for("the app's answer", ALL_LIMIT, || Ok(server.get(&name).is_ok_and(|body| body == "hello\n")))
}

/// The memory of everything: Flowline's own, by process, and what the whole machine has less than before.
fn held(name: &str, server: &Server, before: f64) -> Result<Vec<Figure>, BenchError> {
    let memory = Memory::of(server.exe())?;
    let machine = before - available_mb()?;
    let mut figures = vec![
        Figure::new(&format!("{name}.machine"), machine, "MB").aiming_at(Aim::Value(AIM_MB)),
        Figure::new(&format!("{name}.machine_per_app"), machine / count(APPS), "MB"),
        Figure::new(&format!("{name}.flowline"), memory.total(), "MB"),
        Figure::new(&format!("{name}.control_plane"), memory.control_plane(), "MB"),
    ];
    figures.extend(memory.figures(name));
    Ok(figures)
}

/// The median time to the answer of one that sleeps among all the others, in milliseconds.
fn woken(server: &Server, stopped: bool) -> Result<f64, BenchError> {
    let mut taken = Vec::new();
    for number in (1..=APPS).step_by(APPS / WOKEN) {
        let name = format!("{APP}-{number}");
        let begin = now();
        server.get(&name)?;
        taken.push(begin.elapsed().as_secs_f64() * 1000.0);
        fall_asleep(server, &name, stopped)?;
    }
    Ok(median(taken))
}
