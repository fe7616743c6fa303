//! The command line: the verbs of heroku over the Platform API.
//!
//! It speaks HTTP to a server like any other client. The binary flattens [`Command`] into its own, fills [`Env`] once and
//! calls [`run`]; nothing else here reads the environment.

mod account;
mod app;
mod args;
mod attached;
mod authorization;
mod build;
mod buildpack;
mod cert;
mod client;
mod collaborator;
mod command;
mod completion;
mod config_var;
mod confirm;
mod console;
mod credentials;
mod disk;
mod domain;
mod drain;
mod dyno;
mod env;
mod error;
mod feature;
mod formation;
mod git_credential;
mod heroku;
mod idle;
mod log;
mod login;
mod man;
mod member;
mod moment;
mod oauth_client;
mod one_off;
mod password;
mod pipeline;
mod pipeline_diff;
mod pipeline_setup;
mod printable;
mod promotion;
mod promotion_receipt;
mod receipt;
mod region;
mod release;
mod remote;
mod rendezvous;
mod secret;
mod server;
mod session;
mod ssh_key;
mod stream;
mod team;
mod team_app;
mod transfer;
mod transport;
mod tty;
mod two_factor;
mod webhook;

pub use command::{Command, HELP, run, run_on};
pub use console::Console;
pub use env::{Env, Terminal};
