//! How git is started: argument lists, an environment of our own, settings by environment instead of files.

use crate::repository::{home_dir, hooks_dir};
use crate::{Git, GitError, Output, output};
use std::process::Stdio;
use tokio::process::Command;

/// A pack over this is refused: a checkout may have 1 GB (BLD-4), and a pack is its compressed history.
const PUSH_LIMIT_BYTES: u64 = 1 << 30;

/// Settings for every command, so that a changed setting also holds for old repositories.
const SETTINGS: &[(&str, &str)] = &[
    // The folder may belong to another user, such as a volume that was mounted into a container.
    ("safe.directory", "*"),
    // Housekeeping runs when nobody waits, not in the middle of a push.
    ("gc.auto", "0"),
    ("receive.autogc", "false"),
    ("maintenance.auto", "false"),
    // A push of few objects would leave loose ones that are renamed into place before they are on the disk. A power cut then makes
    // them empty, and an empty object is in the way of the same push ever after. A pack is written through before it has its name.
    ("receive.unpackLimit", "1"),
    // Refs as well, from git 2.36 on.
    ("core.fsync", "reference"),
    ("receive.fsckObjects", "true"),
    // Old but harmless histories have these; a team could not push its own past without them.
    ("receive.fsck.badTimezone", "ignore"),
    ("receive.fsck.missingEmail", "ignore"),
    ("receive.fsck.missingNameBeforeEmail", "ignore"),
    ("receive.fsck.missingSpaceBeforeDate", "ignore"),
    ("receive.fsck.missingSpaceBeforeEmail", "ignore"),
    ("receive.fsck.zeroPaddedDate", "ignore"),
    ("receive.fsck.zeroPaddedFilemode", "ignore"),
    ("uploadpack.allowFilter", "true"),
    // `git push -o`: how a push says more than its refs.
    ("receive.advertisePushOptions", "true"),
    // A dyno's user is not the group of the files: no write bits for anyone but the owner.
    ("tar.umask", "0022"),
];

impl Git {
    /// `git` with our environment and nothing of the caller's.
    pub(crate) fn command(&self) -> Command {
        let repos_dir = &self.config.repos_dir;
        let mut command = Command::new("git");
        command.env_clear().env("PATH", &self.config.path).env("HOME", home_dir(repos_dir)).env("LC_ALL", "C");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
        command.env("FLOWLINE_EXE", &self.config.exe).env("FLOWLINE_HOOK_SOCK", &self.config.hook_sock);

        let mut count = 0;
        for (key, value) in SETTINGS {
            command.env(format!("GIT_CONFIG_KEY_{count}"), key).env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env(format!("GIT_CONFIG_KEY_{count}"), "receive.maxInputSize");
        command
            .env(format!("GIT_CONFIG_VALUE_{count}"), PUSH_LIMIT_BYTES.min(self.config.pack_limit_bytes).to_string());
        count += 1;
        command.env(format!("GIT_CONFIG_KEY_{count}"), "core.hooksPath");
        command.env(format!("GIT_CONFIG_VALUE_{count}"), hooks_dir(repos_dir));
        command.env("GIT_CONFIG_COUNT", (count + 1).to_string());

        // Ctrl-C on the terminal is for serve, which drains; it must not end a push in the middle.
        command.process_group(0).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end; `None` when git exits with a failure, and the error text is dropped.
    ///
    /// At most `limit` bytes of output are read; one byte more tells the caller that there was more.
    pub(crate) async fn read(&self, mut command: Command, limit: usize) -> Result<Option<Vec<u8>>, GitError> {
        let _permit = self.processes.try_acquire().map_err(|_| GitError::Busy)?;
        let mut child = command.stderr(Stdio::null()).kill_on_drop(true).spawn().map_err(GitError::Start)?;
        let mut out = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            output::read_limited(stdout, limit + 1, &mut out).await.map_err(GitError::Start)?;
        }
        // What is over the limit is not waited for: the closed pipe ends git.
        if out.len() > limit {
            return Ok(Some(out));
        }
        let status = child.wait().await.map_err(GitError::Start)?;
        Ok(status.success().then_some(out))
    }

    /// Runs to the end; a failure is an error with what git said.
    pub(crate) async fn run(&self, verb: &'static str, mut command: Command) -> Result<(), GitError> {
        let _permit = self.processes.try_acquire().map_err(|_| GitError::Busy)?;
        let mut child = command.stdout(Stdio::null()).kill_on_drop(true).spawn().map_err(GitError::Start)?;
        let stderr = output::complaint(child.stderr.take()).await;
        let status = child.wait().await.map_err(GitError::Start)?;
        if status.success() { Ok(()) } else { Err(GitError::Failed { verb, stderr }) }
    }

    /// Starts a command whose output is read as it comes; dropping the reader ends it.
    pub(crate) fn stream(&self, verb: &'static str, mut command: Command) -> Result<Output, GitError> {
        let permit = self.processes.clone().try_acquire_owned().map_err(|_| GitError::Busy)?;
        let mut child = command.kill_on_drop(true).spawn().map_err(GitError::Start)?;
        let (sender, reader) = output::channel();
        tokio::spawn(async move {
            let _permit = permit;
            let Some(stdout) = child.stdout.take() else { return };
            let (taken, complaint) = tokio::join!(sender.carry(stdout), output::complaint(child.stderr.take()));
            let succeeded = child.wait().await.is_ok_and(|status| status.success());
            if taken && !succeeded {
                sender.fail(format!("`git {verb}` failed: {complaint}")).await;
            }
        });
        Ok(reader)
    }
}
