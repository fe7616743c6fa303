//! Visitors: so many requests a second over kept connections, each counted as answered, retried or failed.
//!
//! They do what browsers and HTTP libraries do: a GET on a kept connection that breaks before the first byte of the
//! answer is sent once more on a new connection. That is counted apart; anything else that goes wrong is a failure.

use crate::machine;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::Client;
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

/// Connections per app.
const CONNECTIONS: u64 = 10;

/// Longer than a router holds a request for a dyno that starts.
const PATIENCE: Duration = Duration::from_secs(100);

/// After so long without an answer it is noted who has the connection: afterwards nobody knows.
const LONG: Duration = Duration::from_secs(20);

/// A request that was not answered with 200.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) app: String,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) why: String,
    /// The second of its end, as log lines begin.
    pub(crate) second: String,
    /// The router itself answered that the app does not.
    pub(crate) by_router: bool,
}

/// What all visitors saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) requests: AtomicU64,
    pub(crate) retried: AtomicU64,
    /// Requests that are under way on new connections.
    pub(crate) on_new: AtomicU64,
    pub(crate) failures: Mutex<Vec<Failure>>,
    pub(crate) took_us: Mutex<Vec<u32>>,
    /// Where requests were that had no answer for long.
    pub(crate) stuck: Mutex<Vec<String>>,
}

/// Visitors that go on until they are told to stop.
pub(crate) struct Visitors {
    over: Arc<AtomicBool>,
    pub(crate) seen: Arc<Seen>,
    tasks: Vec<JoinHandle<()>>,
}

impl Visitors {
    /// So many visits a second to `/` of each of these apps.
    pub(crate) fn start(apps: SocketAddr, rates: &[(&str, u64)]) -> Self {
        let (over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
        let mut tasks = Vec::new();
        for (app, per_second) in rates {
            for _ in 0..CONNECTIONS {
                let visitor = Visitor {
                    addr: apps,
                    app: (*app).to_owned(),
                    over: Arc::clone(&over),
                    seen: Arc::clone(&seen),
                    kept: None,
                    port: Arc::default(),
                };
                tasks.push(tokio::spawn(visitor.live(Duration::from_micros(1_000_000 * CONNECTIONS / per_second))));
            }
        }
        Self { over, seen, tasks }
    }

    /// Ends the visits.
    pub(crate) async fn stop(self) -> Arc<Seen> {
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.seen
    }
}

struct Visitor {
    addr: SocketAddr,
    app: String,
    over: Arc<AtomicBool>,
    seen: Arc<Seen>,
    kept: Option<Client>,
    /// Of the connection that was used last.
    port: Arc<AtomicU16>,
}

impl Visitor {
    async fn live(mut self, every: Duration) {
        let mut due = tokio::time::interval(every);
        while !self.over.load(Ordering::Relaxed) {
            due.tick().await;
            let from = Instant::now();
            let visit = self.visit_or_note().await;
            self.seen.requests.fetch_add(1, Ordering::Relaxed);
            let to = Instant::now();
            match visit.unwrap_or_else(|_| Err((format!("no answer in {PATIENCE:?}"), false))) {
                Ok(()) => {
                    let took = u32::try_from((to - from).as_micros()).unwrap_or(u32::MAX);
                    self.seen.took_us.lock().unwrap().push(took);
                }
                Err((why, by_router)) => {
                    let second = second();
                    let failure = Failure { app: self.app.clone(), from, to, why, second, by_router };
                    self.seen.failures.lock().unwrap().push(failure);
                }
            }
        }
    }

    /// A visit; one that takes long leaves a note of where it is.
    async fn visit_or_note(&mut self) -> Result<Result<(), (String, bool)>, Elapsed> {
        let (port, seen) = (Arc::clone(&self.port), Arc::clone(&self.seen));
        let mut visit = Box::pin(self.visit());
        if let Ok(visit) = timeout(LONG, &mut visit).await {
            return Ok(visit);
        }
        let stuck = machine::connection(port.load(Ordering::SeqCst));
        seen.stuck.lock().unwrap().push(stuck);
        timeout(PATIENCE - LONG, visit).await
    }

    async fn visit(&mut self) -> Result<(), (String, bool)> {
        if let Some(mut kept) = self.kept.take() {
            self.port.store(kept.port(), Ordering::SeqCst);
            match kept.get(&self.host(), "/").await {
                Ok(answer) => return self.judge(kept, &answer),
                // Bytes of the answer had come.
                Err(why) if why.starts_with("the body") => return Err((why, false)),
                Err(_broke_before_the_first_byte) => drop(self.seen.retried.fetch_add(1, Ordering::Relaxed)),
            }
        }
        self.seen.on_new.fetch_add(1, Ordering::SeqCst);
        let answered = self.visit_anew().await;
        self.seen.on_new.fetch_sub(1, Ordering::SeqCst);
        let (new, answer) = answered.map_err(|why| (why, false))?;
        self.judge(new, &answer)
    }

    async fn visit_anew(&self) -> Result<(Client, testkit::Answer), String> {
        self.port.store(0, Ordering::SeqCst);
        let mut new = Client::connect(self.addr).await.map_err(|why| format!("not connected: {why}"))?;
        self.port.store(new.port(), Ordering::SeqCst);
        let answer = new.get(&self.host(), "/").await.map_err(|why| format!("on a new connection: {why}"))?;
        Ok((new, answer))
    }

    fn judge(&mut self, client: Client, answer: &testkit::Answer) -> Result<(), (String, bool)> {
        if answer.header("connection") != "close" {
            self.kept = Some(client);
        }
        if answer.status == 200 {
            return Ok(());
        }
        let by_router = answer.status.as_u16() == 503 && answer.text().contains("<h1>Application error</h1>");
        Err((format!("status {}", answer.status), by_router))
    }

    fn host(&self) -> String {
        format!("{}.localhost", self.app)
    }
}

/// `2026-01-02T03:04:05`.
fn second() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = model::time::Timestamp(i64::try_from(now.as_micros()).unwrap());
    now.log_time()[..19].to_owned()
}
