//! The router process before this one, while it finishes what it holds.
//!
//! It gets every order that this one gets: it may still answer a last request on a connection that is kept alive, and
//! what is in flight on it counts when dynos are drained. Its log lines go into this process's outbox.

use crate::activity::Activity;
use crate::outbox::{Batch, Outbox};
use crate::receipt::Receipt;
use crate::unsent::Unsent;
use crate::wanted::Wanted;
use crate::wire::{self, Command, Frame, Notice, Order};
use crate::worker::InFlight;
use model::id::AppId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, oneshot};

/// Orders that wait to be written, and frames that are read ahead.
const QUEUE: usize = 64;

/// Nobody waits longer than this for an old process that hangs, but for a drain's own limit.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// An order, and who waits for its end.
type Errand = (Command, oneshot::Sender<Notice>);

/// The old process. Must be made and used inside a `LocalSet`.
pub(crate) struct Predecessor(mpsc::Sender<Errand>);

impl Predecessor {
    pub(crate) fn new(stream: UnixStream, outbox: Arc<Outbox>, wanted: Arc<Wanted>) -> Self {
        let (orders, waiting) = mpsc::channel(QUEUE);
        tokio::task::spawn_local(talk(stream, waiting, outbox, wanted));
        Self(orders)
    }

    /// Passes a change on; returns when it is made there.
    pub(crate) async fn change(&self, command: Command) {
        if tokio::time::timeout(ANSWER_LIMIT, self.order(command)).await.is_err() {
            tracing::warn!("The router before this one did not take an order in time");
        }
    }

    /// Passes a drain on; nothing is in flight on a process that is gone.
    pub(crate) async fn drain(&self, command: Command) -> InFlight {
        match self.order(command).await {
            Some(Notice::Drained { at_start, left, .. }) => InFlight { at_start, left },
            Some(_) | None => InFlight::default(),
        }
    }

    /// What the requests of an app meet there.
    pub(crate) async fn receipt(&self, app: AppId) -> Receipt {
        match tokio::time::timeout(ANSWER_LIMIT, self.order(Command::Receipt { app })).await {
            Ok(Some(Notice::Receipt { receipt, .. })) => receipt,
            Ok(_) | Err(_) => Receipt::default(),
        }
    }

    /// What is open of every app there, and how long nothing happened.
    pub(crate) async fn activity(&self) -> Vec<(AppId, Activity)> {
        match tokio::time::timeout(ANSWER_LIMIT, self.order(Command::Activity)).await {
            Ok(Some(Notice::Activity { apps, .. })) => apps,
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    /// The answer to an order; `None`: it is gone.
    async fn order(&self, command: Command) -> Option<Notice> {
        let (done, wait) = oneshot::channel();
        self.0.send((command, done)).await.ok()?;
        wait.await.ok()
    }

    /// Tells it to end soon.
    pub(crate) async fn stop(&self) {
        let (done, _) = oneshot::channel();
        // One that is gone has ended.
        let _ = self.0.send((Command::Stop, done)).await;
    }

    /// Resolves when it ended and all its lines are here.
    pub(crate) async fn gone(&self) {
        self.0.closed().await;
    }
}

async fn talk(stream: UnixStream, mut orders: mpsc::Receiver<Errand>, outbox: Arc<Outbox>, wanted: Arc<Wanted>) {
    let (from, mut to) = stream.into_split();
    let (frames, mut read) = mpsc::channel(QUEUE);
    // Reading a frame cannot be interrupted, so it has a task of its own.
    let reader = tokio::task::spawn_local(read_frames(from, frames));
    let mut open = HashMap::new();
    let mut last_id = 0;
    let mut unsent = Unsent::default();
    let mut writes = true;
    loop {
        tokio::select! {
            Some((command, done)) = orders.recv(), if writes && unsent.is_empty() => {
                last_id += 1;
                if unsent.push(&Order { id: last_id, command }).is_ok() {
                    open.insert(last_id, done);
                }
            }
            written = unsent.write(&mut to), if writes && !unsent.is_empty() => if written.is_err() {
                // What cannot be told to it any more it may still have lines of.
                writes = false;
                open.remove(&last_id);
            },
            frame = read.recv() => match frame {
                Some(Frame::Lines(bytes)) => match Batch::of(bytes) {
                    Some(batch) => outbox.put(batch),
                    None => tracing::warn!("The router before this one sent log lines that cannot be read"),
                },
                Some(Frame::Json(notice)) => take(notice, &mut open, &outbox, &wanted),
                None => break,
            },
        }
    }
    reader.abort();
    tracing::info!("The router before this one has ended");
}

fn take(notice: Notice, open: &mut HashMap<u64, oneshot::Sender<Notice>>, outbox: &Outbox, wanted: &Wanted) {
    let id = match &notice {
        Notice::Done { id }
        | Notice::Refused { id, .. }
        | Notice::Drained { id, .. }
        | Notice::Receipt { id, .. }
        | Notice::Activity { id, .. } => *id,
        Notice::Wanted { app } => return wanted.pass_on(*app),
        Notice::Dropped { count } => return outbox.lost(*count),
        Notice::Hello { .. } | Notice::Moved => return,
    };
    if let Some(done) = open.remove(&id) {
        // Whoever asked may have left.
        let _ = done.send(notice);
    }
}

async fn read_frames(mut from: OwnedReadHalf, frames: mpsc::Sender<Frame<Notice>>) {
    while let Ok(Some(frame)) = wire::read::<Notice>(&mut from).await {
        if frames.send(frame).await.is_err() {
            return;
        }
    }
}
