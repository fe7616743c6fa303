//! `config`, `config:get`, `config:set`, `config:unset`.

use crate::args::OnApp;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::release;
use crate::session::{Chosen, Session};
use serde_json::{Map, Value};

/// What `config` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Print NAME=value lines that a shell can read
    #[arg(short, long)]
    shell: bool,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `config:get` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Get {
    /// Their names
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
    /// Print NAME=value lines that a shell can read
    #[arg(short, long)]
    shell: bool,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `config:set` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Set {
    /// Names and values
    #[arg(value_name = "KEY=VALUE", required = true)]
    pairs: Vec<String>,
    /// Never show the values again: only the app reads them
    #[arg(long)]
    write_only: bool,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `config:unset` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Unset {
    /// Their names
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// All of them.
pub(crate) async fn list(session: &mut Session<'_>, args: &Config) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let answer = session.client.get(&app.path("/config-vars")).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let vars: Map<String, Value> = session.client.exact(&answer)?;
    if args.shell {
        return vars.iter().try_for_each(|(name, value)| session.console.line(&shell_line(name, &text(value))));
    }
    if vars.is_empty() {
        let line = format!("{} has no config vars.", session.console.app(&app.name));
        return session.console.line(&line);
    }
    let head = format!("{} Config Vars", session.console.app(&app.name));
    session.console.head(&head)?;
    show(session, &vars)
}

/// Some of them; one that is not set prints an empty line and makes the exit code 4.
pub(crate) async fn get(session: &mut Session<'_>, args: &Get) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let answer = session.client.get(&app.path("/config-vars")).await?;
    let vars: Map<String, Value> = session.client.exact(&answer)?;
    if session.console.is_json() {
        let asked = args.keys.iter().filter_map(|key| Some((key.clone(), vars.get(key)?.clone())));
        let asked = Value::Object(asked.collect());
        session.console.json(&asked)?;
    } else {
        for key in &args.keys {
            let value = vars.get(key).map(text).unwrap_or_default();
            let line = if args.shell && vars.contains_key(key) { shell_line(key, &value) } else { value };
            session.console.line(&line)?;
        }
    }
    let missing: Vec<&str> = args.keys.iter().filter(|key| !vars.contains_key(*key)).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("{} is not set on {}.", missing.join(", "), app.name);
    Err(CliError::missing(message, format!("`flowline config -a {}` lists what is.", app.name)))
}

/// Sets some: one release, whatever their number (CONF-2).
pub(crate) async fn set(session: &mut Session<'_>, args: &Set) -> Result<(), CliError> {
    let patch = args.pairs.iter().map(|pair| parse_pair(pair)).collect::<Result<Map<String, Value>, _>>()?;
    let app = session.app(&args.on)?;
    if args.write_only {
        // First, so that nobody sees the value in between.
        hide_names(session, &app, &patch.keys().cloned().collect::<Vec<_>>()).await?;
    }
    let after = change(session, &app, "Setting", &patch).await?;
    if session.console.is_json() {
        return session.console.json(&after);
    }
    let after: Map<String, Value> = session.client.exact(&after)?;
    show(session, &after.into_iter().filter(|(name, _)| patch.contains_key(name)).collect())
}

/// Hides some for good.
pub(crate) async fn hide(session: &mut Session<'_>, args: &Unset) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let what = format!("Hiding {} of {} for good", args.keys.join(", "), session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let after = hide_names(session, &app, &args.keys).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&after) } else { Ok(()) }
}

async fn hide_names(session: &mut Session<'_>, app: &Chosen, names: &[String]) -> Result<Value, CliError> {
    session.client.patch(&app.path("/config-vars/write-only"), &serde_json::json!({ "names": names })).await
}

/// Removes some.
pub(crate) async fn unset(session: &mut Session<'_>, args: &Unset) -> Result<(), CliError> {
    let patch = args.keys.iter().map(|key| (key.clone(), Value::Null)).collect();
    let app = session.app(&args.on)?;
    let after = change(session, &app, "Unsetting", &patch).await?;
    if session.console.is_json() { session.console.json(&after) } else { Ok(()) }
}

/// One PATCH, then the number of the newest release (CONF-8).
async fn change(
    session: &mut Session<'_>,
    app: &Chosen,
    verb: &str,
    patch: &Map<String, Value>,
) -> Result<Value, CliError> {
    let names = patch.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let what = format!("{verb} {names} and restarting {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let after = session.client.patch(&app.path("/config-vars"), &Value::Object(patch.clone())).await?;
    let newest = release::newest(session, app).await?;
    session.console.end(&newest.as_ref().map_or("done".to_owned(), |release| format!("done, v{}", release.version)))?;
    if let Some(release) = newest.filter(|release| release.status == "pending") {
        release::announce_pending(session, app, &release)?;
    }
    Ok(after)
}

pub(crate) fn show(session: &mut Session<'_>, vars: &Map<String, Value>) -> Result<(), CliError> {
    let row =
        |(name, value): (&String, &Value)| vec![Cell(format!("{name}:"), Some(Paint::Name)), Cell(text(value), None)];
    let rows: Vec<Vec<Cell>> = vars.iter().map(row).collect();
    session.console.table(&rows)
}

/// `A=b=c` sets `A` to `b=c`; `A=` sets it to nothing (CONF-8).
pub(crate) fn parse_pair(pair: &str) -> Result<(String, Value), CliError> {
    match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Value::from(value))),
        Some(_) | None => Err(CliError::usage(
            format!("{pair} is invalid. Must be in the format FOO=bar."),
            "For example: `flowline config:set GREETING=hello`.",
        )),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `NAME=value`, quoted where a shell would read it otherwise.
fn shell_line(name: &str, value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        format!("{name}={value}")
    } else {
        format!("{name}='{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conf_8_pairs() {
        assert_eq!(parse_pair("A=b=c").unwrap(), ("A".into(), "b=c".into()));
        assert_eq!(parse_pair("A=").unwrap(), ("A".into(), "".into()));
        assert_eq!(parse_pair("X").unwrap_err().to_string(), "X is invalid. Must be in the format FOO=bar.");
        assert!(parse_pair("=x").is_err());
    }

    #[test]
    fn lines_for_a_shell() {
        assert_eq!(shell_line("A", "postgres://h:5432/d"), "A=postgres://h:5432/d");
        assert_eq!(shell_line("A", "it's $5"), r"A='it'\''s $5'");
        assert_eq!(shell_line("A", ""), "A=''");
    }
}
