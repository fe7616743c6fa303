//! How long a visitor waits for an app that runs, is frozen, or was stopped, against the boot of the app by itself.

use std::time::Duration;

use super::app_boot::boot;
use super::clock::{now, wait_for};
use super::figure::median;
use super::server::{Server, git};
use super::{Aim, BenchError, Checkout, Figure};

/// Above an app that runs: nobody notices.
const FROZEN_AIM_MS: f64 = 5.0;
/// Above the boot that the app needs by itself.
const STOPPED_AIM_MS: f64 = 30.0;
/// An odd number, so that the median is a measured one.
const ROUNDS: usize = 21;
const APP: &str = "bench-wake";
/// For an app to fall asleep: far above what it takes.
const SLEEP_LIMIT: Duration = Duration::from_secs(60);
const PROCFILE: &str = "web: exec node index.js\n";
const INDEX_JS: &str = "require('http').createServer((request, response) => response.end('awake'))\n\
                        .listen(process.env.PORT);\n";

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let server = Server::start(checkout)?;
    server.flowline(&["apps:create", APP, "--no-remote"])?;
    let folder = server.repository(APP, &[("Procfile", PROCFILE), ("index.js", INDEX_JS)])?;
    git(&folder, &["push", "--quiet", "flowline", "main"])?;
    server.get(APP)?;
    let mut taken = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        // In turns, because the machine itself changes pace.
        taken[0].push(answer(&server)?);
        fall_asleep(&server, APP, false)?;
        taken[1].push(answer(&server)?);
        fall_asleep(&server, APP, true)?;
        taken[2].push(answer(&server)?);
        taken[3].push(boot(&folder)?.as_secs_f64() * 1000.0);
    }
    let [running, frozen, stopped, boot] = taken.map(median);
    Ok(vec![
        Figure::new("running", running, "ms"),
        Figure::new("frozen", frozen, "ms"),
        Figure::new("stopped", stopped, "ms"),
        Figure::new("app_boot", boot, "ms"),
        Figure::new("frozen_more", frozen - running, "ms").aiming_at(Aim::Value(FROZEN_AIM_MS)),
        Figure::new("stopped_more", stopped - boot, "ms").aiming_at(Aim::Value(STOPPED_AIM_MS)),
    ])
}

/// Milliseconds from the first byte to the last of a request and its answer, over a connection of its own.
fn answer(server: &Server) -> Result<f64, BenchError> {
    let begin = now();
    server.get(APP)?;
    Ok(begin.elapsed().as_secs_f64() * 1000.0)
}

/// Puts an app to sleep, frozen or stopped, and waits until it is.
pub(super) fn fall_asleep(server: &Server, app: &str, stopped: bool) -> Result<(), BenchError> {
    let body = format!("{{\"stop\":{stopped}}}");
    // While it still boots or answers it is not laid down.
    let lay_down = || Ok(server.call("POST", &format!("/apps/{app}/actions/sleep"), &body).is_ok());
    wait_for("sleep", SLEEP_LIMIT, lay_down)?;
    if stopped {
        let gone = || Ok(server.call("GET", &format!("/apps/{app}/dynos"), "")?.trim() == "[]");
        wait_for("the end of the dynos", SLEEP_LIMIT, gone)?;
    }
    Ok(())
}
