//! One connection: who it is, and which channels it opens.

use crate::{port, program};
use control::Control;
use control::visit::Visit;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Session};
use russh::{Channel, ChannelId, ChannelOpenFailure, Error, Pty};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Programs, files and ports at once, over one connection.
const CHANNELS_LIMIT: usize = 16;

/// The one subsystem.
pub(crate) const FILES: &str = "sftp";

/// Somebody at the door, and later inside.
pub(crate) struct Visitor {
    control: Control,
    enter: Option<oneshot::Sender<()>>,
    visit: Option<Arc<Visit>>,
    room: Arc<Semaphore>,
    /// Channels that have not said what they are for.
    fresh: HashSet<ChannelId>,
}

impl Visitor {
    /// `enter` is told when it is known who it is.
    pub(crate) fn new(control: Control, enter: oneshot::Sender<()>) -> Self {
        let room = Arc::new(Semaphore::new(CHANNELS_LIMIT));
        Self { control, enter: Some(enter), visit: None, room, fresh: HashSet::new() }
    }

    fn admit(&self) -> Result<(Arc<Visit>, OwnedSemaphorePermit), ChannelOpenFailure> {
        let visit = self.visit.as_ref().ok_or(ChannelOpenFailure::AdministrativelyProhibited)?;
        let permit = Arc::clone(&self.room).try_acquire_owned();
        Ok((Arc::clone(visit), permit.map_err(|_full| ChannelOpenFailure::ResourceShortage)?))
    }

    /// A channel says once what it is for.
    fn begin(&mut self, channel: ChannelId, known: bool, session: &mut Session) -> Result<(), Error> {
        if self.fresh.remove(&channel) && known {
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }
}

impl Handler for Visitor {
    type Error = Error;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Error> {
        match Box::pin(self.control.visit(user)).await {
            Ok(visit) => {
                self.visit = Some(Arc::new(visit));
                // Whoever waits for it has given up only when the connection has ended.
                let _ended = self.enter.take().map(|enter| enter.send(()));
                Ok(Auth::Accept)
            }
            Err(error) => {
                tracing::info!(%error, "Nobody was let in by SSH");
                Ok(Auth::reject())
            }
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        match self.admit() {
            Ok((visit, permit)) => {
                self.fresh.insert(channel.id());
                reply.accept().await;
                tokio::spawn(async move {
                    program::attend(channel, &visit).await;
                    drop(permit);
                });
            }
            Err(why) => reply.reject(why).await,
        }
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        match (self.admit(), u16::try_from(port)) {
            (Ok((visit, permit)), Ok(port)) => {
                let host = host.to_owned();
                tokio::spawn(async move {
                    port::attend(channel, reply, &visit, (&host, port)).await;
                    drop(permit);
                });
            }
            (Err(why), _) => reply.reject(why).await,
            (Ok(_), Err(_none)) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        if self.fresh.contains(&channel) { session.channel_success(channel) } else { session.channel_failure(channel) }
    }

    /// The environment is that of the release.
    async fn env_request(&mut self, channel: ChannelId, _: &str, _: &str, session: &mut Session) -> Result<(), Error> {
        session.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        self.begin(channel, true, session)
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), Error> {
        self.begin(channel, true, session)
    }

    async fn subsystem_request(&mut self, channel: ChannelId, name: &str, session: &mut Session) -> Result<(), Error> {
        self.begin(channel, name == FILES, session)
    }
}
