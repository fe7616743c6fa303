//! `git push` by the real git.

use crate::app::App;
use crate::source::Source;
use crate::within;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tokio::process::Command;

/// What a push came to.
#[derive(Debug)]
pub struct Push {
    /// Everything that git printed.
    pub said: String,
    /// Did git call it a success?
    pub ok: bool,
    /// The commit that was pushed.
    pub commit: String,
}

impl Push {
    /// It succeeded and made this release.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn released(self, version: &str) -> Self {
        assert!(self.ok, "the push was declined:\n{}", self.said);
        assert!(self.said.contains(&format!("Released {version}")), "no {version} in:\n{}", self.said);
        self
    }

    /// It was declined, and said so with these words.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn declined(self, words: &str) -> Self {
        self.declined_for_one_of(&[words])
    }

    /// The same where one of several reasons comes first, and it is open which.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn declined_for_one_of(self, reasons: &[&str]) -> Self {
        assert!(!self.ok, "the push was accepted:\n{}", self.said);
        assert!(reasons.iter().any(|words| self.said.contains(words)), "{reasons:?} is not in:\n{}", self.said);
        self
    }

    /// It succeeded, but the release command failed (RELPH-45).
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn release_failed(self) -> Self {
        assert!(self.ok, "the push was declined:\n{}", self.said);
        assert!(self.said.contains("Waiting for release.... failed."), "the release did not fail:\n{}", self.said);
        self
    }

    /// Its output has these words.
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.said.contains(words), "`{words}` is not in:\n{}", self.said);
        self
    }
}

impl App<'_> {
    /// Commits these files and pushes them to main.
    pub async fn push(&self, source: Source) -> Push {
        self.push_to(source, "main").await
    }

    /// The same to another ref of the server.
    pub async fn push_to(&self, source: Source, branch: &str) -> Push {
        self.commit(source).await;
        self.push_head(branch).await
    }

    /// Pushes what was committed last.
    ///
    /// # Panics
    /// When nothing was.
    pub async fn push_head(&self, branch: &str) -> Push {
        let commit = String::from_utf8(self.git(&["rev-parse", "HEAD"]).await.stdout).unwrap().trim().to_owned();
        let pushed = self.git_push(&[&format!("HEAD:refs/heads/{branch}")]).await;
        Push { said: said(&pushed), ok: pushed.status.success(), commit }
    }

    /// Replaces the files of the working copy and commits.
    ///
    /// # Panics
    /// When git does not.
    pub async fn commit(&self, source: Source) {
        let copy = self.working_copy();
        if copy.join(".git").exists() {
            self.git(&["rm", "-r", "-q", "--ignore-unmatch", "."]).await;
        } else {
            std::fs::create_dir_all(&copy).unwrap();
            self.git(&["init", "-q", "--initial-branch=main"]).await;
        }
        source.write(&copy);
        self.git(&["add", "--all"]).await;
        let committed = self.git(&["commit", "-q", "--allow-empty", "-m", "A change"]).await;
        assert!(committed.status.success(), "{}", said(&committed));
    }

    /// `git push` with these refs, options first.
    pub async fn git_push(&self, words: &[&str]) -> Output {
        let url = self.git_url();
        let (options, refs): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.starts_with('-'));
        let mut all = vec!["push"];
        all.extend(options);
        all.push(&url);
        all.extend(refs);
        self.git(&all).await
    }

    /// git in the working copy.
    pub async fn git(&self, words: &[&str]) -> Output {
        within("git", self.git_command(words).output()).await.unwrap()
    }

    /// git in the working copy, not yet started.
    #[must_use]
    pub fn git_command(&self, words: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.args(words).current_dir(self.working_copy()).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        git.env("PATH", std::env::var("PATH").unwrap_or_default()).env("HOME", self.flow().dir());
        git.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1");
        let settings = [
            ("user.name", "Tester".to_owned()),
            ("user.email", "tester@localhost".to_owned()),
            ("http.extraHeader", format!("Authorization: {}", self.flow().basic())),
        ];
        git.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (at, (name, value)) in settings.into_iter().enumerate() {
            git.env(format!("GIT_CONFIG_KEY_{at}"), name).env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        git
    }

    /// Where this app's files are kept by the test.
    #[must_use]
    pub fn working_copy(&self) -> PathBuf {
        self.flow().dir().join("copies").join(self.name())
    }

    /// The address to push to.
    #[must_use]
    pub fn git_url(&self) -> String {
        format!("http://{}/{}.git", self.flow().api, self.name())
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
