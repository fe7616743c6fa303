//! One dyno from start to end: its lines into the log, its boot, its end.

use crate::lines::Lines;
use crate::registry::Mark;
use crate::sandbox::{OneOff, SandboxError};
use crate::{Control, journal, sample, sandbox};
use model::cycle;
use model::dyno::{BOOT_LIMIT_S, Dyno, DynoRole, DynoState, Exit, STOP_GRACE_S};
use model::id::DynoId;
use runtime::{DynoControl, Output};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;

/// How soon after a start the first look is taken whether a web dyno accepts; later ones come less often.
const FIRST_LOOK: Duration = Duration::from_millis(5);

/// The longest pause between two looks.
const SLOWEST_LOOK: Duration = Duration::from_millis(100);

/// A web dyno that leaves the routes may finish what it holds for this long before SIGTERM.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Starts a dyno and sees it through, in the background.
pub(crate) fn begin(control: &Control, dyno: Dyno) {
    // Nobody waits for it: the supervisor looks again.
    drop(begin_with(control, dyno, OneOff::default()));
}

/// The same with what only one-off dynos have. What comes back is closed when the dyno has a keeper, which outlives this
/// server, or none and the log says why.
pub(crate) fn begin_with(control: &Control, dyno: Dyno, more: OneOff) -> oneshot::Receiver<()> {
    control.registry.insert(dyno.clone(), None);
    let (starting, started) = oneshot::channel();
    let control = control.clone();
    tokio::spawn(async move {
        journal::dyno(&control, dyno.app, &dyno.name, format!("Starting process with command `{}`", dyno.command))
            .await;
        match sandbox::start_with(&control, &dyno, &more).await {
            Ok(running) => {
                if control.registry.started(dyno.id, running.addr, running.control()) {
                    stop(&control, &dyno);
                }
                drop(starting);
                see_through(&control, dyno, running, more.life).await;
            }
            Err(error) => drop(not_started(&control, &dyno, &error).await),
        }
    });
    started
}

/// Tells that a dyno has no process, and why.
pub(crate) async fn not_started(control: &Control, dyno: &Dyno, error: &SandboxError) -> String {
    let text = format!("The process could not be started: {error}");
    journal::dyno(control, dyno.app, &dyno.name, text.as_str()).await;
    tracing::warn!(app.id = %dyno.app, dyno = %dyno.name, %error, "A dyno could not be started");
    ended(control, dyno, Exit::Lost).await;
    text
}

/// Goes on with a dyno that outlived the server before this one. Its life counts from its start, not from this one.
pub(crate) fn adopt(control: &Control, dyno: Dyno, running: runtime::Dyno, life: Option<Duration>) {
    control.registry.adopt(dyno.clone(), Some(running.control()));
    let control = control.clone();
    tokio::spawn(async move { see_through(&control, dyno, running, life).await });
}

/// From its start to its end.
pub(crate) async fn see_through(control: &Control, dyno: Dyno, mut running: runtime::Dyno, life: Option<Duration>) {
    let handle = running.control();
    let boot = boot(control, &dyno, running.addr);
    tokio::pin!(boot);
    // What has ended does not boot any more: for a moment the dynos that it was to replace would seem to be replaced.
    let mut booting = !running.is_lost();
    let over = dyno.created_at.plus(life.unwrap_or(cycle::CYCLE)).since(control.now());
    let over = tokio::time::sleep(over);
    tokio::pin!(over);
    let mut limited = dyno.role == DynoRole::OneOff;
    let mut lines = Lines::of(handle.clone());
    let exit = loop {
        tokio::select! {
            () = lines.due() => lines.acknowledge(control).await,
            output = running.next() => match output {
                Some(Output::Line { seq, at, text }) => lines.keep(control, &dyno, seq, at, text).await,
                Some(Output::Dropped { count }) => {
                    let text = format!("Error L10 (output buffer overflow): {count} messages dropped");
                    journal::dyno(control, dyno.app, &dyno.name, text).await;
                }
                Some(Output::Exited(exit)) => break exit,
                None => break Exit::Lost,
            },
            up = &mut boot, if booting => {
                booting = false;
                if !up {
                    journal::dyno(control, dyno.app, &dyno.name, "Stopping process with SIGKILL").await;
                    kill(&handle);
                }
            }
            () = &mut over, if limited => {
                limited = false;
                journal::dyno(control, dyno.app, &dyno.name, life.map_or("Cycling", |_| "Its time to live is over")).await;
                stop(control, &dyno);
            }
        }
    };
    // The end is known by now; what was killed by the keeper's own end has no such reason.
    let why = handle.ended().await.out_of_memory;
    sample::explain_end(control, &dyno, why).await;
    ended(control, &dyno, exit).await;
    lines.finish(control).await;
}

/// SIGKILL; the end is seen where the output is read.
pub(crate) fn kill(handle: &DynoControl) {
    let handle = handle.clone();
    tokio::spawn(async move { handle.kill().await });
}

/// Ends a dyno that nobody waits for.
pub(crate) fn abandon(handle: DynoControl) {
    tokio::spawn(async move {
        handle.kill().await;
        if let Err(error) = handle.finish().await {
            tracing::warn!(%error, "The folder of an abandoned dyno was not removed");
        }
    });
}

/// Waits until a dyno accepts connections; at once when it has no port. `false`: it did not in time (R10).
async fn boot(control: &Control, dyno: &Dyno, addr: Option<SocketAddr>) -> bool {
    if let Some(addr) = addr {
        let accepts = async {
            let mut pause = FIRST_LOOK;
            while !runtime::accepts(addr).await {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(SLOWEST_LOOK);
            }
        };
        if tokio::time::timeout(Duration::from_secs(BOOT_LIMIT_S), accepts).await.is_err() {
            let text = format!(
                "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {BOOT_LIMIT_S} seconds of launch"
            );
            journal::dyno(control, dyno.app, &dyno.name, text).await;
            return false;
        }
    }
    if control.registry.booted(dyno.id, control.now()) {
        journal::dyno(control, dyno.app, &dyno.name, "State changed from starting to up").await;
        control.supervisor.wake(dyno.app);
    }
    true
}

/// Takes a dyno off the routes' mind: it finishes what it holds, then gets SIGTERM, then SIGKILL (DYNO-30).
pub(crate) fn stop(control: &Control, dyno: &Dyno) {
    let Some(handle) = control.registry.end(dyno.id, control.now()) else { return };
    // Who starts after this server must not send it requests again.
    Mark::Ending.put(&handle);
    let (control, dyno) = (control.clone(), dyno.clone());
    tokio::spawn(async move {
        if dyno.addr.is_some() {
            drain(&control, dyno.id).await;
        }
        journal::dyno(&control, dyno.app, &dyno.name, "Stopping all processes with SIGTERM").await;
        if handle.stop(Duration::from_secs(STOP_GRACE_S)).await.killed {
            let text = "Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM";
            journal::dyno(&control, dyno.app, &dyno.name, text).await;
            journal::dyno(&control, dyno.app, &dyno.name, "Stopping process with SIGKILL").await;
        }
    });
}

async fn drain(control: &Control, id: DynoId) {
    match control.router.drain(vec![id], DRAIN_LIMIT).await {
        Ok(drained) if drained.left > 0 => {
            tracing::warn!(dyno.id = %id, left = drained.left, "Requests were still in flight after {DRAIN_LIMIT:?}");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(dyno.id = %id, %error, "The router could not drain a dyno"),
    }
}

async fn ended(control: &Control, dyno: &Dyno, exit: Exit) {
    let before = control.registry.over(dyno.id).unwrap_or(DynoState::Stopping);
    sandbox::clean(control, dyno.id).await;
    let now = control.now();
    let (app, name) = (dyno.app, &dyno.name);
    journal::dyno(control, app, name, format!("Process exited with status {}", exit.status())).await;
    let expected = matches!(before, DynoState::Stopping) || dyno.role != DynoRole::Formation;
    if expected {
        let state = if dyno.role == DynoRole::Formation { "down" } else { "complete" };
        journal::dyno(control, app, name, format!("State changed from up to {state}")).await;
        control.registry.remove(dyno.id);
    } else {
        journal::dyno(control, app, name, format!("State changed from {} to crashed", before.word())).await;
        let retry_at = control.registry.crashed(dyno, dyno.since, now);
        let wait_s = retry_at.since(now).as_secs();
        if wait_s > 0 {
            journal::dyno(control, app, name, format!("It is tried again in {wait_s} seconds")).await;
        }
    }
    control.supervisor.wake(app);
}
