//! The control thread: who may give orders, who takes over, and the end.

use crate::affinity;
use crate::desk::{self, Desk};
use crate::entry::Entry;
use crate::error::RouterError;
use crate::handover::{self, Offer, Sockets};
use crate::holding::{Guard, Holding};
use crate::metrics;
use crate::outbox::Outbox;
use crate::predecessor::Predecessor;
use crate::process::{self, Thread};
use crate::wanted::Wanted;
use crate::worker::Message;
use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// At the end: how long the last log lines may take to their reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the control thread starts with.
pub(crate) struct Control {
    pub(crate) dir: PathBuf,
    pub(crate) addr: SocketAddr,
    pub(crate) request_log: bool,
    pub(crate) affinity: affinity::Key,
    pub(crate) routes: Vec<Entry>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) stop: Arc<Notify>,
    pub(crate) sockets: Sockets,
    /// What is to outlive this process, however it ends.
    pub(crate) holding: Option<Holding>,
    /// The router before this one, where it handed over.
    pub(crate) predecessor: Option<net::UnixStream>,
}

/// A conversation, and how it is ended without half a word.
struct Talk {
    task: JoinHandle<()>,
    over: CancellationToken,
}

impl Talk {
    fn begin(desk: &Rc<Desk>, stream: UnixStream) -> Self {
        let over = CancellationToken::new();
        let task = tokio::task::spawn_local(desk::converse(Rc::clone(desk), stream, over.clone()));
        Self { task, over }
    }

    /// Says what is to be said, and that another process goes on.
    async fn end(mut self) {
        self.over.cancel();
        if tokio::time::timeout(LAST_WORDS, &mut self.task).await.is_err() {
            // Without a reader the last lines are lost, as they would be with one that hangs.
            self.task.abort();
        }
    }
}

/// How the time of accepting ended.
enum Ending {
    Stopped,
    /// A thread failed: another router is to come, and finds the sockets.
    Broken,
    /// The successor, which serves.
    HandedOver(UnixStream),
}

impl Control {
    /// Serves the control socket until the router is told to stop, or until another one took over.
    pub(crate) async fn run(self, threads: Vec<Thread>) -> Result<(), RouterError> {
        let Self { dir, addr, request_log, affinity, routes, outbox, wanted, stop, sockets, holding, predecessor } =
            self;
        let took_over = predecessor.is_some();
        let predecessor = match predecessor {
            Some(stream) => Some(UnixStream::from_std(stream).map_err(process::cannot_start)?),
            None => None,
        };
        let desk = Rc::new(Desk {
            dir,
            addr,
            routes: RefCell::new(routes.into_iter().map(|entry| (entry.route.app, entry)).collect()),
            predecessor: predecessor.map(|stream| Predecessor::new(stream, Arc::clone(&outbox), Arc::clone(&wanted))),
            outbox,
            wanted,
            stop,
            mailboxes: threads.iter().map(|thread| thread.messages.clone()).collect(),
            changed: Notify::new(),
            versions: desk::Versions::default(),
            saving: Mutex::new(()),
            drains: TaskTracker::new(),
        });
        // The old one may have been on its way to the disk.
        took_over.then(|| desk.changed.notify_one());
        let saver = tokio::task::spawn_local(desk::save_changes(Rc::clone(&desk)));
        let scraped = scraped(&desk, &sockets)?;
        let guard = holding.map(Guard::begin);
        let mut talk = None;
        let offer = |routes| Offer::new(addr, request_log, affinity, routes);
        let over = accept(&desk, &sockets, offer, &mut talk).await?;
        let is_wanted = matches!(over, Ending::Stopped);
        match over {
            Ending::Stopped | Ending::Broken => {
                stop_all(&desk).await;
                scraped.abort();
                if let Some(guard) = guard {
                    guard.end(is_wanted).await;
                }
                // The port is free: another router may take over while this one finishes what is in flight.
                drop(sockets);
                let ended = join(&desk, threads).await;
                saver.abort();
                desk.save().await;
                finish(&desk, talk).await;
                ended
            }
            Ending::HandedOver(successor) => {
                if let Some(guard) = guard {
                    guard.end(false).await;
                }
                saver.abort();
                scraped.abort();
                leave_all(&desk).await;
                drop(sockets);
                let talk = Talk::begin(&desk, successor);
                let joined = join(&desk, threads);
                tokio::pin!(joined);
                let ended = tokio::select! {
                    ended = &mut joined => ended,
                    () = desk.stop.notified() => {
                        stop_all(&desk).await;
                        joined.await
                    }
                };
                finish(&desk, Some(talk)).await;
                ended
            }
        }
    }
}

/// Answers Prometheus, where it may ask.
fn scraped(desk: &Rc<Desk>, sockets: &Sockets) -> Result<JoinHandle<()>, RouterError> {
    let listener = sockets.metrics.as_ref().map(TcpListener::try_clone).transpose().map_err(process::cannot_start)?;
    let desk = Rc::clone(desk);
    Ok(tokio::task::spawn_local(async move {
        if let Some(listener) = listener {
            metrics::serve(desk, listener).await;
        }
    }))
}

async fn accept(
    desk: &Rc<Desk>,
    sockets: &Sockets,
    offer: impl Fn(Vec<Entry>) -> Offer,
    talk: &mut Option<Talk>,
) -> Result<Ending, RouterError> {
    let listener = |socket: &net::UnixListener| socket.try_clone().and_then(UnixListener::from_std);
    let orders = listener(&sockets.orders).map_err(process::cannot_start)?;
    let succession = listener(&sockets.succession).map_err(process::cannot_start)?;
    loop {
        tokio::select! {
            accepted = orders.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                // One control plane at a time: the newest is the living one.
                if let Some(old) = talk.replace(Talk::begin(desk, stream)) {
                    old.task.abort();
                }
            }
            accepted = succession.accept() => {
                let Ok((mut stream, _)) = accepted else { continue };
                // From here to the end of the offer nothing changes: what the successor gets is all there is.
                if let Some(talk) = talk.take() {
                    talk.end().await;
                }
                let _unsaved = desk.saving.lock().await;
                match handover::offer(&mut stream, sockets, offer(desk.routes())).await {
                    Ok(()) => return Ok(Ending::HandedOver(stream)),
                    Err(error) => tracing::error!(%error, "A successor did not take over; this router goes on"),
                }
            }
            () = desk.stop.notified() => return Ok(Ending::Stopped),
            () = desk.some_thread_ended() => return Ok(Ending::Broken),
        }
    }
}

/// Every thread, and the router before this one, is to end soon; returns when the threads' sockets are closed.
async fn stop_all(desk: &Desk) {
    if let Some(predecessor) = &desk.predecessor {
        predecessor.stop().await;
    }
    desk.tell_all(|| {
        let (closed, wait) = oneshot::channel::<()>();
        (Message::Stop(closed), wait)
    })
    .await;
}

/// No thread accepts anything more.
async fn leave_all(desk: &Desk) {
    tracing::info!("Another router serves; this one finishes what it holds");
    desk.tell_all(|| {
        let (closed, wait) = oneshot::channel::<()>();
        (Message::Leave(closed), wait)
    })
    .await;
}

/// Waits for the ends of all threads, and of the router before this one, whose lines pass through here.
async fn join(desk: &Desk, threads: Vec<Thread>) -> Result<(), RouterError> {
    let ended = process::join(threads).await;
    if let Some(predecessor) = &desk.predecessor {
        predecessor.gone().await;
    }
    ended
}

/// The last answers and the last lines.
async fn finish(desk: &Desk, talk: Option<Talk>) {
    let last_words = async {
        desk.drains.close();
        desk.drains.wait().await;
        desk.outbox.close();
        if let Some(talk) = talk {
            // It ends with the last line, or with its reader.
            let _ = talk.task.await;
        }
    };
    // Without a reader the last lines are lost, as they would be with one that hangs.
    let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
}
