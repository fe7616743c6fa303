//! Words: names that say nothing, notes of unfinished work, paths of somebody's machine, files that do not say what they are.

use super::source::Source;
use super::{File, Finding, Rule, Tree};

/// A name with one of these words says where something was put, not what it is.
const EMPTY_WORDS: [&str; 7] = ["util", "utils", "helper", "helpers", "manager", "data", "info"];

/// Spelled in two parts so that this file has none of them.
const UNFINISHED: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Where people and build machines keep their own files.
const HOMES: [&str; 5] = ["/home/", "/root/", "/work/", "/Users/", "C:\\Users\\"];

/// Made by programs from many sources: their hashes and addresses are nobody's words.
const GENERATED: [&str; 3] = ["Cargo.lock", "package-lock.json", "platform-api-schema.json"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (file, source) in tree.rust() {
        opening(file, findings);
        file_name(file, findings);
        type_names(file, source, findings);
    }
    for file in tree.files.iter().filter(|file| !GENERATED.iter().any(|name| file.path.ends_with(name))) {
        for (at, line) in file.text.lines().enumerate() {
            unfinished(file, at + 1, line, findings);
            home_path(file, at + 1, line, findings);
        }
    }
}

fn opening(file: &File, findings: &mut Vec<Finding>) {
    if !file.text.starts_with("//! ") {
        let remedy = "begin with a `//!` line that says what it is";
        findings.push(Finding::new(Rule::Opening, &file.path, 1, "the file does not say what it is", remedy));
    }
}

fn file_name(file: &File, findings: &mut Vec<Finding>) {
    let Some(inside) = file.path.strip_prefix("crates/") else { return };
    let names = inside.trim_end_matches(".rs").split('/');
    for word in names.flat_map(|name| name.split('_')).filter(|word| EMPTY_WORDS.contains(word)) {
        let what = format!("`{word}` in the name of a module");
        findings.push(Finding::new(Rule::Names, &file.path, 1, what, "name it by its noun").about(word));
    }
}

fn type_names(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    let mut after_keyword = false;
    for (at, word) in source.words() {
        if after_keyword && let Some(empty) = words_of(word).find(|part| EMPTY_WORDS.contains(&part.as_str())) {
            let what = format!("`{empty}` in the name `{word}`");
            let finding = Finding::new(Rule::Names, &file.path, source.line_of(at), what, "name it by what it is");
            findings.push(finding.about(word));
        }
        // A `type` inside an `impl` has the name that the trait gave it.
        let line_start = source.code[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let outermost = source.code.get(line_start) != Some(&b' ');
        after_keyword = matches!(word, "struct" | "enum" | "trait" | "union" | "mod") || (word == "type" && outermost);
    }
}

/// `app`, `info` of `AppInfo` and of `app_info`.
fn words_of(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter != '_') {
            word.extend(letter.to_lowercase());
        }
    }
    words.into_iter()
}

fn unfinished(file: &File, line: usize, text: &str, findings: &mut Vec<Finding>) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for word in text.split(|c| !is_word(c)).filter(|word| UNFINISHED.contains(word)) {
        let remedy = "finish it, or open an issue and say there what is missing";
        findings.push(Finding::new(Rule::Unfinished, &file.path, line, format!("`{word}`"), remedy));
    }
}

fn home_path(file: &File, line: usize, text: &str, findings: &mut Vec<Finding>) {
    for (at, home) in HOMES.iter().filter_map(|home| Some((text.find(home)?, home))) {
        let before = text[..at].chars().next_back();
        let after = text[at + home.len()..].chars().next();
        // `$DIR/work/x` and `example.com/home/x` are no paths from the root; `/home/` alone names no person.
        let rooted = before.is_none_or(|c| !c.is_alphanumeric() && !".-_~})>]/".contains(c));
        if rooted && after.is_some_and(|c| c.is_alphanumeric() || c == '.' || c == '_') {
            let what = format!("`{home}...` is a path of somebody's machine");
            findings.push(Finding::new(Rule::HomePath, &file.path, line, what, "use a relative path or a setting"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(vec![File { path: path.to_owned(), text: text.to_owned() }]);
        let mut findings = Vec::new();
        check(&tree, &mut findings);
        findings.into_iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }

    #[test]
    fn names_that_say_nothing() {
        let path = |name: &str| format!("crates/api/src/{name}.rs");
        assert_eq!(found(&path("app_info"), "//! x\n"), ["1: `info` in the name of a module"]);
        assert_eq!(
            found(&path("a"), "//! x\nstruct DynoManager; enum E {}\n"),
            ["2: `manager` in the name `DynoManager`"]
        );
        assert_eq!(found(&path("a"), "//! x\nmod git_utils;"), ["2: `utils` in the name `git_utils`"]);
        assert!(
            found(&path("database"), "//! x\n// struct Info\nstruct Information;\nimpl B for A {\n    type Data = u8; }\nfn data() { info!(\"struct Data\") }")
                .is_empty()
        );
    }

    #[test]
    fn unfinished_work_in_any_file() {
        assert_eq!(
            found("a.md", &format!("ok\n<!-- {} later -->", UNFINISHED[0])),
            [format!("2: `{}`", UNFINISHED[0])]
        );
        assert!(found("a.sh", &format!("mktemp {0}{0}", UNFINISHED[2])).is_empty());
    }

    #[test]
    fn homes_of_people_but_not_paths_inside_a_folder() {
        assert_eq!(found("a.md", &format!("see {}ann/x", HOMES[0])).len(), 1);
        assert_eq!(found("a.md", &format!("\"{}x\"", HOMES[2])).len(), 1);
        assert!(found("a.md", "`/home/` and $DIR/work/x and https://example.com/home/x and /app/root/x").is_empty());
    }

    #[test]
    fn every_rust_file_says_what_it_is() {
        assert_eq!(found("crates/api/src/a.rs", "use x;\n"), ["1: the file does not say what it is"]);
    }
}
