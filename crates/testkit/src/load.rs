//! Steady visitors: so many requests a second, each counted as answered or failed.

use crate::flow::Flow;
use crate::http::{Client, request};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, interval_at};

/// Visitors that go on until they are told to stop.
pub struct Load {
    over: Arc<AtomicBool>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// What the visitors saw.
#[derive(Debug)]
pub struct Outcome {
    /// Requests with status 200.
    pub answered: u64,
    /// All others.
    pub failed: u64,
    /// The first failures in words.
    pub failures: Vec<String>,
}

/// Connections that the visitors share.
const CONNECTIONS: u32 = 20;

impl Load {
    /// So many visits a second to `/`.
    #[must_use]
    pub fn start(flow: &Flow, host: &str, per_second: u64) -> Self {
        let (over, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
        let visitors: Vec<_> = (0..CONNECTIONS)
            .map(|nth| {
                let apart = Duration::from_secs(1) / u32::try_from(per_second).unwrap();
                // One after the other: twenty at once would leave the app alone in between, for as long as a deploy takes.
                let due = interval_at(Instant::now() + apart * nth, apart * CONNECTIONS);
                visitor(flow.apps, host.to_owned(), due, Arc::clone(&over), Arc::clone(&counts))
            })
            .collect();
        let task = tokio::spawn(async move {
            let visitors: Vec<_> = visitors.into_iter().map(tokio::spawn).collect();
            for visitor in visitors {
                visitor.await.unwrap();
            }
        });
        Self { over, counts, task }
    }

    /// How many were answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// The first failures in words.
    pub async fn failures(&self) -> Vec<String> {
        self.counts.failures.lock().await.clone()
    }

    /// Ends the visits.
    ///
    /// # Panics
    /// When a visitor panicked.
    pub async fn stop(self) -> Outcome {
        self.over.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        Outcome {
            answered: self.counts.answered.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
            failures: self.counts.failures.lock().await.clone(),
        }
    }
}

async fn visitor(addr: SocketAddr, host: String, mut due: Interval, over: Arc<AtomicBool>, counts: Arc<Counts>) {
    let mut kept: Option<Client> = None;
    while !over.load(Ordering::Relaxed) {
        due.tick().await;
        let visit = async {
            let mut client = match kept.take() {
                Some(client) => client,
                None => Client::connect(addr).await?,
            };
            let answer = client.send(request("GET", "/", &host, &[], Bytes::new())).await?;
            if answer.status != 200 {
                return Err(format!("{} {}", answer.status, answer.text()));
            }
            // One that says good-bye is not asked again.
            Ok((answer.header("connection") != "close").then_some(client))
        };
        match visit.await {
            Ok(client) => {
                counts.answered.fetch_add(1, Ordering::Relaxed);
                kept = client;
            }
            Err(why) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                let mut failures = counts.failures.lock().await;
                if failures.len() < 20 {
                    failures.push(why);
                }
            }
        }
    }
}
