//! Events of dynos. Their states live in memory and change where nobody can wait for a disk: the registry tells each change to a
//! queue, and one writer notes them, many at a time, in their order.

use crate::Control;
use crate::event::{self, Change, RETRY, Resource};
use model::dyno::{Dyno, DynoState};
use store::StoreError;
use tokio::sync::mpsc;

/// Changes that wait for the disk: those of a thousand dynos that all start and end at once. Beyond it changes are lost, and the
/// log says so; dynos never wait.
const WAITING_LIMIT: usize = 4096;

/// Changes in one transaction: the disk is asked once for all of them.
const BATCH: usize = 256;

/// A dyno's change.
#[derive(Debug, Clone)]
pub(crate) enum DynoChange {
    /// It is new.
    Came(Dyno),
    /// It is in another state.
    Moved {
        /// As it was.
        before: Dyno,
        /// As it is.
        now: Dyno,
    },
    /// It is gone.
    Went(Dyno),
}

impl DynoChange {
    fn dyno(&self) -> &Dyno {
        match self {
            Self::Came(dyno) | Self::Went(dyno) | Self::Moved { now: dyno, .. } => dyno,
        }
    }
}

/// Where the registry tells changes.
pub(crate) type Teller = mpsc::Sender<DynoChange>;

/// The queue.
pub(crate) fn queue() -> (Teller, mpsc::Receiver<DynoChange>) {
    mpsc::channel(WAITING_LIMIT)
}

/// Tells of a change, unless it is only falling asleep or waking: nothing about the dyno is different for its users.
pub(crate) fn tell(teller: &Teller, change: DynoChange) {
    if let DynoChange::Moved { before, now } = &change {
        let calm = |dyno: &Dyno| matches!(dyno.state, DynoState::Up | DynoState::Idle);
        if before.state == now.state || (calm(before) && calm(now)) {
            return;
        }
    }
    if let Err(error) = teller.try_send(change) {
        tracing::warn!(%error, "An event of a dyno was lost: they came faster than they could be kept");
    }
}

/// Notes changes as they come, until the server ends.
pub(crate) fn write(control: &Control, mut changes: mpsc::Receiver<DynoChange>) {
    let control = control.clone();
    tokio::spawn(async move {
        let mut batch = Vec::with_capacity(BATCH);
        while changes.recv_many(&mut batch, BATCH).await > 0 {
            while let Err(error) = note(&control, &batch).await {
                tracing::warn!(%error, "Events of dynos could not be noted; trying again");
                tokio::time::sleep(RETRY).await;
            }
            batch.clear();
        }
    });
}

async fn note(control: &Control, batch: &[DynoChange]) -> Result<(), StoreError> {
    let mut tx = control.store.begin().await?;
    for change in batch {
        // One of an app that is gone has nobody to be told to.
        let Some(app) = store::app::by_id(tx.db(), change.dyno().app).await? else { continue };
        let change = match change {
            DynoChange::Came(dyno) => Change::create(Resource::Dyno(&app, dyno)),
            DynoChange::Moved { before, now } => {
                Change::update(Resource::Dyno(&app, before), Resource::Dyno(&app, now))
            }
            DynoChange::Went(dyno) => Change::destroy(Resource::Dyno(&app, dyno)),
        };
        event::note(control, &mut tx, app.owner, &change).await?;
    }
    tx.commit().await
}
