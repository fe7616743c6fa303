//! Completions, and output that nobody reads.

use crate::support::{Place, Program};
use clap::Parser;
use cli::Console;
use std::io::{self, Write};
use std::process::Command;

/// What bash offers for a line of these words, split at `:` as bash does.
async fn completed(words: &[&str]) -> Vec<String> {
    let script = Place::new().run(&["completions", "bash"]).await;
    assert_eq!(script.code, 0, "{script:?}");
    let list = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let asked = format!(
        "{}\nCOMP_WORDS=({list}); COMP_CWORD={}\n_flowline_colons flowline '{}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.out,
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let output = Command::new("bash").args(["--norc", "-c", &asked]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_names_with_colons() {
    assert_eq!(
        completed(&["flowline", "rel"]).await,
        ["releases", "releases:info", "releases:output", "releases:rollback"]
    );
    assert_eq!(completed(&["flowline", "releases", ":", "o"]).await, ["output"]);
    assert_eq!(completed(&["flowline", "maintenance", ":"]).await, ["on", "off"]);
    assert_eq!(completed(&["flowline", "config", ":", "set", "--a"]).await, ["--app"]);
}

#[tokio::test]
async fn other_shells_have_scripts() {
    let zsh = Place::new().run(&["completions", "zsh"]).await.out;
    assert!(zsh.contains(r"'apps\:create:Create an app"), "{zsh}");
    for shell in ["fish", "elvish", "powershell"] {
        assert!(Place::new().run(&["completions", shell]).await.out.contains("apps:create"), "{shell}");
    }
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
