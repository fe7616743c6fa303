//! The rules over small trees: what is found, where, and what an exception covers.

use super::*;

const MAP: &str = "# Map\n\n| crate | what | may import of ours |\n|---|---|---|\n| `model` | nouns | none |\n\
    | `store` | SQL | `model` |\n| `git` | git | `model` |\n| `control` | verbs | `model`, hands |\n| `testkit` | tests | all |\n";

fn manifest(name: &str, dependencies: &[&str]) -> (String, String) {
    let lines: String = dependencies.iter().map(|name| format!("{name}.workspace = true\n")).collect();
    (format!("crates/{name}/Cargo.toml"), format!("[package]\nname = \"{name}\"\n\n[dependencies]\n{lines}"))
}

fn tree(files: Vec<(String, String)>) -> Tree {
    let sound = [
        manifest("model", &["serde"]),
        manifest("store", &["model", "sqlx"]),
        manifest("git", &["model"]),
        manifest("control", &["model", "git", "store"]),
        manifest("testkit", &["control"]),
        ("ARCHITECTURE.md".to_owned(), MAP.to_owned()),
        ("Cargo.lock".to_owned(), "version = 4\n".to_owned()),
        ("Makefile".to_owned(), "run:\n".to_owned()),
    ];
    let plain = ["CHANGELOG.md", "LICENSE", "README.md", "clippy.toml", "deny.toml", "rustfmt.toml"];
    let plain = plain.map(|path| (path.to_owned(), String::new()));
    let mut all: Vec<_> = sound.into_iter().chain(plain).collect();
    for file in files {
        all.retain(|(path, _)| *path != file.0);
        all.push(file);
    }
    Tree::of(all.into_iter().map(|(path, text)| File { path, text }).collect())
}

fn findings(files: Vec<(String, String)>) -> Vec<String> {
    check(&tree(files), &[]).iter().map(ToString::to_string).collect()
}

fn rust(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), format!("//! What it is.\n{text}"))
}

#[test]
fn a_sound_tree_has_no_findings() {
    assert_eq!(findings(vec![]), Vec::<String>::new());
}

#[test]
fn hands_do_not_use_each_other() {
    let found = findings(vec![manifest("git", &["model", "store"])]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("crates/git/Cargo.toml:6: `git` uses `store`"), "{found:?}");
    assert!(found[0].ends_with("hands stay apart: join them in control"), "{found:?}");
    let map = MAP.replace("| `git` | git | `model` |", "| `git` | git | `model`, `store` |");
    let found = findings(vec![("ARCHITECTURE.md".to_owned(), map)]);
    assert_eq!(
        found,
        ["ARCHITECTURE.md:7: the hand `git` may use the hand `store`: hands stay apart: join them in control"]
    );
}

#[test]
fn a_crate_and_its_row_come_together() {
    let found = findings(vec![manifest("chat", &["model"])]);
    assert_eq!(
        found,
        ["crates/chat/Cargo.toml:1: `chat` is not in the import table: give it a row in ARCHITECTURE.md"]
    );
    let found = findings(vec![("ARCHITECTURE.md".to_owned(), format!("{MAP}| `mail` | e-mail | `model` |\n"))]);
    assert_eq!(found.len(), 1, "{found:?}");
    let found = findings(vec![("ARCHITECTURE.md".to_owned(), "# Map\n".to_owned())]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn arrows_point_down_only() {
    let found = findings(vec![manifest("store", &["model", "control"]), manifest("control", &["model", "testkit"])]);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn sql_json_and_the_world_stay_in_their_tier() {
    let sql = rust("crates/git/src/a.rs", "const SQL: &str = \"DELETE FROM app\";\n// \"SELECT 1\"\n");
    assert_eq!(
        findings(vec![sql]),
        ["crates/git/src/a.rs:2: SQL outside store: move it to the noun's file in crates/store"]
    );
    let store = rust("crates/store/src/a.rs", "const SQL: &str = \"DELETE FROM app\";\n");
    let test = rust("crates/git/src/b.rs", "#[cfg(test)]\nmod tests { fn a() { json!({}) } }\n");
    assert_eq!(findings(vec![store, test]), Vec::<String>::new());
    assert_eq!(findings(vec![rust("crates/git/src/b.rs", "fn a() { json!({}) }\n")]).len(), 1);
    assert_eq!(findings(vec![rust("crates/model/src/a.rs", "use std::fs::File;\n")]).len(), 1);
    assert_eq!(findings(vec![manifest("model", &["tokio"]), manifest("git", &["sqlx"])]).len(), 2);
}

#[test]
fn ring_is_built_by_nobody() {
    let package = |name: &str, uses: &str| {
        format!("\n[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\ndependencies = [\n \"{uses}\",\n]\n")
    };
    let lock = |text: String| vec![("Cargo.lock".to_owned(), text)];
    assert!(findings(lock(package("rustls-webpki", "ring"))).is_empty());
    assert_eq!(findings(lock(package("rustls", "ring 0.17.0"))).len(), 1);
    assert_eq!(findings(lock(package("reqwest", "http"))).len(), 1);
    let twice = package("hyper", "http") + &package("hyper", "http");
    let found = findings(lock(twice));
    assert!(found.len() == 1 && found[0].contains("two versions of `hyper`"), "{found:?}");
}

#[test]
fn sizes_have_a_ceiling_in_every_kind_of_file() {
    let lines = |count: usize| "\n".repeat(count - 1);
    assert!(findings(vec![rust("crates/git/src/a.rs", &lines(400))]).is_empty());
    assert_eq!(findings(vec![rust("crates/git/src/a.rs", &lines(401))]).len(), 1);
    assert!(findings(vec![rust("crates/git/tests/a.rs", &lines(600))]).is_empty());
    assert_eq!(
        findings(vec![("buildpacks/node/bin/compile".to_owned(), format!("#!/bin/bash\n{}", lines(401)))]).len(),
        1
    );
}

#[test]
fn an_exception_covers_one_function_and_must_be_needed() {
    let long = |name: &str| format!("fn {name}() {{\n{}}}\n", "\n".repeat(70));
    let tree = tree(vec![rust("crates/git/src/a.rs", &(long("first") + &long("second")))]);
    let exception =
        |subject| Exception { rule: Rule::FunctionSize, path: "crates/git/src/a.rs", subject, reason: "a table" };
    assert_eq!(check(&tree, &[]).len(), 2);
    assert_eq!(check(&tree, &[exception("first")]).len(), 1);
    assert!(check(&tree, &[exception("")]).is_empty());
    let found = check(&tree, &[exception(""), exception("third")]);
    assert!(found.len() == 1 && found[0].to_string().contains("covers nothing"), "{found:?}");
}

#[test]
fn toolchain_files_are_refused() {
    assert_eq!(findings(vec![("rust-toolchain.toml".to_owned(), String::new())]).len(), 1);
}
