//! A channel to a port: a connection from inside the dyno, and its bytes.

use control::visit::Visit;
use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure};
use tokio::io::{copy_bidirectional, join};

/// From the wish to the end of the connection.
pub(crate) async fn attend(channel: Channel<Msg>, reply: ChannelOpenHandle, visit: &Visit, (host, port): (&str, u16)) {
    let mut connection = match Box::pin(visit.connect(host, port)).await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, host, port, "A port of a dyno was not reached");
            return reply.reject(ChannelOpenFailure::ConnectFailed).await;
        }
    };
    reply.accept().await;
    let (mut from, to) = channel.split();
    let mut client = join(from.make_reader(), to.make_writer());
    // However it ends, it ends for both.
    let _broken = copy_bidirectional(&mut client, &mut connection.stream).await.is_err();
    let _gone = to.close().await.is_err();
}
