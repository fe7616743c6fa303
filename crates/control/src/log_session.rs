//! Log sessions: an address of its own for one reading of an app's log (LOG-10 to LOG-14).

use crate::Control;
use crate::gate::Authorized;
use model::app::App;
use model::id::{AppId, LogSessionId};
use model::log::{LogFilter, LogLine};
use model::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An unopened session lives six minutes (LOG-11).
const LIFE: Duration = Duration::from_secs(360);

/// Sessions waiting to be opened, over all apps; beyond it the oldest goes.
const WAITING_LIMIT: usize = 10_000;

/// Lines of backlog when a client does not say (LOG-10) and at most (LOG-14).
const DEFAULT_LINES: usize = 100;
const LINES_LIMIT: usize = 1500;

/// What a client wants to read.
#[derive(Debug, Clone, Default)]
pub struct NewLogSession {
    /// Which lines.
    pub filter: LogFilter,
    /// How many old ones; 100 when missing.
    pub lines: Option<u32>,
    /// Go on with new ones?
    pub tail: bool,
}

/// A session, as its maker sees it.
#[derive(Debug, Clone)]
pub struct LogSession {
    /// Its id.
    pub id: LogSessionId,
    /// The secret in its address.
    pub secret: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The sessions that wait to be opened.
#[derive(Default)]
pub(crate) struct LogSessions(Mutex<HashMap<LogSessionId, Waiting>>);

struct Waiting {
    app: AppId,
    session: LogSession,
    wish: NewLogSession,
}

/// Why a log is not read.
#[derive(Debug, thiserror::Error)]
pub enum LogSessionError {
    /// A wrong or expired address (LOG-11).
    #[error("That log session is unknown or has expired; ask for a new one with POST /apps/{{app}}/log-sessions")]
    Unknown,
    /// The log itself.
    #[error(transparent)]
    Logs(#[from] logs::LogsError),
}

/// Lines for one reader.
pub enum LogReading {
    /// The backlog only.
    History(Vec<LogLine>),
    /// The backlog, then what comes.
    Tail(logs::Tail),
}

/// Makes a session.
#[must_use]
pub fn create(control: &Control, app: &Authorized<App>, wish: NewLogSession) -> LogSession {
    let now = control.now();
    let session = LogSession { id: control.world.new_id(), secret: control.world.secret::<32>(), created_at: now };
    let mut waiting = control.log_sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.retain(|_, waiting| now.since(waiting.session.created_at) < LIFE);
    if waiting.len() >= WAITING_LIMIT {
        let oldest =
            waiting.values().min_by_key(|waiting| waiting.session.created_at).map(|waiting| waiting.session.id);
        oldest.map(|id| waiting.remove(&id));
    }
    waiting.insert(session.id, Waiting { app: app.id, session: session.clone(), wish });
    session
}

/// Opens a session: whoever holds the address may read (LOG-11), and again while the address lives.
///
/// # Errors
/// [`LogSessionError`].
pub async fn open(control: &Control, id: LogSessionId, secret: &str) -> Result<LogReading, LogSessionError> {
    let (app, wish) = {
        let waiting = control.log_sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.get(&id).filter(|waiting| crate::same_secret(&waiting.session.secret, secret));
        let found = found.filter(|waiting| control.now().since(waiting.session.created_at) < LIFE);
        found.map(|waiting| (waiting.app, waiting.wish.clone())).ok_or(LogSessionError::Unknown)?
    };
    let lines = wish.lines.map_or(DEFAULT_LINES, |lines| lines as usize).min(LINES_LIMIT);
    if wish.tail {
        Ok(LogReading::Tail(control.logs.tail(app, wish.filter, lines).await?))
    } else {
        Ok(LogReading::History(control.logs.history(app, &wish.filter, lines).await?))
    }
}
