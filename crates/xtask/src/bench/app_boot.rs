//! How long an app takes to boot by itself, without Flowline.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::BenchError;
use super::clock::now;
use super::server::io;

/// `node index.js` in this folder, from its start until it accepts a connection.
pub(super) fn boot(folder: &Path) -> Result<Duration, BenchError> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.map_err(io("no free port"))?;
    let begin = now();
    let mut command = Command::new("node");
    command.arg("index.js").current_dir(folder).env("PORT", address.port().to_string()).stdin(Stdio::null());
    let mut app = command.spawn().map_err(|error| BenchError::NotStarted("node".to_owned(), error))?;
    while TcpStream::connect(address).is_err() && matches!(app.try_wait(), Ok(None)) {
        std::thread::yield_now();
    }
    let taken = begin.elapsed();
    app.kill().and_then(|()| app.wait()).map_err(io("cannot stop the app"))?;
    Ok(taken)
}
