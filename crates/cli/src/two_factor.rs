//! `2fa`, `2fa:enable`, `2fa:disable`, `2fa:authorize`, and asking for a code wherever the server wants one.

use crate::args::{AppOnly, Bare, Print};
use crate::console::Console;
use crate::error::{CliError, WRONG_CODE};
use crate::secret;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// A code that was mistyped is asked for again so often.
const CODE_TRIES: u32 = 3;

/// The second factor of one's own account.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Say whether logging in asks for a second factor
    #[command(name = "2fa", visible_alias = "auth:2fa", aliases = ["twofactor", "auth:2fa:status"])]
    Show(Bare),
    /// Have logins ask for a code of your authenticator app
    #[command(name = "2fa:enable", visible_alias = "auth:2fa:enable")]
    Enable(Bare),
    /// Have logins ask for the password only
    #[command(name = "2fa:disable", visible_alias = "auth:2fa:disable", alias = "twofactor:disable")]
    Disable(Bare),
    /// Give a code for an app that asks for one: it asks this login for none for 30 minutes (features:enable second-factor)
    #[command(name = "2fa:authorize")]
    Authorize(AppOnly),
}

#[derive(Deserialize)]
struct Account {
    two_factor_authentication: bool,
}

#[derive(Deserialize)]
struct Begun {
    secret: String,
    url: String,
}

#[derive(Deserialize)]
struct Authorized {
    expires_at: String,
}

#[derive(Deserialize)]
struct Recovery {
    recovery_codes: Vec<String>,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Show(args) | Self::Enable(args) | Self::Disable(args) => args.print,
            Self::Authorize(args) => args.on.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Show(_) => show(session).await,
            Self::Enable(_) => enable(session).await,
            Self::Disable(_) => disable(session).await,
            Self::Authorize(args) => authorize(session, &args).await,
        }
    }
}

/// `enabled` or `disabled`.
async fn show(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = session.client.get("/account").await?;
    if session.console.is_json() {
        return session.console.json(&json!({ "two_factor_authentication": answer["two_factor_authentication"] }));
    }
    let account: Account = session.client.read(&answer)?;
    if account.two_factor_authentication {
        return session.console.line("Two-factor authentication is enabled");
    }
    session.console.line("Two-factor authentication is not enabled")?;
    session.console.note("      `flowline 2fa:enable` enables it.")
}

/// Shows the key, asks for its first code, prints what to keep on paper. The key is part of the question, so stdout has
/// nothing but the recovery codes.
async fn enable(session: &mut Session<'_>) -> Result<(), CliError> {
    let begun: Begun = session.client.read(&session.client.post("/account/two-factor", &json!({})).await?)?;
    let (key, url) = (&begun.secret, &begun.url);
    session.console.prompt(&format!("Add this to your authenticator app:\n  Key  {key}\n  URL  {url}\n"))?;
    let code = session.console.ask("Code that it shows now: ")?;
    let answer = session.client.put("/account/two-factor", &json!({ "code": code })).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let recovery: Recovery = session.client.read(&answer)?;
    session
        .console
        .note("Two-factor authentication is enabled. Each of these recovery codes is good once instead of a")?;
    session.console.note("code; they are shown only here: keep them where your phone is not.")?;
    recovery.recovery_codes.iter().try_for_each(|code| session.console.line(code))
}

/// The code counts for every command and push of this account.
async fn authorize(session: &mut Session<'_>, args: &AppOnly) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let path = app.path("/pre-authorizations");
    let client = &session.client;
    let attempt = async |code: Option<&str>| client.put_with(&path, &json!({}), code).await;
    let answer = with_code(session.console, session.env.terminal.stdin, attempt).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let until: Authorized = session.client.read(&answer)?;
    session.console.note(&format!("{} asks you for no code until {}.", app.name, until.expires_at))
}

/// With the password and a last code.
async fn disable(session: &mut Session<'_>) -> Result<(), CliError> {
    let password = secret::password(session, "Password (not shown): ")?;
    let body = json!({ "password": password, "two_factor_authentication": false });
    let client = &session.client;
    let attempt = async |code: Option<&str>| client.patch_with("/account", &body, code).await;
    let answer = with_code(session.console, session.env.terminal.stdin, attempt).await.map_err(wrong_password)?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.note("Two-factor authentication is disabled: the password alone logs in.")
}

/// A wrong password is no sign of a bad token.
pub(crate) fn wrong_password(error: CliError) -> CliError {
    match error {
        CliError::Refused { status: 401, message, .. } => CliError::Denied {
            message,
            next: "Try again; `flowline whoami` says whether you are still logged in.".into(),
        },
        other => other,
    }
}

/// Does it, and again with a code when the server asks for one (API-14): a person's, else the next line of stdin.
pub(crate) async fn with_code(
    console: &mut Console,
    asks: bool,
    attempt: impl AsyncFn(Option<&str>) -> Result<Value, CliError>,
) -> Result<Value, CliError> {
    let mut code: Option<String> = None;
    let mut tries = 0;
    loop {
        let error = match attempt(code.as_deref()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let wanted = code.is_none() && error.has_id("two_factor");
        let again = asks && error.has_id(WRONG_CODE);
        if !(wanted || again) || tries == CODE_TRIES {
            return Err(error);
        }
        if again {
            console.warn(&error.to_string())?;
        }
        let typed = if asks { console.ask("Two-factor code: ")? } else { console.answer()? };
        if typed.is_empty() {
            let next =
                "Type a code of your authenticator app or a recovery code, or send it on stdin after the password.";
            return Err(CliError::usage("This account has a second factor, and there is no code.", next));
        }
        code = Some(typed);
        tries += 1;
    }
}
