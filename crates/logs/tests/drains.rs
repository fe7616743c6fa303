//! Drains against real receivers, which check every frame.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use logs::{BUFFER_LINES, Logs, Trust};
use model::id::AppId;
use model::log::{LogFilter, LogLine, LogSource};
use model::log_drain::LogDrain;
use model::time::Timestamp;
use model::world::World;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use testkit::{Identity, Ports, Receiver, within};
use uuid::Uuid;

const TOKEN: &str = "d.01234567-89ab-cdef-0123-456789abcdef";
const AT: Timestamp = Timestamp(1_767_323_045_678_901);
const WRITTEN_AT: &str = "2026-01-02T03:04:05.678901+00:00";

/// Other ids each time.
#[derive(Default)]
struct Counting(AtomicU8);

impl World for Counting {
    fn now(&self) -> Timestamp {
        AT
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

/// A log of its own, and the app that it is about.
struct Bench {
    logs: Logs,
    app: AppId,
    dir: tempfile::TempDir,
    drains: AtomicU8,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            logs: Logs::open(dir.path().join("logs")).unwrap(),
            app: Uuid::from_u128(7).into(),
            dir,
            drains: AtomicU8::new(0),
        }
    }

    /// Trusts the system's authorities, and this one.
    fn trust(&self, identity: Option<&Identity>) -> Arc<Trust> {
        let path = self.dir.path().join("ca.pem");
        let extra = identity.map(|identity| {
            std::fs::write(&path, &identity.ca_pem).unwrap();
            path.as_path()
        });
        Arc::new(Trust::open(extra).unwrap())
    }

    async fn drain(&self, url: &str, identity: Option<&Identity>) -> LogDrain {
        let url = url.parse().unwrap();
        let number = self.drains.fetch_add(1, Ordering::Relaxed);
        let (id, token) = (Uuid::from_u128(number.into()).into(), TOKEN.to_owned());
        let drain = LogDrain { id, app: self.app, token, url, created_at: AT, updated_at: AT };
        self.logs.drain(drain.clone(), self.trust(identity), Arc::new(Counting::default())).await;
        drain
    }

    async fn say(&self, source: LogSource, ps: &str, text: &str) {
        let line = LogLine { at: AT, source, ps: ps.to_owned(), text: text.to_owned() };
        self.logs.append(self.app, line).await;
    }

    async fn app_says(&self, text: &str) {
        self.say(LogSource::App, "web.1", text).await;
    }

    async fn history(&self) -> Vec<String> {
        let lines = self.logs.history(self.app, &LogFilter::default(), 1500).await.unwrap();
        lines.into_iter().map(|line| line.text).collect()
    }
}

async fn syslog(identity: Option<&Identity>, scheme: &str) {
    let bench = Bench::new();
    let mut receiver = Receiver::syslog(identity).await;
    bench.app_says("before the drain").await;
    bench.drain(&format!("{scheme}://{}", receiver.addr), identity).await;
    bench.app_says("one ü").await;
    bench.say(LogSource::Platform, "router", "at=info").await;
    let first = receiver.frame().await;
    let fields = (first.priority, first.at.as_str(), first.host.as_str(), first.source.as_str(), first.ps.as_str());
    assert_eq!(fields, (190, WRITTEN_AT, TOKEN, "app", "web.1"));
    assert_eq!(first.rest, "- - one ü", "nothing from before");
    let second = receiver.frame().await;
    let fields = (second.priority, second.source.as_str(), second.ps.as_str(), second.rest.as_str());
    assert_eq!(fields, (158, "heroku", "router", "- - at=info"));
    // Twice what a batch holds, in order.
    let padding = "x".repeat(1_000);
    for number in 0..200 {
        bench.app_says(&format!("{number} {padding}")).await;
    }
    for number in 0..200 {
        assert_eq!(receiver.frame().await.rest, format!("- - {number} {padding}"));
    }
}

#[tokio::test]
async fn log_24_syslog_frames_over_tcp() {
    syslog(None, "syslog").await;
}

#[tokio::test]
async fn log_24_syslog_frames_over_tls() {
    syslog(Some(&Identity::make()), "syslog+tls").await;
}

#[tokio::test]
async fn a_syslog_connection_that_was_closed_is_made_again() {
    let bench = Bench::new();
    let mut receiver = Receiver::syslog(None).await;
    bench.drain(&format!("syslog://{}", receiver.addr), None).await;
    bench.app_says("first").await;
    assert_eq!(receiver.frame().await.rest, "- - first");
    receiver.cut();
    // What was written before the end was seen is lost with the connection; what comes later is not.
    let again = async {
        loop {
            bench.app_says("again").await;
            if let Ok(frame) = tokio::time::timeout(Duration::from_millis(100), receiver.frame()).await {
                return frame;
            }
        }
    };
    assert_eq!(within("a new connection", again).await.rest, "- - again");
}

#[tokio::test]
async fn log_25_and_26_posts_over_https_with_basic_authorization() {
    let (bench, identity) = (Bench::new(), Identity::make());
    let mut receiver = Receiver::http(Some(&identity), &[]).await;
    let url = format!("https://us%40er:p%3Ass@{}/in?token=x", receiver.addr);
    bench.drain(&url, Some(&identity)).await;
    bench.app_says("one").await;
    let posted = receiver.post().await;
    assert_eq!(posted.target, "/in?token=x");
    assert_eq!(posted.header("content-type"), "application/logplex-1");
    assert_eq!(posted.header("logplex-msg-count"), "1");
    assert_eq!(posted.header("logplex-drain-token"), TOKEN);
    assert!(posted.header("user-agent").starts_with("Logplex/v"), "{}", posted.header("user-agent"));
    assert_eq!(posted.header("host"), receiver.addr.to_string());
    assert_eq!(posted.header("authorization"), "Basic dXNAZXI6cDpzcw==");
    let frame = &posted.frames[0];
    let fields = (frame.priority, frame.at.as_str(), frame.host.as_str(), frame.source.as_str(), frame.ps.as_str());
    assert_eq!((fields, frame.rest.as_str()), ((190, WRITTEN_AT, "host", "app", "web.1"), "- one"));
    bench.app_says("two").await;
    let next = receiver.post().await;
    assert_ne!(next.header("logplex-frame-id"), posted.header("logplex-frame-id"));
    assert!(next.header("logplex-frame-id").parse::<Uuid>().is_ok());
}

#[tokio::test]
async fn log_27_a_frame_is_tried_three_times_with_one_id_and_lost_at_once_on_404() {
    let bench = Bench::new();
    let mut receiver = Receiver::http(None, &[500, 500, 200, 404, 429, 200, 503, 503, 503]).await;
    bench.drain(&format!("http://{}/", receiver.addr), None).await;
    let mut ids = Vec::new();
    for (text, statuses) in [
        ("one", &[500, 500, 200][..]),
        ("two", &[404]),
        ("three", &[429, 200]),
        ("four", &[503, 503, 503]),
        ("five", &[200]),
    ] {
        bench.app_says(text).await;
        let mut of_one = Vec::new();
        for status in statuses {
            let posted = receiver.post().await;
            assert_eq!((posted.status, posted.frames.len()), (*status, 1), "{text}");
            assert_eq!(posted.frames[0].rest, format!("- {text}"));
            of_one.push(posted.header("logplex-frame-id").to_owned());
        }
        of_one.dedup();
        assert_eq!(of_one.len(), 1, "one id for all tries of {text}");
        ids.extend(of_one);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "another id for another frame");
    assert!(receiver.post_now().is_none());
}

#[tokio::test]
async fn log_28_an_overflow_keeps_the_newest_and_says_how_many_are_missing() {
    let bench = Bench::new();
    let mut receiver = Receiver::holding().await;
    bench.drain(&format!("http://{}/", receiver.addr), None).await;
    bench.app_says("held").await;
    assert_eq!(receiver.post().await.frames[0].rest, "- held");
    for number in 0..3000 {
        bench.app_says(&number.to_string()).await;
    }
    bench.logs.flush().await;
    receiver.release();
    let mut frames = Vec::new();
    while frames.len() < BUFFER_LINES + 1 {
        let posted = receiver.post().await;
        // The held one may have been tried again.
        if posted.frames[0].rest != "- held" {
            assert_eq!(posted.header("logplex-msg-count"), posted.frames.len().to_string());
            frames.extend(posted.frames);
        }
    }
    let notice = frames.remove(0);
    assert_eq!((notice.priority, notice.source.as_str(), notice.ps.as_str()), (172, "heroku", "logplex"));
    let said = format!("- Error L10 (output buffer overflow): 1976 messages dropped since {WRITTEN_AT}.");
    assert_eq!(notice.rest, said);
    let rest: Vec<String> = frames.into_iter().map(|frame| frame.rest).collect();
    let newest: Vec<String> = (1976..3000).map(|number| format!("- {number}")).collect();
    assert_eq!(rest, newest);
    assert_eq!(bench.history().await.len(), 1500, "the app's own log has them all");
}

#[tokio::test]
async fn log_29_a_bad_certificate_is_told_in_the_apps_log() {
    let (bench, identity) = (Bench::new(), Identity::make());
    let mut receiver = Receiver::syslog(Some(&identity)).await;
    bench.drain(&format!("syslog+tls://user:secret@{}", receiver.addr), Some(&Identity::make())).await;
    let mut tail = bench.logs.tail(bench.app, LogFilter::default(), 0).await.unwrap();
    bench.app_says("one").await;
    let said = async {
        loop {
            let line = tail.next().await.unwrap();
            if line.text.contains("L14") {
                return line.to_string();
            }
        }
    };
    let line = within("L14", said).await;
    let start = format!("{WRITTEN_AT} heroku[logplex]: Error L14 (certificate validation): error=\"");
    let end = format!("\" uri=\"syslog+tls://{}/\"", receiver.addr);
    assert!(line.starts_with(&start) && line.ends_with(&end), "{line}");
    assert!(receiver.frame_now().is_none(), "nothing is sent to it");
}

#[tokio::test]
async fn a_drain_that_never_answers_costs_the_log_nothing() {
    let bench = Bench::new();
    // Connections wait in the backlog; nobody ever reads.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = Ports::take();
    bench.drain(&format!("http://{}/", silent.local_addr().unwrap()), None).await;
    bench.drain(&format!("syslog://{}", ports.at(0)), None).await;
    let padding = "x".repeat(200);
    let said = async {
        for number in 0..20_000 {
            bench.app_says(&format!("{number} {padding}")).await;
        }
        bench.logs.flush().await;
    };
    // Sooner than the tries of one batch could have ended.
    tokio::time::timeout(Duration::from_secs(14), said).await.expect("the log waits for its drains");
    assert_eq!(bench.history().await.last().unwrap(), &format!("19999 {padding}"));
}

#[tokio::test]
async fn log_23_a_removed_drain_gets_nothing_more_and_an_app_takes_its_drains_with_it() {
    let bench = Bench::new();
    let mut receiver = Receiver::http(None, &[]).await;
    let url = format!("http://{}/", receiver.addr);
    let drain = bench.drain(&url, None).await;
    bench.app_says("one").await;
    assert_eq!(receiver.post().await.frames[0].rest, "- one");
    bench.logs.undrain(drain.id);
    bench.app_says("two").await;
    bench.logs.flush().await;
    bench.drain(&url, None).await;
    bench.app_says("three").await;
    assert_eq!(receiver.post().await.frames[0].rest, "- three");
    bench.logs.settle_drains(Duration::from_secs(60)).await;
    bench.logs.remove(bench.app).await;
    bench.app_says("four").await;
    bench.logs.flush().await;
    bench.logs.settle_drains(Duration::from_secs(60)).await;
    assert!(receiver.post_now().is_none());
}

#[test]
fn a_file_without_certificates_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&path, text).unwrap();
        let refused = Trust::open(Some(&path)).unwrap_err().to_string();
        assert!(refused.contains("ca.pem holds no certificates that can be read"), "{refused}");
    }
    assert!(Trust::open(Some(&dir.path().join("missing.pem"))).is_err());
}
