//! Commands against a scripted server: what they send, what they print, how they exit.

mod apps;
mod config;
mod dynos;
mod errors;
mod logs;
mod payload;
mod releases;
mod shell;
mod support;
