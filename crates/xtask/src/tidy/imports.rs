//! Which crate of ours may use which: each manifest against the table in `ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::toml::tables;
use super::{File, Finding, Rule, Tree};

/// Where the table stands.
const MAP: &str = "ARCHITECTURE.md";
/// The header of its last column.
const COLUMN: &str = "may import of ours";

/// Crates that each do one outside thing; they never use each other, whatever the table says.
const HANDS: [&str; 10] = ["store", "git", "builder", "runtime", "router", "logs", "forge", "chat", "mail", "addons"];
/// Crates that are never part of the product.
const DEVELOPMENT_ONLY: [&str; 2] = ["testkit", "xtask"];

/// A row of the table.
#[derive(Debug)]
struct Row {
    line: usize,
    allowed: BTreeSet<String>,
}

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let Some(map) = tree.file(MAP) else {
        findings.push(Finding::new(Rule::Imports, MAP, 1, "the import table is missing", "write the map of the house"));
        return;
    };
    let manifests: BTreeMap<&str, &File> =
        tree.files.iter().filter_map(|file| Some((crate_of_manifest(&file.path)?, file))).collect();
    let table = read_table(&map.text, &manifests);
    if table.is_empty() {
        findings.push(Finding::new(
            Rule::Imports,
            MAP,
            1,
            format!("no table with a column `{COLUMN}`"),
            "keep one row per crate",
        ));
        return;
    }
    for (name, row) in table.iter().filter(|(name, _)| !manifests.contains_key(name.as_str())) {
        let what = format!("`{name}` is in the import table but not in crates/");
        findings.push(Finding::new(Rule::Imports, MAP, row.line, what, "the map shows what stands: remove the row"));
    }
    for (name, row) in &table {
        findings.extend(sideways(name, row).map(|hand| {
            let what = format!("the hand `{name}` may use the hand `{hand}`");
            Finding::new(Rule::Imports, MAP, row.line, what, "hands stay apart: join them in control")
        }));
    }
    for (name, manifest) in &manifests {
        match table.get(*name) {
            Some(row) => check_manifest(name, manifest, row, &manifests, findings),
            None => {
                let what = format!("`{name}` is not in the import table");
                findings.push(Finding::new(Rule::Imports, &manifest.path, 1, what, format!("give it a row in {MAP}")));
            }
        }
    }
}

/// `api` of `crates/api/Cargo.toml`.
fn crate_of_manifest(path: &str) -> Option<&str> {
    let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
    (!name.contains('/')).then_some(name)
}

/// The rows of the table: crate name in the first cell, what it may use in the last.
/// The words `hands` and `all` stand for the hands and for every crate of the product.
fn read_table(text: &str, manifests: &BTreeMap<&str, &File>) -> BTreeMap<String, Row> {
    let mut table = BTreeMap::new();
    let lines = text.lines().enumerate().skip_while(|(_, line)| !(line.starts_with('|') && line.contains(COLUMN)));
    for (at, line) in lines.skip(2).take_while(|(_, line)| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let (Some(first), Some(last)) = (cells.first(), cells.last()) else { continue };
        let product = manifests.keys().filter(|name| !DEVELOPMENT_ONLY.contains(name));
        let mut allowed: BTreeSet<String> = quoted(last).map(str::to_owned).collect();
        for word in last.split(|c: char| !c.is_ascii_alphanumeric()) {
            match word {
                "hands" => allowed.extend(HANDS.map(str::to_owned)),
                "all" => allowed.extend(product.clone().map(|name| (*name).to_owned())),
                _ => {}
            }
        }
        for name in quoted(first) {
            table.insert(name.to_owned(), Row { line: at + 1, allowed: allowed.clone() });
        }
    }
    table
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The hands that a hand's row allows.
fn sideways<'a>(name: &str, row: &'a Row) -> impl Iterator<Item = &'a String> {
    let is_hand = HANDS.contains(&name);
    row.allowed.iter().filter(move |allowed| is_hand && HANDS.contains(&allowed.as_str()))
}

/// Dev-dependencies are free: tests may stand on what they like.
fn check_manifest(
    name: &str,
    manifest: &File,
    row: &Row,
    manifests: &BTreeMap<&str, &File>,
    findings: &mut Vec<Finding>,
) {
    for (used, line) in dependencies(&manifest.text) {
        if !manifests.contains_key(used.as_str()) || row.allowed.contains(&used) {
            continue;
        }
        let what = format!("`{name}` uses `{used}`, which its row in the import table does not allow");
        let remedy = if HANDS.contains(&name) && HANDS.contains(&used.as_str()) {
            "hands stay apart: join them in control".to_owned()
        } else {
            format!("move the code, or change the table in {MAP} with a decision")
        };
        findings.push(Finding::new(Rule::Imports, &manifest.path, line, what, remedy));
    }
}

/// The names in every `[dependencies]` and `[build-dependencies]`, also those of one target, with their lines.
pub(super) fn dependencies(manifest: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for table in tables(manifest) {
        let (section, own) = match table.name.rsplit_once("dependencies.") {
            Some((before, own)) => (format!("{before}dependencies"), Some(own)),
            None => (table.name.to_owned(), None),
        };
        let section = section.rsplit('.').next().unwrap_or_default().to_owned();
        if section != "dependencies" && section != "build-dependencies" {
            continue;
        }
        match own {
            Some(own) => found.push((own.to_owned(), table.line)),
            None => {
                found.extend(table.entries.iter().map(|(key, _, line)| {
                    (key.split('.').next().unwrap_or_default().trim_matches('"').to_owned(), *line)
                }))
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_dependencies_in_every_spelling_but_not_those_of_tests() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = { path = \"../b\" }\n[dev-dependencies]\nc.workspace = true\n\
            [target.'cfg(unix)'.dependencies]\nd = \"1\"\n[dependencies.e]\nversion = \"1\"\n[build-dependencies]\nf = \"1\"\n[dev-dependencies.g]\nversion = \"1\"\n";
        let names: Vec<_> = dependencies(manifest);
        let expected = [("a", 4), ("b", 5), ("d", 9), ("e", 10), ("f", 13)];
        assert_eq!(names, expected.map(|(name, line)| (name.to_owned(), line)));
    }
}
