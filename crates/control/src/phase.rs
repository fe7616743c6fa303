//! A command that runs once for a release, in a dyno of its own, with its output kept: release phase and verify.

use crate::lines::Lines;
use crate::output::OutputWriter;
use crate::{Control, journal, life, sample, sandbox};
use model::dyno::{Dyno, DynoName, DynoRole, DynoSize, DynoState, Exit, OutOfMemory};
use model::id::{AppId, ReleaseId};
use model::procfile::ProcessType;
use runtime::Output;
use std::time::Duration;
use store::StoreError;
use tokio::sync::watch;

/// Tells whenever a release was decided, a check has changed, or one need not wait any more.
pub(crate) struct Changes(watch::Sender<u64>);

impl Default for Changes {
    fn default() -> Self {
        Self(watch::channel(0).0)
    }
}

impl Changes {
    /// Something has changed.
    pub(crate) fn tell(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Wakes whenever something changes.
    pub(crate) fn hear(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// Waits until nobody waits for it any more, and says why: `ask` is asked again whenever something changes.
pub(crate) async fn unwanted<A>(control: &Control, what: &str, mut ask: impl FnMut() -> A) -> String
where
    A: Future<Output = Result<Option<String>, StoreError>>,
{
    let mut changes = control.phases.hear();
    loop {
        changes.borrow_and_update();
        match ask().await {
            Ok(Some(why)) => return why,
            Ok(None) => {}
            // The next change asks again.
            Err(error) => tracing::warn!(%error, "Whether {what} is still wanted is not known"),
        }
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over {
    /// Its exit.
    pub(crate) exit: Exit,
    /// Somebody wanted its end.
    pub(crate) stopped: bool,
    /// It ran longer than it may.
    pub(crate) late: bool,
    /// It was killed for its memory.
    pub(crate) out_of_memory: Option<OutOfMemory>,
}

impl Over {
    /// It had no process.
    pub(crate) const LOST: Self = Self { exit: Exit::Lost, stopped: false, late: false, out_of_memory: None };
}

/// What runs, as people call it, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) what: &'static str,
    pub(crate) limit: Duration,
}

/// The dyno for such a command.
pub(crate) async fn dyno(
    control: &Control,
    role: DynoRole,
    process_type: ProcessType,
    (app, release, version): (AppId, ReleaseId, i64),
    command: String,
) -> Result<Dyno, StoreError> {
    let now = control.now();
    Ok(Dyno {
        id: control.world.new_id(),
        app,
        size: size(control, app, &process_type).await?,
        name: DynoName { process_type, number: control.one_off_number() },
        role,
        command,
        release,
        version,
        addr: None,
        state: DynoState::Up,
        since: now,
        created_at: now,
        retired: false,
    })
}

/// What `ps:type` said of it (RELPH-4).
async fn size(control: &Control, app: AppId, process_type: &ProcessType) -> Result<DynoSize, StoreError> {
    let entries = store::formation::list(control.store.db(), app).await?;
    let found = entries.iter().find(|entry| entry.process_type == *process_type);
    Ok(found.map_or(DynoSize::Standard1X, |entry| entry.size))
}

/// It runs: from now on people see it.
pub(crate) async fn started(control: &Control, dyno: &Dyno, running: &runtime::Dyno) {
    control.registry.insert(dyno.clone(), Some(running.control()));
    journal::dyno(control, dyno.app, &dyno.name, format!("Starting process with command `{}`", dyno.command)).await;
    journal::dyno(control, dyno.app, &dyno.name, "State changed from starting to up").await;
}

/// It outlived the server before this one. What that one was ending is ended.
pub(crate) fn adopted(control: &Control, dyno: &Dyno, running: &runtime::Dyno) {
    control.registry.adopt(dyno.clone(), Some(running.control()));
    if dyno.state == DynoState::Stopping {
        life::stop(control, dyno);
    }
}

/// From its start to its end: lines into the log and the output; ended as any dyno when it runs too long (RELPH-24, RELPH-28),
/// or when `unwanted` says why nobody waits for it any more. The lines are to be finished when what came of it is noted: until then
/// a server that starts later finds its end again.
pub(crate) async fn follow(
    control: &Control,
    dyno: &Dyno,
    mut running: runtime::Dyno,
    writer: &mut OutputWriter,
    terms: Terms,
    unwanted: impl Future<Output = String>,
) -> (Over, Lines) {
    let Terms { what, limit } = terms;
    let handle = running.control();
    // From its start, also when another server began it.
    let late_at = tokio::time::sleep(dyno.created_at.plus(limit).since(control.now()));
    tokio::pin!(late_at, unwanted);
    let (mut late, mut dropped) = (false, false);
    let mut lines = Lines::of(handle.clone());
    let exit = loop {
        tokio::select! {
            () = lines.due() => lines.acknowledge(control).await,
            output = running.next() => match output {
                Some(Output::Line { seq, at, text }) => {
                    writer.line(&text);
                    lines.keep(control, dyno, seq, at, text).await;
                }
                Some(Output::Dropped { count }) => {
                    writer.line(&format!(" !     {count} lines were lost: they came faster than they could be kept"));
                }
                Some(Output::Exited(exit)) => break exit,
                None => break Exit::Lost,
            },
            () = &mut late_at, if !late => {
                late = true;
                writer.line(&format!(" !     The {what} ran longer than {} seconds and is ended", limit.as_secs()));
                life::stop(control, dyno);
            }
            why = &mut unwanted, if !dropped => {
                dropped = true;
                writer.line(&format!(" !     The {what} is ended: {why}"));
                life::stop(control, dyno);
            }
        }
    };
    let out_of_memory = handle.ended().await.out_of_memory;
    if out_of_memory.is_some() {
        writer.line(&format!(" !     The {what} ran out of memory and was killed"));
    }
    let stopped = control.registry.over(dyno.id) == Some(DynoState::Stopping) && !late;
    if stopped && !dropped {
        writer.line(&format!(" !     The {what} was stopped"));
    }
    sample::explain_end(control, dyno, out_of_memory).await;
    lines.acknowledge(control).await;
    (Over { exit, stopped, late, out_of_memory }, lines)
}

/// Its end in the log; its files go.
pub(crate) async fn ended(control: &Control, dyno: &Dyno, exit: Exit) {
    control.registry.remove(dyno.id);
    sandbox::clean(control, dyno.id).await;
    journal::dyno(control, dyno.app, &dyno.name, format!("Process exited with status {}", exit.status())).await;
    journal::dyno(control, dyno.app, &dyno.name, "State changed from up to complete").await;
}
