//! The router's figures for Prometheus (text format 0.0.4), on an address of this machine only.

use crate::counts::{BOUNDS_US, Tally, Totals};
use crate::desk::Desk;
use crate::error::RouterError;
use crate::request::{self, Found, Scan};
use crate::worker::Message;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

/// Apps with series of their own; what is beyond is added up under [`OTHERS`], so that no scrape grows without end.
const APPS: usize = 2000;

/// No app can have this name.
const OTHERS: &str = "_others";

/// Scrapes at once: there is one Prometheus, or two.
const SCRAPES: usize = 8;

/// After an accept failed (too many open files): how long to leave the machine alone.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A scrape that takes longer is cut.
const SCRAPE_LIMIT: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A listener for scrapes.
pub(crate) fn listen(addr: SocketAddr) -> Result<TcpListener, RouterError> {
    if !addr.ip().is_loopback() {
        return Err(RouterError::NotLoopback { addr });
    }
    let listener = TcpListener::bind(addr).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|source| RouterError::Metrics { addr, source })
}

/// Answers scrapes; never ends.
pub(crate) async fn serve(desk: Rc<Desk>, listener: TcpListener) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "There are no metrics"),
    };
    let room = Arc::new(Semaphore::new(SCRAPES));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = Rc::clone(&desk);
                tokio::task::spawn_local(async move {
                    // A scraper that hangs is cut; it has nothing to be told.
                    let _ = tokio::time::timeout(SCRAPE_LIMIT, scrape(desk, stream)).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// One request, one response: a scraper connects anew each time.
async fn scrape(desk: Rc<Desk>, mut stream: TcpStream) {
    let (mut scan, mut read) = (Scan::default(), Vec::new());
    let head = loop {
        match scan.look(&read) {
            Found::Head(length) => break length,
            Found::Nonsense => return,
            Found::More => {}
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let request = request::read(&read[..head], Vec::new());
    let path = request.target.split(|byte| *byte == b'?').next();
    let asked = (request.refused, request.method) == (None, b"GET") && path == Some(b"/metrics");
    let (status, kind, text) = match asked {
        true => ("200 OK", TEXT, figures(&desk).await),
        false => ("404 Not Found", "text/plain", "The figures are at GET /metrics\n".to_owned()),
    };
    let length = text.len();
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
    let sent = async {
        stream.write_all(response.as_bytes()).await?;
        stream.shutdown().await
    };
    if let Err(error) = sent.await {
        tracing::trace!(%error, "A scrape broke off");
    }
}

async fn figures(desk: &Desk) -> String {
    let tallies = desk.tell_all(|| {
        let (done, wait) = oneshot::channel();
        (Message::Tally(done), wait)
    });
    let tally = tallies.await.into_iter().fold(Tally::default(), Tally::plus);
    text(&tally, resident_bytes())
}

/// Resident memory of this process; 0 where the kernel does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// One kind of figure on its way into the text.
struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl<'a> Family<'a> {
    fn new(out: &'a mut String, name: &'static str, kind: &str, help: &str) -> Self {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP flowline_router_{name} {help}\n# TYPE flowline_router_{name} {kind}");
        Self { out, name }
    }

    /// `labels` is empty or in braces, with what goes before it of the name.
    fn line(&mut self, labels: impl Display, value: impl Display) {
        let _ = writeln!(self.out, "flowline_router_{}{labels} {value}", self.name);
    }
}

/// What Prometheus reads.
fn text(tally: &Tally, resident_bytes: u64) -> String {
    let mut out = String::new();
    let apps = labelled(tally);
    let mut family =
        Family::new(&mut out, "requests_total", "counter", "Requests that ended, by app and status class.");
    for (app, totals) in &apps {
        for (count, class) in totals.by_class.iter().zip(1..).filter(|(count, _)| **count > 0) {
            family.line(format_args!("{{app=\"{app}\",status=\"{class}xx\"}}"), count);
        }
    }
    type Figure = (&'static str, &'static str, &'static str, fn(&Totals) -> u64);
    let by_app: [Figure; 4] = [
        ("failed_total", "counter", "Requests that met an error of the router.", |totals| totals.failed),
        ("held_total", "counter", "Requests that waited for a dyno to start.", |totals| totals.held),
        ("queue", "gauge", "Requests that wait for a dyno to start.", |totals| totals.held_now),
        ("requests_open", "gauge", "Requests that began and did not end.", |totals| totals.open),
    ];
    for (name, kind, help, value) in by_app {
        let mut family = Family::new(&mut out, name, kind, help);
        for (app, totals) in &apps {
            family.line(format_args!("{{app=\"{app}\"}}"), value(totals));
        }
    }
    histogram(&mut out, tally);
    for (name, kind, help, value) in [
        ("nobodys_requests_total", "counter", "Requests for no app, or for none that could be known.", tally.nobodys),
        ("connections", "gauge", "Open connections of clients.", tally.connections),
        (
            "connections_let_go_total",
            "counter",
            "Connections that waited and were closed because there were too many.",
            tally.let_go,
        ),
        ("resident_memory_bytes", "gauge", "Resident memory of the router.", resident_bytes),
    ] {
        Family::new(&mut out, name, kind, help).line("", value);
    }
    out
}

fn histogram(out: &mut String, tally: &Tally) {
    let help = "From the request's head to the end of its response.";
    let mut family = Family::new(out, "request_duration_seconds", "histogram", help);
    let mut count = 0;
    for (bound_us, bucket) in BOUNDS_US.iter().map(Some).chain([None]).zip(tally.buckets) {
        count += bucket;
        match bound_us {
            Some(bound_us) => family.line(format_args!("_bucket{{le=\"{}\"}}", Seconds(*bound_us)), count),
            None => family.line("_bucket{le=\"+Inf\"}", count),
        }
    }
    family.line("_sum", Seconds(tally.sum_us));
    family.line("_count", count);
}

/// Microseconds, written as seconds without loss.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The totals by label. Two apps share a name only while one is being removed.
fn labelled(tally: &Tally) -> BTreeMap<&str, Totals> {
    let mut labelled: BTreeMap<&str, Totals> = BTreeMap::new();
    for (at, (name, totals)) in tally.apps.values().enumerate() {
        let sum = labelled.entry(if at < APPS { name } else { OTHERS }).or_default();
        *sum = sum.plus(*totals);
    }
    labelled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(apps: u128) -> Tally {
        let totals = Totals { by_class: [0, 2, 0, 0, 0], ..Totals::default() };
        let app = |number: u128| (uuid::Uuid::from_u128(number).into(), (format!("app-{number}").into(), totals));
        Tally { apps: (0..apps).map(app).collect(), sum_us: 1_500_000, ..Tally::default() }
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let text = text(&tally(APPS as u128 + 3), 0);
        assert_eq!(text.matches("flowline_router_requests_total{").count(), APPS + 1);
        assert!(text.contains("requests_total{app=\"_others\",status=\"2xx\"} 6\n"), "{text:.300}");
    }

    #[test]
    fn durations_are_seconds() {
        let text = text(&tally(0), 0);
        for line in ["_bucket{le=\"0.001\"} 0", "_bucket{le=\"0.0025\"} 0", "_bucket{le=\"30\"} 0", "_sum 1.5"] {
            assert!(text.contains(&format!("flowline_router_request_duration_seconds{line}\n")), "{line} in {text}");
        }
    }

    #[test]
    fn only_this_machine_may_scrape() {
        let error = listen("0.0.0.0:0".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("loopback"), "{error}");
        assert!(resident_bytes() > 0);
    }
}
