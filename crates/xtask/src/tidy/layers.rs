//! What belongs to one tier only: SQL to `store`, wire JSON to the doors, input and output to anything but `model`.

use super::size::is_test_file;
use super::source::Source;
use super::{File, Finding, Rule, Tree};

/// How SQL begins, and what must follow somewhere after it. Keywords are written in capitals.
const SQL: [(&str, &str); 9] = [
    ("SELECT ", ""),
    ("INSERT ", "INTO "),
    ("UPDATE ", " SET "),
    ("DELETE ", "FROM "),
    ("CREATE ", "TABLE "),
    ("ALTER ", "TABLE "),
    ("DROP ", "TABLE "),
    ("WITH ", " AS ("),
    ("PRAGMA ", ""),
];

/// Names by which code reads or changes the world; `model` gets the results as values (addresses are values too).
const WORLD: [&str; 9] = [
    "std::fs",
    "std::process",
    "std::thread",
    "std::env",
    "std::io",
    "std::os",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
];
/// What `model` may use of other people's crates: types and their text forms.
const PURE: [&str; 9] =
    ["chrono", "chrono-tz", "saphyr-parser", "serde", "serde_json", "strsim", "thiserror", "url", "uuid"];

/// Crates that speak JSON to others: the API, its client, and the test kit, which is a client too.
const JSON_DOORS: [&str; 3] = ["crates/api/", "crates/cli/", "crates/testkit/"];
/// Crates that only one of ours may stand on.
const OWNED: [(&str, &str); 2] = [("sqlx", "crates/store/"), ("axum", "crates/api/")];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in &tree.files {
        if file.path.ends_with(".sql") && !file.path.starts_with("crates/store/") {
            findings.push(Finding::new(Rule::Layers, &file.path, 1, "SQL outside store", "move it to crates/store"));
        }
    }
    for (file, source) in tree.rust() {
        sql(file, source, findings);
        json(file, source, findings);
        if file.path.starts_with("crates/model/src/") {
            world(file, source, findings);
        }
    }
    pure_manifest(tree, findings);
}

fn sql(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    if file.path.starts_with("crates/store/") {
        return;
    }
    for literal in source.literals.iter().filter(|literal| is_sql(&literal.text)) {
        let remedy = "move it to the noun's file in crates/store";
        findings.push(Finding::new(Rule::Layers, &file.path, literal.line, "SQL outside store", remedy));
    }
}

fn is_sql(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    SQL.iter().any(|(start, follows)| text.strip_prefix(start).is_some_and(|rest| rest.contains(follows)))
}

/// `json!` builds a shape by hand: shapes that go over a wire are types, and stand where the wire begins.
fn json(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    let door = JSON_DOORS.iter().any(|door| file.path.starts_with(door)) || is_test_file(&file.path);
    if door || !file.path.starts_with("crates/") {
        return;
    }
    let tests_from = test_module(source);
    for (at, word) in source.words() {
        if word == "json" && source.code.get(at + word.len()) == Some(&b'!') && at < tests_from {
            let line = source.line_of(at);
            let remedy = "make it a type with Serialize, in api or in the hand's file for that vendor";
            findings.push(Finding::new(Rule::Layers, &file.path, line, "JSON shape outside the doors", remedy));
        }
    }
}

/// Where the unit tests of a file begin: its end where it has none.
fn test_module(source: &Source) -> usize {
    let needle = b"#[cfg(test)]";
    source.code.windows(needle.len()).position(|window| window == needle).unwrap_or(source.code.len())
}

fn world(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    for path in WORLD {
        let code = &source.code[..test_module(source)];
        let Some(at) = code.windows(path.len()).position(|window| window == path.as_bytes()) else { continue };
        let what = format!("`{path}` in model");
        let remedy = "the nouns have no input or output: take the result as a value";
        findings.push(Finding::new(Rule::Layers, &file.path, source.line_of(at), what, remedy));
    }
}

fn pure_manifest(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in tree.files.iter().filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"))
    {
        for (name, line) in super::imports::dependencies(&file.text) {
            let impure = file.path == "crates/model/Cargo.toml" && !PURE.contains(&name.as_str());
            let owner = OWNED.iter().find(|(owned, owner)| *owned == name && !file.path.starts_with(owner));
            let (what, remedy) = match (impure, owner) {
                (true, _) => (format!("model uses `{name}`"), "model stands on types only".to_owned()),
                (false, Some((_, owner))) => (format!("`{name}` outside {owner}"), format!("ask {owner} for it")),
                (false, None) => continue,
            };
            findings.push(Finding::new(Rule::Layers, &file.path, line, what, remedy).about(&name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_sql_from_english() {
        assert!(is_sql("SELECT 1") && is_sql("\n  UPDATE app SET x = 1") && is_sql("INSERT OR IGNORE INTO a"));
        assert!(!is_sql("UPDATE your client") && !is_sql("Select an app") && !is_sql("DELETE /apps/{app}"));
    }
}
