//! The nouns of Flowline, their states, and every decision that needs no I/O.
//!
//! Nothing here reads a clock, a file, a socket or chance: time and chance come in as values (see [`world`]).

pub mod account;
pub mod alarm;
pub mod app;
pub mod app_json;
pub mod audit;
pub mod author;
pub mod authorization;
pub mod budget;
pub mod build;
pub mod build_queue;
pub mod buildpack;
pub mod certificate;
pub mod collaborator;
pub mod commit;
pub mod commit_check;
pub mod config_var;
pub mod crash;
pub mod cycle;
pub mod delivery;
pub mod deployment;
pub mod disk;
pub mod domain;
pub mod dora;
pub mod dyno;
pub mod event;
pub mod failing_line;
pub mod feature;
pub mod formation;
pub mod freeze;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

pub mod id;
pub mod idle;
pub mod letter;
pub mod log;
pub mod log_drain;
pub mod memory;
pub mod mount;
pub mod notice;
pub mod notification_route;
pub mod oauth_client;
pub mod permission;
pub mod pipeline;
pub mod pipeline_coupling;
pub mod policy_file;
pub mod procfile;
pub mod promotion;
pub mod receipt;
pub mod region;
pub mod release;
pub mod retention;
pub mod route;
pub mod sample;
pub mod size;
pub mod slug;
pub mod smtp;
pub mod sni_endpoint;
pub mod source;
pub mod ssh_key;
pub mod stack;
pub mod stage_gate;
pub mod stage_policy;
pub mod tap;
pub mod team;
pub mod test_environment;
pub mod test_run;
pub mod time;
pub mod webhook;
pub mod world;
pub mod written;
pub mod yaml;
