//! Public HTTP data plane over a route table.
//!
//! A process of its own (`flowline router`): one thread per core, each with its own listening socket, its own copy of
//! the table and its own connections to dynos, so that no request waits for another thread. The control plane reaches
//! it over a Unix socket through [`link`]; without a control plane it goes on with the table that it has.

mod activity;
mod affinity;
mod answer;
mod buffers;
mod chance;
mod chunks;
mod client;
mod config;
mod connection;
mod control;
mod counts;
mod crowd;
mod date;
mod desk;
mod dispatch;
mod download;
mod entry;
mod error;
mod exchange;
mod failure;
mod field;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod handover;
mod head;
mod holder;
mod holding;
mod host;
mod line;
pub mod link;
mod listen;
mod log_line;
mod metrics;
mod outbox;
mod page;
mod pool;
mod predecessor;
mod process;
mod receipt;
mod request;
mod response;
mod rights;
mod saved;
mod socket;
mod table;
mod tunnel;
mod unsent;
mod upload;
mod wanted;
mod watch;
mod wire;
mod worker;

pub use activity::Activity;
pub use config::{BadArguments, Limits, RouterConfig};
pub use entry::Entry;
pub use error::RouterError;
pub use process::{Router, run};
pub use receipt::{Fared, Receipt};
