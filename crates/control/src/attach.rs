//! Attached programs (DYNO-52 to DYNO-57): one-off dynos that start when their client has come, and further programs in
//! dynos that run.

use crate::rendezvous::Awaited;
use crate::sandbox::OneOff;
use crate::session::{Left, Session};
use crate::{Control, journal, life, sandbox};
use model::dyno::{Dyno, DynoName, DynoState};
use model::id::AppId;
use runtime::{DynoControl, ExecSpec};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Between two SIGHUPs (DYNO-53).
const HANG_UP_PAUSE: Duration = Duration::from_secs(5);

const CLOSED: &str = "Client connection closed. Sending SIGHUP to all processes";
const R13: &str = "Error R13 (Attach error) -> Failed to attach to process";
const R16: &str =
    "Error R16 (Detached) -> An attached process is not responding to SIGHUP after its external connection was closed.";

/// A dyno that waits for its client has no process that a next server could find, so it has a note.
pub(crate) const NOTES: &str = "run/awaited";

const NOBODY_LEFT: &str = "Flowline was stopped before a client came. The process was not started";

/// Makes a one-off dyno known; it starts when its client comes.
pub(crate) async fn begin(control: &Control, dyno: Dyno, more: OneOff, mut awaited: Awaited) {
    control.registry.insert(dyno.clone(), None);
    let control = control.clone();
    let note = Note::write(&control.settings.dir, &dyno).await;
    tokio::spawn(async move {
        journal::dyno(&control, dyno.app, &dyno.name, "Awaiting client").await;
        let client = tokio::select! {
            client = timeout(control.settings.attach_limit, awaited.client()) => client.ok().flatten(),
            () = stopped(&control, &dyno) => None,
        };
        let Some(client) = client else {
            // Whoever comes now is told that nobody waits.
            drop(awaited);
            give_up(&control, &dyno).await;
            return note.remove().await;
        };
        let text = format!("Starting process with command `{}`", dyno.command);
        journal::dyno(&control, dyno.app, &dyno.name, text).await;
        match sandbox::start_with(&control, &dyno, &more).await {
            Ok(running) => {
                note.remove().await;
                let handle = running.control();
                if control.registry.started(dyno.id, running.addr, handle.clone()) {
                    life::stop(&control, &dyno);
                }
                let (program, session_of) = (handle.open().await, handle.clone());
                let watched =
                    tokio::spawn(watch(control.clone(), dyno.clone(), handle.clone(), |left| match program {
                        Ok(program) => drop(client.send(Ok(Session {
                            program,
                            dyno: Some(session_of),
                            place: awaited.place,
                            left: Some(left),
                        }))),
                        Err(error) => drop(client.send(Err(format!("Failed to attach: {error}")))),
                    }));
                life::see_through(&control, dyno, running, more.life).await;
                watched.abort();
            }
            Err(error) => {
                let text = life::not_started(&control, &dyno, &error).await;
                note.remove().await;
                drop(client.send(Err(text)));
            }
        }
    });
}

/// An empty file whose name says which dyno of which app.
struct Note(PathBuf);

impl Note {
    async fn write(dir: &Path, dyno: &Dyno) -> Self {
        let note = Self(dir.join(NOTES).join(format!("{}.{}", dyno.app, dyno.name)));
        if let Err(error) = fs::write(&note.0, "").await {
            tracing::warn!(dyno = %dyno.name, %error, "It is not noted that this dyno waits for its client");
        }
        note
    }

    async fn remove(self) {
        if let Err(error) = fs::remove_file(&self.0).await {
            tracing::warn!(note = %self.0.display(), %error, "The note of a dyno that waited for its client stays");
        }
    }

    /// Which dyno it is of.
    fn of(&self) -> Option<(AppId, DynoName)> {
        let (app, dyno) = self.0.file_name()?.to_str()?.split_once('.')?;
        Some((app.parse().ok()?, dyno.parse().ok()?))
    }
}

/// Says the end of those dynos whose client had not come when the last server ended. Comes after the adoption.
pub(crate) async fn settle(control: &Control) -> std::io::Result<()> {
    let mut notes = fs::read_dir(control.settings.dir.join(NOTES)).await?;
    while let Some(entry) = notes.next_entry().await? {
        let note = Note(entry.path());
        if let Some((app, name)) = note.of()
            && control.registry.of_app(app).iter().all(|dyno| dyno.name != name)
        {
            journal::dyno(control, app, &name, NOBODY_LEFT).await;
            journal::dyno(control, app, &name, "State changed from starting to complete").await;
        }
        note.remove().await;
    }
    Ok(())
}

/// Nobody came, or somebody stopped it before (R13).
async fn give_up(control: &Control, dyno: &Dyno) {
    if control.registry.state(dyno.id) != Some(DynoState::Stopping) {
        journal::dyno(control, dyno.app, &dyno.name, R13).await;
    }
    journal::dyno(control, dyno.app, &dyno.name, "State changed from starting to complete").await;
    control.registry.remove(dyno.id);
    control.supervisor.wake(dyno.app);
}

/// Until somebody wants the end of a dyno that has no process yet.
async fn stopped(control: &Control, dyno: &Dyno) {
    let mut changes = control.registry.changes();
    loop {
        changes.borrow_and_update();
        let wanted = control.registry.state(dyno.id).is_some_and(|state| state != DynoState::Stopping);
        if !wanted || changes.changed().await.is_err() {
            return;
        }
    }
}

/// Hands a session out; when its client leaves before the program has ended, the program is hung up.
async fn watch(control: Control, dyno: Dyno, handle: DynoControl, hand_out: impl FnOnce(oneshot::Sender<Left>)) {
    let (left, told) = oneshot::channel();
    hand_out(left);
    let text = match told.await {
        Ok(Left::Idle) => Some("Nothing was said for an hour. Sending SIGHUP to all processes"),
        Ok(Left::Gone) => Some(CLOSED),
        // It has ended, or closed its streams, or the client was gone before it had its session.
        Err(_) => None,
    };
    if let Some(text) = text {
        journal::dyno(&control, dyno.app, &dyno.name, text).await;
    }
    hang_up(&control, &dyno, &handle).await;
}

/// SIGHUP to a program that nobody is attached to, until it ends (DYNO-53). It is not killed: it may go on as long as any
/// one-off dyno.
pub(crate) async fn hang_up(control: &Control, dyno: &Dyno, handle: &DynoControl) {
    let mut is_first = true;
    loop {
        if let Err(error) = handle.hang_up().await {
            tracing::debug!(dyno = %dyno.name, %error, "An attached dyno was not hung up");
        }
        if timeout(HANG_UP_PAUSE, handle.ended()).await.is_ok() {
            return;
        }
        if std::mem::take(&mut is_first) {
            journal::dyno(control, dyno.app, &dyno.name, R16).await;
        }
    }
}

/// Goes on with an attached dyno whose client was connected to the server before this one.
pub(crate) fn adopt(control: &Control, dyno: &Dyno, handle: DynoControl) {
    let (control, dyno) = (control.clone(), dyno.clone());
    tokio::spawn(async move {
        journal::dyno(&control, dyno.app, &dyno.name, CLOSED).await;
        hang_up(&control, &dyno, &handle).await;
    });
}

/// One more program in a dyno that runs; it starts when its client comes.
pub(crate) fn inside(control: &Control, dyno: Dyno, handle: DynoControl, spec: ExecSpec, mut awaited: Awaited) {
    let control = control.clone();
    tokio::spawn(async move {
        let Ok(Some(client)) = timeout(control.settings.attach_limit, awaited.client()).await else {
            return journal::dyno(&control, dyno.app, &dyno.name, R13).await;
        };
        let answer = match handle.exec(spec).await {
            Ok(program) => Ok(Session { program, dyno: None, place: awaited.place, left: None }),
            Err(error) => Err(format!("Failed to start the process in {}: {error}", dyno.name)),
        };
        drop(client.send(answer));
    });
}
