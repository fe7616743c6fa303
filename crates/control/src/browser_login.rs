//! Logins by a browser: a command line that waits for a token, and the page where a person says who they are.
//!
//! They are kept in memory: after a restart of the server the command line, whose connection broke, begins again.

use crate::{Control, same_secret};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a person has; the official command line gives up then too.
pub const LOGIN_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Logins under way at the same time. Anybody can begin one: beyond this the oldest is over.
const LOGINS_LIMIT: usize = 256;

/// What a command line says of itself; more would only fill the page.
const DESCRIPTION_LIMIT: usize = 120;

/// No such login, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This login is over: it was used, or nobody came within {} minutes. Begin again.", LOGIN_LIMIT.as_secs() / 60)]
pub struct LoginOver;

/// The secrets of both sides; neither leads to the other.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Opens the page.
    pub page: String,
    /// Fetches the token.
    pub waiting: String,
}

struct Login {
    secrets: Begun,
    description: String,
    until: Instant,
    token: watch::Sender<Option<String>>,
}

/// Those under way, the oldest first.
#[derive(Default)]
pub(crate) struct BrowserLogins(Mutex<Vec<Login>>);

impl BrowserLogins {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<Login>) -> T) -> T {
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        logins.retain(|login| login.until > now);
        look(&mut logins)
    }
}

/// Begins one.
#[must_use]
pub fn begin(control: &Control, description: &str) -> Begun {
    let secrets = Begun { page: control.world.secret::<32>(), waiting: control.world.secret::<32>() };
    let description = description.chars().filter(|letter| !letter.is_control()).take(DESCRIPTION_LIMIT).collect();
    let login = Login {
        secrets: secrets.clone(),
        description,
        until: Instant::now() + LOGIN_LIMIT,
        token: watch::Sender::new(None),
    };
    control.browser_logins.with(|logins| {
        if logins.len() >= LOGINS_LIMIT {
            logins.remove(0);
        }
        logins.push(login);
    });
    secrets
}

/// What the command line said of itself.
///
/// # Errors
/// [`LoginOver`].
pub fn description(control: &Control, page: &str) -> Result<String, LoginOver> {
    control.browser_logins.with(|logins| open(logins, page).map(|login| login.description.clone()))
}

/// Gives the token to whoever waits; the page is over then.
///
/// # Errors
/// [`LoginOver`].
pub fn give(control: &Control, page: &str, token: String) -> Result<(), LoginOver> {
    control.browser_logins.with(|logins| {
        open(logins, page)?.token.send_replace(Some(token));
        Ok(())
    })
}

fn open<'l>(logins: &'l [Login], page: &str) -> Result<&'l Login, LoginOver> {
    let found = logins.iter().find(|login| same_secret(&login.secrets.page, page) && login.token.borrow().is_none());
    found.ok_or(LoginOver)
}

/// Is there a login that is waited for with this secret?
///
/// # Errors
/// [`LoginOver`].
pub fn is_waited_for(control: &Control, waiting: &str) -> Result<(), LoginOver> {
    control.browser_logins.with(|logins| {
        let known = logins.iter().any(|login| same_secret(&login.secrets.waiting, waiting));
        if known { Ok(()) } else { Err(LoginOver) }
    })
}

/// Waits for the token, which is told once.
///
/// # Errors
/// [`LoginOver`].
pub async fn token(control: &Control, waiting: &str) -> Result<String, LoginOver> {
    let (mut given, until) = control.browser_logins.with(|logins| {
        let found = logins.iter().find(|login| same_secret(&login.secrets.waiting, waiting));
        found.map(|login| (login.token.subscribe(), login.until)).ok_or(LoginOver)
    })?;
    let came = tokio::time::timeout_at(until, given.wait_for(Option::is_some)).await;
    let token = came.ok().and_then(Result::ok).and_then(|token| token.clone());
    control.browser_logins.with(|logins| {
        let at = logins.iter().position(|login| same_secret(&login.secrets.waiting, waiting)).ok_or(LoginOver)?;
        logins.remove(at);
        token.ok_or(LoginOver)
    })
}
