//! Dynos on this machine, with everything real: processes, namespaces, cgroups.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test, a panic is the report")]

mod attached;
mod cable;
mod doctor;
mod freeze;
mod image;
mod limits;
mod network;
mod ordinary_user;
mod run;
mod sandbox;
mod support;
mod survive;
