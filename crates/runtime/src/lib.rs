//! Dynos: start, stop, observe, run to end; the sandbox itself.
//!
//! [`Runtime`] lives in `flowline serve`. It asks a small process, the nursery, to fork one keeper per dyno ([`keeper`]).
//! The keeper is the parent of the dyno's process tree ([`sandbox`]), limits it ([`cgroup`]), holds its output and leaves
//! its exit status on disk. Keepers outlive both `serve` and the nursery; [`Runtime::open`] finds them again.

mod adopt;
mod attached;
mod call;
mod cgroup;
mod dirs;
mod doctor;
mod dyno;
mod error;
mod folder;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod handover;
pub mod keeper;
mod meeting;
mod network;
mod nursery;
mod ports;
mod reached;
mod relay;
mod runtime;
mod sandbox;
mod spec;
mod sys;
mod wire;
mod written;

pub use attached::{AttachError, Attached, AttachedReader, AttachedWriter, ExecStatus};
pub use dirs::{prepare_dir, remove_dir};
pub use doctor::{Check, Level, doctor, doctor_with};
pub use dyno::{Dyno, DynoControl, Output, Stopped};
pub use error::RuntimeError;
pub use reached::Connection;
pub use runtime::{Adopted, Runtime, RuntimeConfig, accepts};
pub use spec::{Attach, DYNO_GID, DYNO_UID, DynoSpec, ExecSpec, RootImage, SpecError, WindowSize};
pub use written::{written, written_without_limit};
