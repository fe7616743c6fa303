//! The SSH door: programs, files and ports of dynos that run, for whoever has reserved a visit over the API.
//!
//! The user name is the secret, the method is `none`: it is sent behind the key exchange, to a server whose key the client has
//! checked. Bytes come in by the API's own port, or by a listener of their own.

mod door;
mod files;
mod host_key;
mod packet;
mod port;
mod program;
mod visitor;

pub use door::serve;
pub use host_key::HostKey;
