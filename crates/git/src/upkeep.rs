//! Repositories are packed when nobody pushes: at low priority, one at a time, and never in the way of a push.

use crate::{Git, GitError, folder};
use model::id::AppId;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::process::Command;
use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};

/// Longer than this nobody packs one repository: it is as large as it may be, on a slow disk.
const UPKEEP_LIMIT: Duration = Duration::from_secs(1800);

/// Settings of the packing itself: one thread and little memory, beside apps that serve, and its end is waited for. Every push
/// is a pack, and up to git's own 50 are looked through quickly.
const SETTINGS: [&str; 6] = [
    "pack.threads=1",
    "pack.windowMemory=64m",
    "pack.deltaCacheSize=64m",
    "gc.auto=1000",
    "gc.autoPackLimit=50",
    "gc.autoDetach=false",
];

/// How much is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// What git finds due: many loose objects or many packs.
    WhenDue,
    /// All of it, and what no ref reaches goes at once.
    All,
}

/// The pushes of one repository, and its upkeep.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Read by pushes, written by upkeep.
    turn: Arc<RwLock<()>>,
    /// How many pushes wait for their turn: upkeep that runs gives way.
    waiting: watch::Sender<u64>,
    pushed: AtomicBool,
}

impl Default for Lane {
    fn default() -> Self {
        Self { turn: Arc::default(), waiting: watch::channel(0).0, pushed: AtomicBool::new(false) }
    }
}

/// A push is going on as long as this lives.
#[derive(Debug)]
pub(crate) struct Pushing {
    _turn: OwnedRwLockReadGuard<()>,
    lane: Arc<Lane>,
}

impl Drop for Pushing {
    fn drop(&mut self) {
        self.lane.pushed.store(true, Ordering::Relaxed);
    }
}

/// A push waits for its turn as long as this lives, also when its client goes away meanwhile.
struct Waits(Arc<Lane>);

impl Waits {
    fn of(lane: &Arc<Lane>) -> Self {
        lane.waiting.send_modify(|count| *count += 1);
        Self(Arc::clone(lane))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|count| *count -= 1);
    }
}

/// The lanes by app; those of apps that are gone cost some bytes.
pub(crate) type Lanes = Mutex<std::collections::HashMap<AppId, Arc<Lane>>>;

impl Git {
    fn lane(&self, app: AppId) -> Arc<Lane> {
        Arc::clone(self.lanes.lock().unwrap_or_else(PoisonError::into_inner).entry(app).or_default())
    }

    /// A push begins: upkeep of the repository ends first.
    pub(crate) async fn pushing(&self, app: AppId) -> Pushing {
        let lane = self.lane(app);
        let waits = Waits::of(&lane);
        let turn = Arc::clone(&lane.turn).read_owned().await;
        drop(waits);
        Pushing { _turn: turn, lane }
    }

    /// Has there been a push since the last upkeep?
    #[must_use]
    pub fn was_pushed_to(&self, app: AppId) -> bool {
        self.lane(app).pushed.load(Ordering::Relaxed)
    }

    /// Packs loose objects and drops what no ref reaches (after two weeks, or at once with [`Upkeep::All`]). `false`: a push
    /// was going on or came, so it was not done.
    ///
    /// # Errors
    /// When git fails, for example on a full disk; the repository stays as it was.
    pub async fn maintain(&self, app: AppId, how: Upkeep) -> Result<bool, GitError> {
        let repository = self.existing(app).await?;
        let lane = self.lane(app);
        let Ok(_turn) = lane.turn.try_write() else { return Ok(false) };
        let mut waiting = lane.waiting.subscribe();
        lane.pushed.store(false, Ordering::Relaxed);
        let mut child = self.packing(&repository, how).spawn().map_err(GitError::Start)?;
        let stderr = crate::output::complaint(child.stderr.take());
        let ended = tokio::select! {
            (stderr, status) = async { (stderr.await, child.wait().await) } => Some((stderr, status.map_err(GitError::Start)?)),
            _ = waiting.wait_for(|count| *count > 0) => None,
            () = tokio::time::sleep(UPKEEP_LIMIT) => None,
        };
        let Some((stderr, status)) = ended else {
            lane.pushed.store(true, Ordering::Relaxed);
            end_all(&mut child).await;
            return Ok(false);
        };
        if status.success() { Ok(true) } else { Err(GitError::Failed { verb: "gc", stderr }) }
    }

    fn packing(&self, repository: &Path, how: Upkeep) -> Command {
        let git = self.command();
        // The same environment and settings, behind `nice`.
        let mut command = Command::new("nice");
        command.env_clear().args(["-n", "19", "git"]).current_dir("/").process_group(0).kill_on_drop(true);
        for (name, value) in git.as_std().get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.arg("--git-dir").arg(repository).args(["gc", "--quiet"]);
        match how {
            Upkeep::WhenDue => command.arg("--auto"),
            Upkeep::All => command.arg("--prune=now"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Removes what broken pushes left in a repository: quarantines and half packs that were not changed after `oldest`.
    /// Nothing while a push is going on.
    ///
    /// # Errors
    /// When something cannot be read or removed.
    pub async fn sweep(&self, app: AppId, oldest: SystemTime) -> Result<(), GitError> {
        let lane = self.lane(app);
        let Ok(_turn) = lane.turn.try_write() else { return Ok(()) };
        let objects = self.path(app).join("objects");
        let work = move || {
            let old = |path: &Path| Some(std::fs::symlink_metadata(path).ok()?.modified().ok()? <= oldest);
            for (folder, prefixes) in [
                (objects.clone(), ["tmp_objdir-", "incoming-"].as_slice()),
                (objects.join("pack"), ["tmp_"].as_slice()),
            ] {
                for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                    let (name, path) = (entry.file_name(), entry.path());
                    let ours = prefixes.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()));
                    if !ours || !old(&path).unwrap_or(false) {
                        continue;
                    }
                    let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                    let removed = if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                    removed.map_err(crate::folder(&path))?;
                    tracing::info!(path = %path.display(), "Removed what a broken push left behind");
                }
            }
            Ok(())
        };
        let joined = tokio::task::spawn_blocking(work).await;
        joined.unwrap_or_else(|error| Err(folder(&self.path(app))(std::io::Error::other(error))))
    }
}

/// git starts programs of its own: all of them end.
async fn end_all(child: &mut tokio::process::Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // They may have ended already.
        let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL).is_err();
    }
    let _reaped = child.wait().await.is_err();
}
