//! Repositories at rest: made, removed, read.

use crate::{Git, GitError, ObjectId, Output, folder};
use model::id::AppId;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The largest file that [`Git::read_file`] returns: it is meant for Procfile, app.json and the like.
pub const FILE_LIMIT_BYTES: usize = 1024 * 1024;

/// What [`Git::subject`] returns at most.
const SUBJECT_LIMIT_BYTES: usize = 1024;

/// The whole hook: git needs a file, the program is ours. The path comes by environment, so nothing is quoted here.
const PRE_RECEIVE: &str = "#!/bin/sh\nexec \"$FLOWLINE_EXE\" hook pre-receive\n";

/// Runs when refs have moved and before the pusher hears of it. git writes what it receives through to the disk, but leaves the
/// names of packs and refs to the kernel, which writes them seconds later: a power cut would take back a push that was accepted.
const REFERENCE_TRANSACTION: &str = "#!/bin/sh\n[ \"$1\" != committed ] || exec sync --file-system .\n";

/// An archive is what a checkout would be: these attributes change archives only, and git reads this file first.
const ATTRIBUTES: &str = "* -export-ignore -export-subst\n";

/// Shared by all repositories; the names are no app ids.
pub(crate) fn hooks_dir(repos_dir: &Path) -> PathBuf {
    repos_dir.join("hooks")
}

/// Empty, so that no `.gitconfig` of a user takes part.
pub(crate) fn home_dir(repos_dir: &Path) -> PathBuf {
    repos_dir.join("home")
}

/// Writes what the repositories share.
pub(crate) async fn prepare(repos_dir: &Path) -> Result<(), GitError> {
    for dir in [hooks_dir(repos_dir), home_dir(repos_dir)] {
        tokio::fs::create_dir_all(&dir).await.map_err(folder(&dir))?;
    }
    hook(repos_dir, "pre-receive", PRE_RECEIVE).await?;
    hook(repos_dir, "reference-transaction", REFERENCE_TRANSACTION).await
}

/// Written aside and renamed: a push that is going on from before a restart may be about to read it.
async fn hook(repos_dir: &Path, name: &str, program: &str) -> Result<(), GitError> {
    let (hook, new) = (hooks_dir(repos_dir).join(name), hooks_dir(repos_dir).join(format!("{name}.new")));
    tokio::fs::write(&new, program).await.map_err(folder(&new))?;
    let executable = std::fs::Permissions::from_mode(0o755);
    tokio::fs::set_permissions(&new, executable).await.map_err(folder(&new))?;
    tokio::fs::rename(&new, &hook).await.map_err(folder(&hook))
}

impl Git {
    /// Makes the app's repository; one that is there stays as it is. It is on the disk before this ends, as the app will be.
    ///
    /// # Errors
    /// When git is missing or the folder cannot be written.
    pub async fn init(&self, app: AppId) -> Result<(), GitError> {
        let path = self.path(app);
        let mut command = self.command();
        command.args(["init", "--bare", "--quiet", "--template=", "--initial-branch=main"]).arg(&path);
        self.run("init", command).await?;

        let attributes = path.join("info/attributes");
        tokio::fs::create_dir_all(path.join("info")).await.map_err(folder(&attributes))?;
        tokio::fs::write(&attributes, ATTRIBUTES).await.map_err(folder(&attributes))?;
        // The names of files after the files: an empty HEAD would make the folder no repository at all.
        let own = ["HEAD", "config", "info/attributes", "info", ""].map(|name| path.join(name));
        for place in own.iter().map(PathBuf::as_path).chain([self.config.repos_dir.as_path()]) {
            let opened = tokio::fs::File::open(place).await.map_err(folder(place))?;
            opened.sync_all().await.map_err(folder(place))?;
        }
        Ok(())
    }

    /// Deletes the app's repository; no error when there is none.
    ///
    /// # Errors
    /// When files cannot be deleted; call again.
    pub async fn remove(&self, app: AppId) -> Result<(), GitError> {
        let path = self.path(app);
        match tokio::fs::remove_dir_all(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(folder(&path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The commit a branch points at; `None` when there is no such branch.
    ///
    /// # Errors
    /// When there is no repository or git cannot be started.
    pub async fn branch(&self, app: AppId, name: &crate::RefName) -> Result<Option<ObjectId>, GitError> {
        let mut command = self.command();
        command.arg("--git-dir").arg(self.existing(app).await?);
        command.args(["rev-parse", "--verify", "--quiet", "--end-of-options"]).arg(format!("{name}^{{commit}}"));
        let out = self.read(command, SUBJECT_LIMIT_BYTES).await?;
        Ok(out.and_then(|out| String::from_utf8_lossy(&out).trim().parse().ok()))
    }

    /// The first line of a commit's message, cut to 1,024 bytes; `None` when there is no such commit.
    ///
    /// # Errors
    /// When there is no repository or git cannot be started.
    pub async fn subject(&self, app: AppId, commit: &ObjectId) -> Result<Option<String>, GitError> {
        let mut command = self.command();
        command.arg("--git-dir").arg(self.existing(app).await?);
        command.args(["log", "-1", "--no-show-signature", "--format=%s", commit.as_str(), "--"]);
        let out = self.read(command, SUBJECT_LIMIT_BYTES).await?;
        Ok(out.map(|out| String::from_utf8_lossy(&out).trim_end().to_owned()))
    }

    /// A file as it is in a commit; `None` when the commit or the file is absent or the path is a folder.
    ///
    /// # Errors
    /// When the file is over [`FILE_LIMIT_BYTES`], there is no repository, or git cannot be started.
    pub async fn read_file(&self, app: AppId, commit: &ObjectId, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let mut command = self.command();
        command.arg("--git-dir").arg(self.existing(app).await?);
        command.args(["cat-file", "blob"]).arg(format!("{commit}:{path}"));
        let file = self.read(command, FILE_LIMIT_BYTES).await?;
        if file.as_ref().is_some_and(|file| file.len() > FILE_LIMIT_BYTES) {
            return Err(GitError::FileTooLarge { path: path.to_owned() });
        }
        Ok(file)
    }

    /// The tree of a commit that was accepted before, as a tar stream. (During a push: [`crate::hook::PushSession::tree`].)
    ///
    /// # Errors
    /// When there is no repository or git cannot be started; an unknown commit is an error of the stream.
    pub async fn archive(&self, app: AppId, commit: &ObjectId) -> Result<Output, GitError> {
        let mut command = self.command();
        command.arg("--git-dir").arg(self.existing(app).await?).args(["archive", "--format=tar", commit.as_str()]);
        self.stream("archive", command)
    }
}
