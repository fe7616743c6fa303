//! Completions, and output that nobody reads.

use crate::support::{Place, Program};
use clap::{CommandFactory, Parser};
use cli::Console;
use std::io::{self, Write};
use std::process::Command;

/// What bash offers for a line of these words, split at `:` as bash does.
async fn completed(words: &[&str]) -> Vec<String> {
    let place = Place::new();
    let script = place.run(&["completions", "bash"]).await;
    assert_eq!(script.code, 0, "{script:?}");
    let list = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let asked = format!(
        "{}\nCOMP_WORDS=({list}); COMP_CWORD={}\n_flowline_colons flowline '{}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.out,
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let file = place.cwd().join("asked");
    std::fs::write(&file, asked).unwrap();
    let output = Command::new("bash").arg("--norc").arg(&file).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_names_with_colons() {
    let releases = ["", ":info", ":create", ":output", ":rollback", ":retry", ":abort", ":phase"]
        .map(|verb| format!("releases{verb}"));
    assert_eq!(completed(&["flowline", "rel"]).await, releases);
    assert_eq!(completed(&["flowline", "releases", ":", "o"]).await, ["output"]);
    assert_eq!(completed(&["flowline", "maintenance", ":"]).await, ["on", "off"]);
    assert_eq!(completed(&["flowline", "config", ":", "set", "--a"]).await, ["--app"]);
    assert_eq!(completed(&["flowline", "apps", ":", "transfer", ":"]).await, ["accept", "decline", "cancel"]);
    assert_eq!(completed(&["flowline", "2fa", ":"]).await, ["enable", "disable", "authorize"]);
    assert_eq!(completed(&["flowline", "members", ":", "a"]).await, ["add", "accept"]);
    assert_eq!(completed(&["flowline", "apps", ":", "transfer", ":", "accept", "--j"]).await, ["--json"]);
}

#[tokio::test]
async fn other_shells_have_scripts() {
    let zsh = Place::new().run(&["completions", "zsh"]).await.out;
    assert!(zsh.contains(r"'apps\:create:Create an app"), "{zsh}");
    assert!(zsh.contains(r"'apps\:transfer\:accept:Take an app"), "{zsh}");
    for shell in ["fish", "elvish", "powershell"] {
        assert!(Place::new().run(&["completions", shell]).await.out.contains("apps:create"), "{shell}");
    }
}

#[tokio::test]
async fn every_command_has_a_manual_page() {
    let place = Place::new();
    let ran = place.run(&["man", "pages"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let page = |name: &str| std::fs::read_to_string(place.cwd().join("pages").join(name)).unwrap();
    assert!(page("flowline.1").contains("flowline\\-apps:transfer:accept(1)"), "{}", page("flowline.1"));
    assert!(page("flowline.1").contains("FLOWLINE_TOKEN"), "the environment too");
    for command in Program::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let page = page(&format!("flowline-{}.1", command.get_name()));
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH NAME"), "{}: {page}", command.get_name());
    }
    let ran = place.run(&["man"]).await;
    assert!(place.env.home.as_ref().unwrap().join(".local/share/man/man1/flowline.1").exists(), "{ran:?}");
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_that_went_away_is_no_error() {
    let place = Place::new();
    let program = Program::try_parse_from(["flowline", "completions", "bash"]).unwrap();
    let mut console = Console::new(Box::new(io::empty()), Box::new(Closed), Box::new(io::sink()));
    assert_eq!(cli::run_on(program.command, &place.env, &mut console).await, 0);
}
