//! `docs/api-rules.md` says of every rule whether it holds, and by which tests: all rules are there, and all tests exist.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The rules' numbers.
const API: &[u32] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const CLI: &[u32] =
    &[1, 2, 3, 4, 5, 10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 26, 27, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39];
const TEAM: &[u32] = &[1, 2, 3, 4, 5, 6];
const PERM: &[u32] = &[1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn table() -> String {
    std::fs::read_to_string(root().join("docs/api-rules.md")).unwrap()
}

/// The names of all tests in the sources.
fn tests(folder: &Path, found: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test") || line.starts_with("#[tokio::test") {
                    marked = true;
                } else if let Some((_, name)) = line.split_once("fn ")
                    && marked
                {
                    found.insert(name.split('(').next().unwrap().to_owned());
                    marked = false;
                }
            }
        }
    }
}

/// The cells of a row.
fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn every_rule_has_a_row_that_says_whether_it_holds() {
    let table = table();
    let mut counts = (0, 0);
    for (kind, numbers) in [("API", API), ("CLI", CLI), ("TEAM", TEAM), ("PERM", PERM)] {
        for number in numbers {
            let start = format!("| {kind}-{number} |");
            let rows: Vec<&str> = table.lines().filter(|line| line.starts_with(&start)).collect();
            let [row] = rows.as_slice() else { panic!("{kind}-{number} has {} rows", rows.len()) };
            let here = cells(row)[2];
            match here.split([';', ':', ',', ' ']).next() {
                Some("holds") => counts.0 += 1,
                Some("differs") if here.len() > 20 => counts.1 += 1,
                _ => panic!("{kind}-{number}: write `holds`, or `differs: ` and why: {here}"),
            }
        }
    }
    let said = format!("{} rules: {} hold, {} differ.", counts.0 + counts.1, counts.0, counts.1);
    assert!(table.contains(&said), "write: {said}");
}

#[test]
fn every_test_that_the_table_names_exists() {
    let mut known = HashSet::new();
    tests(&root().join("crates"), &mut known);
    let table = table();
    for row in table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Rule") && !line.starts_with("| What"))
    {
        let last = cells(row).last().copied().unwrap_or_default();
        let named: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test says so: {row}");
        for name in named {
            assert!(known.contains(name), "there is no test {name}: {row}");
        }
    }
}
