//! What a router process is told at its start.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// How one router process runs.
#[derive(Debug, Clone)]
pub struct RouterConfig {
    /// Where clients connect; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The folder of `router.sock`, `routes.json` and the lock; must exist and be private to the owner.
    pub dir: PathBuf,
    /// Write one log line per request?
    pub request_log: bool,
    /// Threads that serve requests; `None`: one per core.
    pub threads: Option<NonZeroUsize>,
    /// Where Prometheus may ask for figures: a loopback address, or nowhere.
    pub metrics: Option<SocketAddr>,
    /// Takes over from the router that runs on the folder: its sockets, its table and its settings, whatever stands in
    /// `listen`, `request_log` and `threads`; `metrics` only where it is given.
    pub upgrade: bool,
    /// Only holds the clients' sockets, which come over its standard input, for routers that start later.
    pub hold: bool,
    /// How long and how many.
    pub limits: Limits,
}

/// How long and how many. The defaults are those of the behaviour rules; tests shorten them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the last byte of the request to the first byte of the response (H12, ROUTE-20).
    pub first_byte: Duration,
    /// Silence of one side in the middle of an exchange (H15, H28, ROUTE-21).
    pub rolling: Duration,
    /// An idle client connection is closed after this (ROUTE-23).
    pub client_idle: Duration,
    /// From the first byte of a request's head to its last: who sends it slower than this has something else in mind.
    pub head: Duration,
    /// To open a connection to a dyno (H19, ROUTE-11).
    pub connect: Duration,
    /// A dyno that could not be connected to is passed over this long (ROUTE-11).
    pub quarantine: Duration,
    /// How long a request waits for starting dynos (H20, ROUTE-15).
    pub held: Duration,
    /// After every dyno refused: how long to wait for news of a new table before saying so (H21).
    pub second_look: Duration,
    /// Requests of one app that each thread holds at once (H11).
    pub held_per_app: usize,
    /// Requests of one app that each thread serves at once, WebSockets included (H22): one app cannot have all the
    /// router's files and memory.
    pub open_per_app: u64,
    /// Connections of clients that each thread has at once, if the limit of open files does not say less. When one more
    /// comes, one that waits goes.
    pub clients: usize,
    /// What the responses to slow clients may hold of each thread's memory, beside 64 KB each (ROUTE-32): enough for some
    /// dozens of them at 1 MB, and no more however many there are.
    pub ahead_bytes: usize,
    /// Idle connections that each thread keeps to one dyno.
    pub idle_per_dyno: usize,
    /// An idle connection to a dyno is not used after this: Node.js closes its end after 5 s.
    pub dyno_idle: Duration,
    /// At the end: how long requests in flight may take.
    pub stop: Duration,
    /// After a hand-over: how long the old router may serve the connections that it still has, WebSockets included.
    pub leave: Duration,
    /// Log lines kept while nobody reads them; the oldest are dropped beyond it.
    pub log_backlog_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(30),
            rolling: Duration::from_secs(55),
            client_idle: Duration::from_secs(60),
            head: Duration::from_secs(30),
            connect: Duration::from_secs(5),
            quarantine: Duration::from_secs(5),
            held: Duration::from_secs(75),
            second_look: Duration::from_millis(500),
            held_per_app: 1000,
            open_per_app: 5000,
            clients: usize::MAX,
            ahead_bytes: 64 * 1024 * 1024,
            idle_per_dyno: 256,
            dyno_idle: Duration::from_secs(4),
            stop: Duration::from_secs(30),
            leave: Duration::from_secs(15 * 60),
            log_backlog_bytes: 4 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// The shortest wait that a client connection can be in: its one timer never sleeps longer.
    pub(crate) fn shortest(&self) -> Duration {
        self.first_byte.min(self.rolling).min(self.client_idle).min(self.head)
    }
}

/// A command line that `flowline router` does not understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "flowline router: {0}. It is started by `flowline serve`: router --listen ADDR:PORT --dir DIR [--threads N] [--no-request-log] [--metrics ADDR:PORT]; or takes over from a running one: router --upgrade --dir DIR [--metrics ADDR:PORT]"
)]
pub struct BadArguments(String);

impl RouterConfig {
    /// Reads what stands after `flowline router`.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, BadArguments> {
        let (mut listen, mut dir, mut threads, mut metrics) = (None, None, None, None);
        let (mut request_log, mut upgrade, mut hold) = (true, false, false);
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| BadArguments(format!("{} needs a value", name.display())));
            match name.to_str() {
                Some("--listen") => listen = Some(parsed(&value()?)?),
                Some("--threads") => threads = Some(parsed(&value()?)?),
                Some("--metrics") => metrics = Some(parsed(&value()?)?),
                Some("--dir") => dir = Some(PathBuf::from(value()?)),
                Some("--no-request-log") => request_log = false,
                Some("--upgrade") => upgrade = true,
                Some("--hold") => hold = true,
                Some(_) | None => return Err(BadArguments(format!("unknown argument {}", name.display()))),
            }
        }
        let missing = |name| BadArguments(format!("{name} is missing"));
        // A successor listens where the one before it does, and a holder nowhere else.
        let listen = listen.or((upgrade || hold).then_some(SocketAddr::from(([0, 0, 0, 0], 0))));
        Ok(Self {
            listen: listen.ok_or_else(|| missing("--listen"))?,
            dir: dir.ok_or_else(|| missing("--dir"))?,
            request_log,
            threads,
            metrics,
            upgrade,
            hold,
            limits: Limits::default(),
        })
    }

    /// The same as [`RouterConfig::from_args`] reads, without the limits.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--listen".into(), self.listen.to_string().into(), "--dir".into()];
        args.push(self.dir.clone().into());
        if let Some(threads) = self.threads {
            args.extend(["--threads".into(), threads.to_string().into()]);
        }
        if let Some(metrics) = self.metrics {
            args.extend(["--metrics".into(), metrics.to_string().into()]);
        }
        if !self.request_log {
            args.push("--no-request-log".into());
        }
        if self.upgrade {
            args.push("--upgrade".into());
        }
        if self.hold {
            args.push("--hold".into());
        }
        args
    }
}

fn parsed<T: std::str::FromStr>(value: &OsString) -> Result<T, BadArguments> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| BadArguments(format!("bad value {}", value.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_read_back() {
        let config = RouterConfig {
            listen: "127.0.0.1:7780".parse().unwrap(),
            dir: "/srv/flow line/run".into(),
            request_log: false,
            threads: NonZeroUsize::new(3),
            metrics: Some("[::1]:9100".parse().unwrap()),
            upgrade: true,
            hold: true,
            limits: Limits::default(),
        };
        let read = RouterConfig::from_args(config.to_args()).unwrap();
        assert_eq!((read.listen, read.dir, read.metrics), (config.listen, config.dir, config.metrics));
        assert_eq!((read.request_log, read.threads), (false, NonZeroUsize::new(3)));
        assert_eq!((read.upgrade, read.hold), (true, true));
        let least = ["--upgrade", "--dir", "run"].map(OsString::from);
        assert!(RouterConfig::from_args(least.clone()).unwrap().upgrade);
        assert!(
            RouterConfig::from_args(least.into_iter().skip(1)).unwrap_err().to_string().contains("--listen is missing")
        );
        assert!(
            RouterConfig::from_args(["--listen".into(), "x".into()]).unwrap_err().to_string().contains("bad value")
        );
    }
}
