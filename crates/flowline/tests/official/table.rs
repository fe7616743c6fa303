//! docs/compatibility.md: what each command of the official command line does here, by what was run.

use crate::command_line::{Ran, manifest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Set: the file is written instead of compared.
const WRITE: &str = "FLOWLINE_WRITE_COMPATIBILITY";

/// Commands that were run and lack something.
const PARTLY: &[(&str, &str)] = &[
    ("addons", "always empty"),
    ("pipelines:diff", "it compares through GitHub only, and says so: `flowline pipelines:diff` compares what is here"),
    ("auth:2fa:disable", "the command line itself has taken it out: `flowline auth:2fa:disable`"),
    ("ci:open", "opens the platform's own website, which knows nothing of this server"),
    ("orgs:open", "opens the platform's own website, which knows nothing of this server"),
    ("pipelines:open", "opens the platform's own website, which knows nothing of this server"),
];

/// What is not offered, by the beginning of the name; the first that fits says why.
const NOT_OFFERED: &[(&str, &str)] = &[
    ("addons", "needs add-ons"),
    ("ci:debug", "needs debug runs"),
    (
        "mcp:start",
        "the program that it starts, as npm installs it, does not find a module of its own; it reaches no server",
    ),
    ("data:", "needs data services"),
    ("pg:", "needs data services"),
    ("redis:", "needs data services"),
    ("pipelines:connect", "needs a repository integration"),
    ("pipelines:setup", "needs a repository integration: `flowline pipelines:setup`"),
    ("reviewapps", "needs review apps"),
    ("spaces", "needs private spaces"),
    ("usage:addons", "needs add-ons"),
];

enum State {
    Works,
    Partly(String),
    NotOffered(String),
}

/// Compares the file with what was run, or writes it.
pub(crate) fn compare(ran: &Ran) {
    let text = render(&states(&manifest(), &ran.done()));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    #[allow(clippy::disallowed_methods, reason = "a test's own switch")]
    if std::env::var_os(WRITE).is_some() {
        return std::fs::write(path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<_> = text.lines().filter(|line| !kept.lines().any(|kept| kept == *line)).collect();
    assert!(
        kept == text,
        "docs/compatibility.md is not what was run; new lines:\n{}\nTo write it: {WRITE}=1 cargo test --package flowline --test official",
        changed.join("\n")
    );
}

fn states(manifest: &Value, typed: &BTreeSet<String>) -> BTreeMap<String, State> {
    let commands = manifest["commands"].as_object().unwrap();
    let known = |id: &str, command: &Value| {
        let aliases = command["aliases"].as_array().into_iter().chain(command["hiddenAliases"].as_array()).flatten();
        typed.contains(id) || aliases.filter_map(Value::as_str).any(|alias| typed.contains(alias))
    };
    let mut states = BTreeMap::new();
    let mut unexplained = Vec::new();
    for (id, command) in commands {
        let ran = known(id, command);
        let why = |list: &[(&str, &str)], fits: &dyn Fn(&str) -> bool| {
            list.iter().find(|(name, _)| fits(name)).map(|(_, why)| (*why).to_owned())
        };
        let exact = |name: &str| name == id;
        let state = if let Some(why) = why(PARTLY, &exact) {
            State::Partly(why)
        } else if ran {
            State::Works
        } else if let Some(why) = why(NOT_OFFERED, &|name| id == name || id.starts_with(name)) {
            State::NotOffered(why)
        } else {
            unexplained.push(id.clone());
            continue;
        };
        states.insert(id.clone(), state);
    }
    assert!(unexplained.is_empty(), "neither run nor explained: {}", unexplained.join(" "));
    states
}

fn render(states: &BTreeMap<String, State>) -> String {
    let count = |wanted: fn(&State) -> bool| states.values().filter(|state| wanted(state)).count();
    let works = count(|state| matches!(state, State::Works));
    let partly = count(|state| matches!(state, State::Partly(_)));
    let mut text = format!(
        "# The official command line, command by command\n\n\
         Written by the test run itself (`{WRITE}=1 cargo test --package flowline --test official`): heroku 11.10.0 of npm, by\n\
         `flowline heroku -- COMMAND`, against a real server with real apps. *Works* is only what was run and did what it should.\n\n\
         {} commands: {works} work, {partly} partly, {} are not offered.\n\n| command | here | |\n|---|---|---|\n",
        states.len(),
        states.len() - works - partly
    );
    for (id, state) in states {
        let (word, note) = match state {
            State::Works => ("works", ""),
            State::Partly(why) => ("partly", why.as_str()),
            State::NotOffered(why) => ("not offered", why.as_str()),
        };
        writeln!(text, "| `{id}` | {word} | {note} |").unwrap();
    }
    text
}
