//! `ps:scale`, `ps:type`.

use crate::args::OnApp;
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// What `ps:scale` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Scale {
    /// For example web=2, worker+1, web=2:Standard-2X; none prints the present formation
    #[arg(value_name = "TYPE=QUANTITY[:SIZE]")]
    changes: Vec<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `ps:type` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Resize {
    /// One size for all, or for example web=Standard-2X; none prints the present sizes
    #[arg(value_name = "SIZE|TYPE=SIZE")]
    changes: Vec<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What is read of a formation entry.
#[derive(Deserialize)]
struct Formation {
    #[serde(rename = "type")]
    process_type: String,
    quantity: u32,
    size: String,
}

/// One change as it was typed (DYNO-10).
#[derive(Debug, PartialEq, Eq)]
struct Change {
    process_type: String,
    /// `2`, `+1`, `-1`: the API takes the text.
    quantity: String,
    size: Option<String>,
}

/// Changes the formation, or prints it.
pub(crate) async fn scale(session: &mut Session<'_>, args: &Scale) -> Result<(), CliError> {
    let changes = args.changes.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
    let app = session.app(&args.on)?;
    if changes.is_empty() {
        return show(session, &app.name, &app.path("/formation")).await;
    }
    session.console.begin("Scaling dynos")?;
    let updates: Vec<Value> = changes.iter().map(Change::body).collect();
    let answer = session.client.patch(&app.path("/formation"), &json!({ "updates": updates })).await?;
    let after: Vec<Formation> = session.client.read(&answer)?;
    let changed = after.iter().filter(|entry| changes.iter().any(|change| change.process_type == entry.process_type));
    let now = changed.map(|entry| format!("{} at {}:{}", entry.process_type, entry.quantity, entry.size));
    let now = now.collect::<Vec<_>>().join(", ");
    session.console.end(&format!("done, now running {now}"))?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

/// Changes the sizes of dynos, which are replaced by such of the new size (DYNO-13), or prints them.
pub(crate) async fn resize(session: &mut Session<'_>, args: &Resize) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let path = app.path("/formation");
    let updates: Vec<Value> = match args.changes.as_slice() {
        [] => return show(session, &app.name, &path).await,
        [size] if !size.contains('=') => {
            let all: Vec<Formation> = session.client.read(&Value::Array(session.client.all(&path).await?))?;
            all.into_iter().map(|entry| json!({ "type": entry.process_type, "size": size })).collect()
        }
        changes => changes.iter().map(|text| size_change(text)).collect::<Result<_, _>>()?,
    };
    session.console.begin("Resizing dynos")?;
    let answer = session.client.patch(&path, &json!({ "updates": updates })).await?;
    let after: Vec<Formation> = session.client.read(&answer)?;
    let now = after.iter().filter(|entry| updates.iter().any(|update| update["type"] == entry.process_type.as_str()));
    let now: Vec<String> =
        now.map(|entry| format!("{}={}:{}", entry.process_type, entry.quantity, entry.size)).collect();
    session.console.end(&format!("done, now {}", now.join(" ")))?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

/// Reads `web=Standard-2X`.
fn size_change(text: &str) -> Result<Value, CliError> {
    let parts = text.split_once('=').filter(|(name, size)| !name.is_empty() && !size.is_empty());
    let (name, size) = parts.ok_or_else(|| {
        let message = format!("`{text}` is not a change of a size.");
        CliError::usage(message, "Write one SIZE for all, or TYPE=SIZE, for example web=Standard-2X.")
    })?;
    Ok(json!({ "type": name, "size": size }))
}

async fn show(session: &mut Session<'_>, app: &str, path: &str) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all(path).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let mut entries: Vec<Formation> = session.client.read(&answer)?;
    entries.sort_by(|a, b| a.process_type.cmp(&b.process_type));
    if entries.is_empty() {
        return Err(CliError::missing(
            format!("No process types on {app}."),
            "Push code with a Procfile to add process types.",
        ));
    }
    let entries = entries.iter().map(|entry| format!("{}={}:{}", entry.process_type, entry.quantity, entry.size));
    let line = entries.collect::<Vec<_>>().join(" ");
    session.console.line(&line)
}

impl Change {
    fn body(&self) -> Value {
        let mut body = json!({ "type": self.process_type, "quantity": self.quantity });
        if let Some(size) = &self.size {
            body["size"] = Value::from(size.as_str());
        }
        body
    }
}

/// Reads `web=2`, `worker+1`, `web-1`, `web=2:Standard-1X`. The type itself may have dashes: the last sign counts.
fn parse(text: &str) -> Result<Change, CliError> {
    let bad = || {
        let message = format!("`{text}` is not a change of the formation.");
        CliError::usage(message, "Write TYPE=QUANTITY[:SIZE], for example web=2, worker+1 or web=2:Standard-2X.")
    };
    let (count, size) = match text.split_once(':') {
        Some((_, "")) => return Err(bad()),
        Some((count, size)) => (count, Some(size.to_owned())),
        None => (text, None),
    };
    let name = count.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &count[name.len()..];
    let sign = name.chars().last().filter(|sign| "=+-".contains(*sign)).ok_or_else(bad)?;
    let name = &name[..name.len() - 1];
    if digits.is_empty() || digits.parse::<u32>().is_err() || name.is_empty() || name.contains(['=', '+', '/']) {
        return Err(bad());
    }
    let sign = if sign == '=' {
        ""
    } else if sign == '+' {
        "+"
    } else {
        "-"
    };
    Ok(Change { process_type: name.to_owned(), quantity: format!("{sign}{digits}"), size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dyno_10_changes() {
        for (text, process_type, quantity, size) in [
            ("web=2:Standard-1X", "web", "2", Some("Standard-1X")),
            ("worker+1", "worker", "+1", None),
            ("worker-1", "worker", "-1", None),
            ("my-worker-2", "my-worker", "-2", None),
            ("web2=0", "web2", "0", None),
        ] {
            let size = size.map(str::to_owned);
            let change = Change { process_type: process_type.into(), quantity: quantity.into(), size };
            assert_eq!(parse(text).unwrap(), change, "{text}");
        }
        for bad in ["", "web", "web=", "=2", "web=x", "web2", "web=2:", "web==2", "web=99999999999", "web=1.5"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
