//! A git push: from refs to a build to a release, told to the one who pushes, line by line.

use crate::build::{self, Archive, BuildError};
use crate::gate::Authorized;
use crate::supervisor::{Live, live};
use crate::{Control, build_end, disk, progress, push_test, release, upkeep, verification, verify_end};
pub use git::Service;

use git::RefUpdate;
use git::hook::PushSession;
use model::app::App;
use model::audit::Change;
use model::build::BuildSource;
use model::id::ReleaseId;
use model::release::{Release, ReleaseStatus};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Lines on their way to the one who pushes.
const LINES_WAITING: usize = 64;

/// Pushes that were let in at the door and have not reached the hook: more than a server ever serves at once.
const TICKETS_LIMIT: usize = 1024;

/// Who is behind a push token, between the door and the hook.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<HashMap<String, (Authorized<App>, Change)>>);

/// Lets a push in; the token goes to git, and comes back through the hook. Dropping it forgets the token.
pub struct Ticket {
    token: String,
    control: Control,
}

impl Ticket {
    /// What [`git::Git::rpc`] is given.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.control.tickets.take(&self.token);
    }
}

impl Tickets {
    fn take(&self, token: &str) -> Option<(Authorized<App>, Change)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(token)
    }
}

/// Why a push is not let in.
#[derive(Debug, thiserror::Error)]
pub enum PushRefused {
    /// As many as are ever served at once.
    #[error("Too many pushes are being received; try again in a moment.")]
    TooMany,
    /// The disk is nearly full.
    #[error(transparent)]
    Short(#[from] model::disk::Short),
}

/// May a push begin? Asked before anything is sent, because what is sent takes room.
///
/// # Errors
/// [`PushRefused::Short`].
pub fn admits(control: &Control) -> Result<(), PushRefused> {
    Ok(disk::admits(control, 0)?)
}

/// Lets a push in for an app; `change` is how the audit log knows it.
///
/// # Errors
/// When too many are on their way, or the disk is short.
pub fn begin(control: &Control, app: &Authorized<App>, change: Change) -> Result<Ticket, PushRefused> {
    admits(control)?;
    let token = control.world.secret::<32>();
    let mut tickets = control.tickets.0.lock().unwrap_or_else(PoisonError::into_inner);
    if tickets.len() >= TICKETS_LIMIT {
        return Err(PushRefused::TooMany);
    }
    tickets.insert(token.clone(), (app.clone(), change));
    drop(tickets);
    Ok(Ticket { token, control: control.clone() })
}

/// Takes pushes from the hook, each in a task of its own, until the server ends.
pub(crate) fn listen(control: &Control, mut listener: git::hook::Listener) {
    let control = control.clone();
    tokio::spawn(async move {
        loop {
            let session = listener.accept().await;
            let control = control.clone();
            tokio::spawn(async move { answer(&control, session).await });
        }
    });
}

async fn answer(control: &Control, mut session: PushSession) {
    let Some((app, change)) = control.tickets.take(&session.token) else {
        refuse(session, "This push did not come through Flowline's door").await;
        return;
    };
    if session.updates.iter().any(|update| update.new.is_some())
        && let Err(error) = upkeep::admits(control, &app).await
    {
        refuse(session, &error.to_string()).await;
        return;
    }
    let deleted = session.updates.iter().find(|update| is_main(update) && update.new.is_none());
    if let Some(deleted) = deleted {
        let why =
            format!("{} runs the app and cannot be deleted. `flowline apps:destroy` destroys the app", deleted.name);
        refuse(session, &why).await;
        return;
    }
    let mains: Vec<RefUpdate> = session.updates.iter().filter(|update| is_main(update)).cloned().collect();
    let accepted = match mains.as_slice() {
        [] => {
            for update in session.updates.clone() {
                if update.new.is_some() && update.name.branch().is_some() {
                    say(&mut session, "Pushed to non-main branch, skipping build.").await;
                    let hint =
                        format!("To deploy it: git push flowline {}:main", update.name.branch().unwrap_or_default());
                    say(&mut session, &hint).await;
                }
            }
            true
        }
        [one] => deploy(control, (&app, &change), &mut session, one).await,
        [..] => {
            refuse(session, "main and master were pushed together; push the one that the app should run").await;
            return;
        }
    };
    if let Err(error) = session.finish(accepted).await {
        tracing::warn!(app.id = %app.id, %error, "A push ended before it could be answered");
    }
}

async fn refuse(mut session: PushSession, why: &str) {
    say(&mut session, &format!(" !     {why}.")).await;
    if let Err(error) = session.finish(false).await {
        tracing::warn!(%error, "A push ended before it could be refused");
    }
}

/// The one who pushes may be gone; the build goes on.
pub(crate) async fn say(session: &mut PushSession, line: &str) {
    if let Err(error) = session.say(line).await {
        tracing::debug!(%error, "Nobody hears this push any more");
    }
}

fn is_main(update: &RefUpdate) -> bool {
    matches!(update.name.branch(), Some("main" | "master"))
}

/// Builds and releases a commit; may the ref move?
async fn deploy(
    control: &Control,
    (app, change): (&Authorized<App>, &Change),
    session: &mut PushSession,
    update: &RefUpdate,
) -> bool {
    let Some(commit) = update.new.clone() else { return false };
    // Before its tests are run.
    if let Err(error @ BuildError::Container(_)) = build::admits(control, app) {
        for line in refusal(&error) {
            say(session, &line).await;
        }
        return false;
    }
    let Ok(tested) = push_test::passes(control, (app, change), session, update, &commit).await else { return false };
    let (watcher, mut lines) = mpsc::channel(LINES_WAITING);
    let about = session.commit(&commit).await.unwrap_or_else(|error| {
        tracing::warn!(app.id = %app.id, %error, "What a commit says of itself could not be read");
        None
    });
    let source = BuildSource { version: Some(commit.as_str().to_owned()), commit: about, ..BuildSource::default() };
    let (build, report) = match build::begin(control, app, source, Some(watcher)).await {
        Ok(begun) => begun,
        Err(error) => {
            for line in refusal(&error) {
                say(session, &line).await;
            }
            return false;
        }
    };
    if let Some(run) = tested {
        progress::build_tested(control, build.id, run).await;
    }
    let tree = match session.tree(&commit).await {
        Ok(tree) => tree,
        Err(error) => {
            build_end::fail(control, &build, &format!("the pushed commit could not be read: {error}")).await;
            say(session, &format!(" !     The pushed commit could not be read: {error}.")).await;
            return false;
        }
    };
    say(session, "Compressing source files... done.").await;
    say(session, "Building source:").await;
    say(session, "").await;
    let work = {
        let (control, app) = (control.clone(), app.clone());
        tokio::spawn(async move { build::run(&control, &app, build, Archive::Tree(Box::new(tree)), report).await })
    };
    while let Some(line) = lines.recv().await {
        say(session, &line).await;
    }
    match work.await {
        Ok(Ok(release)) => {
            launch(control, app, session, &release).await;
            true
        }
        Ok(Err(_)) => {
            for line in ["Verifying deploy...", "", &format!("!\tPush rejected to {}.", app.name), ""] {
                say(session, line).await;
            }
            false
        }
        Err(error) => {
            tracing::error!(app.id = %app.id, %error, "A build's task ended in a panic");
            say(session, " !     The build broke off inside Flowline; its log tells more.").await;
            false
        }
    }
}

fn refusal(error: &BuildError) -> Vec<String> {
    vec![format!(" !     Push rejected: {error}."), String::new()]
}

/// Tells how the release comes to life (builds.md, section 6). The push succeeds whatever becomes of it (RELPH-45).
async fn launch(control: &Control, app: &Authorized<App>, session: &mut PushSession, release: &Release) {
    let has_command = release.status == ReleaseStatus::Pending;
    say(session, "-----> Launching...").await;
    if has_command {
        let warning =
            " !     Release command declared: this new release will not be available until the command succeeds.";
        say(session, warning).await;
    }
    say(session, &format!("       Released v{}", release.version)).await;
    say(session, &format!("       {} deployed to Flowline", control.settings.web_url(&app.name))).await;
    say(session, "").await;
    if !has_command {
        match live(control, app.id, release.id).await {
            Live::Serving => say(session, "Verifying deploy... done.").await,
            other => warn(control, app, session, (release.id, other)).await,
        }
        verify(control, session, release.id).await;
        return;
    }
    say(session, "Verifying deploy... done.").await;
    say(session, "Running release command...").await;
    say(session, "").await;
    follow(control, session, &release::output_key(release.id)).await;
    let now = store::release::by_own_id(control.store.db(), release.id).await;
    if matches!(now, Ok(Some(Release { status: ReleaseStatus::Succeeded, .. }))) {
        say(session, "Waiting for release.... done.").await;
        match live(control, app.id, release.id).await {
            Live::Serving => {}
            other => warn(control, app, session, (release.id, other)).await,
        }
        verify(control, session, release.id).await;
    } else {
        let hint = format!(" !     v{} is not live; the release before it keeps running.", release.version);
        say(session, &hint).await;
        // RELPH-22: what clients look for at the end.
        say(session, "Waiting for release.... failed.").await;
    }
}

/// What keeps a release that was made from serving.
async fn warn(control: &Control, app: &Authorized<App>, session: &mut PushSession, (release, live): (ReleaseId, Live)) {
    match live {
        Live::Serving => {}
        Live::NothingToServe => {
            say(session, "Verifying deploy... done.").await;
            let hint = format!("No web dynos run: start one with `flowline ps:scale web=1 -a {}`.", app.name);
            say(session, &hint).await;
        }
        Live::Overtaken => {
            // By the release before it, because this one never came to live: its check says so below.
            let check = store::verification::latest_of_release(control.store.db(), release).await;
            let undone = matches!(check, Ok(Some(check)) if check.rolled_back_by.is_some());
            let word = if undone { "failed." } else { "a newer release took over." };
            say(session, &format!("Verifying deploy... {word}")).await;
        }
        Live::Crashed(why) => {
            say(session, "Verifying deploy... failed.").await;
            say(session, &format!(" !     The release was made, but {why}.")).await;
            let hint = format!(" !     See why: flowline logs -a {0}   Go back: flowline rollback -a {0}", app.name);
            say(session, &hint).await;
        }
    }
}

/// The check of a release on the running server, where its code has one: what it prints, and what came of it.
async fn verify(control: &Control, session: &mut PushSession, release: ReleaseId) {
    let check = match store::verification::latest_of_release(control.store.db(), release).await {
        Ok(Some(check)) => check,
        Ok(None) => return,
        Err(error) => return say(session, &format!(" !     Whether it is verified is not known: {error}")).await,
    };
    say(session, "Running verify command...").await;
    say(session, "").await;
    follow(control, session, &verification::output_key(check.id)).await;
    match verify_end::told(control, check.id).await {
        Ok(Some(lines)) => {
            for line in lines {
                say(session, &line).await;
            }
        }
        // A disk that is full, for example: it is noted later.
        Ok(None) => say(session, "Waiting for green light.... not yet decided; see `flowline verify`.").await,
        Err(error) => say(session, &format!(" !     What came of it is not known: {error}")).await,
    }
}

/// What a command prints, as it comes. The file is there since before anybody knew of the command.
async fn follow(control: &Control, session: &mut PushSession, key: &str) {
    let mut reader = match control.outputs.read(key) {
        Ok(Some(reader)) => reader,
        Ok(None) => return,
        Err(error) => return say(session, &format!(" !     The output cannot be read: {error}")).await,
    };
    let mut rest = String::new();
    while let Ok(Some(bytes)) = reader.next().await {
        rest.push_str(&String::from_utf8_lossy(&bytes));
        while let Some(end) = rest.find('\n') {
            let line: String = rest.drain(..=end).collect();
            say(session, line.trim_end_matches('\n')).await;
        }
    }
}

/// For the doors: whose repository git is to serve.
#[must_use]
pub fn repositories(control: &Control) -> Arc<git::Git> {
    Arc::clone(&control.git)
}
