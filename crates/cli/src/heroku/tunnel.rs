//! The way to the SSH door: connections on loopback that go on over the API's own port.
//!
//! The official command line connects to port 80 of a host that the server names, and nothing can change that port. A server
//! without a door there names a host that does not exist; a hook in the child's own process leads that name here.

use super::loopback::accept;
use crate::error::{CliError, root_cause};
use crate::transport::Transport;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONNECTION, UPGRADE};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// What the child runs before anything else.
const HOOK: &str = include_str!("hook.cjs");

/// Connections at once: a browser that goes through `ps:socks` opens many.
const CONNECTIONS_LIMIT: usize = 64;

/// A listening tunnel.
pub(super) struct Tunnel {
    /// Where it listens.
    pub(super) addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Of the door.
    url: String,
    authorization: String,
    transport: Transport<Full<Bytes>>,
    /// Why a connection did not come about, for the end: the child says only that it did not.
    failed: Mutex<Option<String>>,
}

impl Tunnel {
    /// Listens, and serves for as long as the process runs.
    pub(super) async fn start(url: &str, token: &str, ca: Option<&Path>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            url: format!("{url}/ssh"),
            authorization: format!("Bearer {token}"),
            transport: Transport::default().trusting(ca),
            failed: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        tokio::spawn(accept(listener, CONNECTIONS_LIMIT, move |stream| {
            let shared = Arc::clone(&served);
            async move {
                if let Err(error) = Box::pin(shared.carry(stream)).await {
                    let mut failed = shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
                    *failed = Some(root_cause(&error));
                }
            }
        }));
        Ok(Self { addr, shared })
    }

    /// The hook that leads the child's connections here.
    pub(super) fn hook(&self) -> String {
        HOOK.replace("PORT_OF_THE_TUNNEL", &self.addr.port().to_string())
    }

    /// Why the last connection that did not come about did not.
    pub(super) fn failed(&self) -> Option<String> {
        self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    async fn carry(&self, mut stream: TcpStream) -> Result<(), CliError> {
        let local = |error: io::Error| CliError::local("go on to the server's SSH door", error);
        stream.set_nodelay(true).map_err(local)?;
        let request = Request::get(&self.url)
            .header(AUTHORIZATION, &self.authorization)
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "ssh")
            .body(Full::default());
        let request = request.map_err(|error| local(io::Error::other(error)))?;
        let answer = self.transport.send(request).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(local(io::Error::other(format!("it answered {}", answer.status()))));
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(|error| local(io::Error::other(error)))?;
        // However it ends, it ends for both.
        let _broken = copy_bidirectional(&mut stream, &mut TokioIo::new(upgraded)).await.is_err();
        Ok(())
    }
}

/// Node's options with one more module that comes first. `own`: those that the user has set.
pub(super) fn node_options(own: Option<&str>, hook: &Path) -> String {
    let hook = hook.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    let hook = format!("--require \"{hook}\"");
    own.map_or_else(|| hook.clone(), |own| format!("{own} {hook}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_options_stay() {
        let hook = Path::new("/srv/a b/\"c\"/hook.cjs");
        let quoted = r#"--require "/srv/a b/\"c\"/hook.cjs""#;
        assert_eq!(node_options(None, hook), quoted);
        assert_eq!(node_options(Some("--trace-warnings"), hook), format!("--trace-warnings {quoted}"));
    }
}
