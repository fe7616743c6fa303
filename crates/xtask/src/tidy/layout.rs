//! Which files there must be and which there must not be.

use super::{File, Finding, Rule, Tree};

/// People read `make help` in one look.
const MAKE_TARGETS: usize = 10;

const NEEDED: [&str; 8] =
    ["ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "clippy.toml", "deny.toml", "rustfmt.toml"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for path in NEEDED.iter().filter(|path| tree.file(path).is_none()) {
        findings.push(Finding::new(Rule::Layout, path, 1, "missing", "write it"));
    }
    for file in &tree.files {
        if file.path.ends_with("rust-toolchain.toml") || file.path.ends_with("rust-toolchain") {
            let remedy = "say the version in `rust-version`: a toolchain file makes rustup download";
            findings.push(Finding::new(Rule::Layout, &file.path, 1, "a toolchain file", remedy));
        }
        if let Some(name) = file.path.strip_prefix("docs/decisions/") {
            decision(file, name, findings);
        }
    }
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md") && file.path != "CHANGELOG.md") {
        named_paths(tree, file, findings);
    }
    if let Some(makefile) = tree.file("Makefile") {
        let targets = targets(&makefile.text);
        if targets.len() > MAKE_TARGETS {
            let what = format!("{} targets, the ceiling is {MAKE_TARGETS}", targets.len());
            findings.push(Finding::new(Rule::Layout, "Makefile", 1, what, "let one do the work of two"));
        }
    }
}

/// Every path of the tree that a document names is there: a map shows what stands.
fn named_paths(tree: &Tree, file: &File, findings: &mut Vec<Finding>) {
    for (at, line) in file.text.lines().enumerate() {
        let quoted = line.split('`').skip(1).step_by(2);
        for path in quoted.filter(|path| path.starts_with("crates/") && !path.contains(['*', ' ', '{', '<'])) {
            let inside = format!("{}/", path.trim_end_matches('/'));
            if !tree.files.iter().any(|file| file.path == path || file.path.starts_with(&inside)) {
                let remedy = "name what is there";
                findings.push(Finding::new(
                    Rule::Layout,
                    &file.path,
                    at + 1,
                    format!("`{path}` does not exist"),
                    remedy,
                ));
            }
        }
    }
}

/// `0001-short-name.md`, with a title that repeats the number's decision in words.
fn decision(file: &File, name: &str, findings: &mut Vec<Finding>) {
    let (number, rest) = name.split_at_checked(4).unwrap_or_default();
    let words = rest.strip_prefix('-').and_then(|rest| rest.strip_suffix(".md")).unwrap_or_default();
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if number.is_empty()
        || !number.chars().all(|c| c.is_ascii_digit())
        || words.is_empty()
        || !words.chars().all(is_word)
    {
        let remedy = "call it NNNN-what-was-decided.md";
        findings.push(Finding::new(Rule::Layout, &file.path, 1, "not the name of a decision", remedy));
    }
}

/// The targets that a person can type: not variables, not patterns, not `.PHONY`.
fn targets(makefile: &str) -> Vec<&str> {
    let rules = makefile.lines().filter_map(|line| {
        let (names, rest) = line.split_once(':')?;
        let is_target = |c: char| c.is_ascii_alphanumeric() || "-_ ".contains(c);
        let plain = names.starts_with(|c: char| c.is_ascii_alphanumeric()) && names.chars().all(is_target);
        (plain && !rest.starts_with('=')).then_some(names)
    });
    rules.flat_map(str::split_whitespace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_targets_only() {
        let makefile = ".PHONY: run test\nX := 1\nY ?= a:b\nrun test: build ## help\n\techo a:b\n%.o: %.c\nhelp:\n";
        assert_eq!(targets(makefile), ["run", "test", "help"]);
    }

    #[test]
    fn documents_name_what_is_there() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let text = "`crates/` and `crates/*` and `crates/api`\n`crates/api/src/lib.rs` `crates/api/src/gone.rs`\n";
        let tree = Tree::of(vec![file("crates/api/src/lib.rs", ""), file("docs/map.md", text)]);
        let mut findings = Vec::new();
        named_paths(&tree, &tree.files[1], &mut findings);
        let found: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["docs/map.md:2: `crates/api/src/gone.rs` does not exist: name what is there"]);
    }

    #[test]
    fn decisions_have_numbers() {
        let mut findings = Vec::new();
        for name in ["0001-keep-it.md", "1-short.md", "0002_under.md", "0003-.md", "notes.txt", "é.md"] {
            decision(&File { path: format!("docs/decisions/{name}"), text: String::new() }, name, &mut findings);
        }
        assert_eq!(findings.len(), 5);
    }
}
