//! Commands against a scripted server: what they send, what they print, how they exit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod apps;
mod config;
mod containers;
mod dynos;
mod errors;
mod features;
mod logs;
mod payload;
mod releases;
mod rendezvous;
mod shell;
mod support;
mod webhooks;
