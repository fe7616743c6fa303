//! `logs`: history and live tail over a log session.

use crate::args::OnApp;
use crate::client::{Client, StreamKind};
use crate::console::{Console, Paint};
use crate::error::CliError;
use crate::session::{Chosen, Session};
use crate::stream::Stream;
use model::log;
use model::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tokio::time::Instant;

/// What the server keeps (LOG-14), and so the most to ask for.
pub(crate) const HISTORY_LINES: usize = 1500;

/// A tail that was cut is taken up again so often in a row: with the waits between, for about a minute.
const TRIES: u32 = 16;

/// The waits double up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// A tail that lasted so long was a good one: its end starts the count of tries anew.
const GOOD_TAIL: Duration = Duration::from_secs(10);

/// What `logs` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Logs {
    /// Go on printing new lines
    #[arg(short, long)]
    tail: bool,
    /// How many lines of history
    #[arg(short, long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=1500))]
    num: u32,
    /// Only this dyno (web.1) or this process type (web)
    #[arg(
        short,
        long,
        alias = "dyno-name",
        short_alias = 'p',
        alias = "process-type",
        alias = "ps",
        value_name = "DYNO"
    )]
    dyno: Option<String>,
    /// Only lines of this source: app or heroku
    #[arg(short, long)]
    source: Option<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What a log session is asked for (LOG-10).
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) tail: bool,
    pub(crate) lines: usize,
    pub(crate) dyno: Option<String>,
    pub(crate) source: Option<String>,
}

/// What is read of a log session.
#[derive(Deserialize)]
struct LogSession {
    logplex_url: String,
}

/// Prints the history and, with `--tail`, what follows.
pub(crate) async fn logs(session: &mut Session<'_>, args: Logs) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let lines = usize::try_from(args.num).unwrap_or(HISTORY_LINES);
    let wanted = Wanted { tail: args.tail, lines, dyno: args.dyno, source: args.source };
    let mut follow = Follow::new(&session.client, &app, wanted);
    let console = &mut *session.console;
    let mut list = Vec::new();
    while let Some(line) = follow.next(console).await? {
        match (console.is_json(), args.tail) {
            (false, _) => show(console, &line)?,
            (true, false) => list.push(object(&line)),
            (true, true) => console.line(&object(&line).to_string())?,
        }
        if args.tail {
            console.flush()?;
        }
    }
    if console.is_json() && !args.tail { console.json(&Value::Array(list)) } else { Ok(()) }
}

/// A line of the log as JSON; what is not of the usual form is all text.
pub(crate) fn object(line: &str) -> Value {
    match log::parse(line) {
        Some(line) => json!({
            "at": line.at.log_time(), "source": line.source.word(), "dyno": line.ps, "message": line.text,
        }),
        None => json!({ "message": line }),
    }
}

/// One line, its head in the colour of its dyno.
fn show(console: &mut Console, line: &str) -> Result<(), CliError> {
    let Some((head, text)) = line.split_once("]: ") else { return console.line(line) };
    let ps = head.rsplit_once('[').map_or("", |(_, ps)| ps);
    let number = ps.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let head = console.paint(Paint::Series(number), &format!("{head}]:"));
    console.line(&format!("{head} {text}"))
}

/// The lines of a log session; a tail outlives the end of a connection and of the server.
pub(crate) struct Follow<'a> {
    client: &'a Client,
    path: String,
    wanted: Wanted,
    stream: Option<Stream>,
    opened_at: Instant,
    /// How often it was opened in vain since the last good tail; `None` before the first time.
    tries: Option<u32>,
    /// Hashes of the last lines handed out: what comes again after a reconnection is left out.
    seen: VecDeque<u64>,
    /// Lines that may be such repetitions.
    repeats: usize,
    /// When the first line handed out was said: what is older was not asked for.
    since: Option<Timestamp>,
}

impl<'a> Follow<'a> {
    pub(crate) fn new(client: &'a Client, app: &Chosen, wanted: Wanted) -> Self {
        let path = app.path("/log-sessions");
        let (opened_at, seen) = (Instant::now(), VecDeque::new());
        Self { client, path, wanted, stream: None, opened_at, tries: None, seen, repeats: 0, since: None }
    }

    /// The next line; `None` at the end of a history. Loses nothing when the call is given up.
    pub(crate) async fn next(&mut self, console: &mut Console) -> Result<Option<String>, CliError> {
        loop {
            let stream = match &mut self.stream {
                Some(stream) => stream,
                None => {
                    let stream = self.reopen(console).await?;
                    self.stream.insert(stream)
                }
            };
            match stream.line().await {
                Ok(Some(line)) if line.is_empty() => {}
                Ok(Some(line)) => {
                    if self.is_new(&line) {
                        return Ok(Some(line));
                    }
                }
                Ok(None) if !self.wanted.tail => return Ok(None),
                Err(error) if !self.wanted.tail => return Err(error),
                Ok(None) | Err(_) => {
                    self.stream = None;
                    if self.opened_at.elapsed() >= GOOD_TAIL {
                        self.tries = Some(0);
                    }
                }
            }
        }
    }

    /// Opens a session, the first time without waiting; later ones wait longer and longer and ask for the whole history.
    async fn reopen(&mut self, console: &mut Console) -> Result<Stream, CliError> {
        let Some(mut tries) = self.tries else {
            let stream = self.open(self.wanted.lines).await?;
            self.tries = Some(0);
            return Ok(stream);
        };
        loop {
            if tries == TRIES {
                let next = "`flowline logs --tail` tries once more.";
                return Err(CliError::failed("Log stream timed out. Please try again.", next));
            }
            if tries == 0 {
                console.note(" ▸    The log stream was cut; connecting again...")?;
            }
            tokio::time::sleep(LONGEST_WAIT.min(Duration::from_secs(1 << tries))).await;
            tries += 1;
            self.tries = Some(tries);
            // `-n 0` with nothing said since: what the history holds is from before.
            let nothing_yet = self.seen.is_empty() && self.wanted.lines == 0;
            match self.open(if nothing_yet { 0 } else { HISTORY_LINES }).await {
                Ok(stream) => {
                    self.repeats = HISTORY_LINES;
                    return Ok(stream);
                }
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn open(&mut self, lines: usize) -> Result<Stream, CliError> {
        let mut body = json!({ "tail": self.wanted.tail, "lines": lines });
        for (key, value) in [("dyno", &self.wanted.dyno), ("source", &self.wanted.source)] {
            if let Some(value) = value {
                body[key] = Value::from(value.as_str());
            }
        }
        let answer = self.client.post(&self.path, &body).await?;
        let LogSession { logplex_url } = self.client.read(&answer)?;
        let stream = self.client.stream(&logplex_url, StreamKind::Events).await?;
        self.opened_at = Instant::now();
        Ok(stream)
    }

    /// Was this line neither handed out before nor said before the first that was?
    fn is_new(&mut self, line: &str) -> bool {
        if !self.wanted.tail {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        let hash = hasher.finish();
        let at = line.split_once(' ').and_then(|(at, _)| Timestamp::parse(at));
        if self.repeats > 0 {
            self.repeats -= 1;
            if self.seen.contains(&hash) || at.zip(self.since).is_some_and(|(at, since)| at < since) {
                return false;
            }
        }
        self.since = self.since.or(at);
        self.tries = Some(0);
        if self.seen.len() == HISTORY_LINES {
            self.seen.pop_front();
        }
        self.seen.push_back(hash);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_1_lines_as_json() {
        let line = object("2026-01-02T03:04:05.678901+00:00 app[web.1]: hi: there");
        let at = "2026-01-02T03:04:05.678901+00:00";
        assert_eq!(line, json!({ "at": at, "source": "app", "dyno": "web.1", "message": "hi: there" }));
        assert_eq!(object("odd"), json!({ "message": "odd" }));
    }
}
