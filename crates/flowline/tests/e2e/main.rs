//! End to end: the real binary on port 0, with real git, SQLite, sandbox and router.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod access;
mod api_rules;
mod app_setup;
mod attached;
mod audit;
mod autoscale;
mod bad_input;
mod build_cancel;
mod buildpacks;
mod certs;
mod cli;
mod cli_edge;
mod client_rules;
mod container_images;
mod conventions;
mod cycling;
mod demo;
mod deploy_under_load;
mod disk;
mod disk_full;
mod domains;
mod dora;
mod drains;
mod ending;
mod error_counts;
mod forty_commits;
mod gate;
mod gates;
mod idle;
mod languages;
mod lifecycle;
mod limits;
mod logs;
mod malicious;
mod memory;
mod notifications;
mod one_off;
mod owners;
mod people;
mod pipelines;
mod promotions;
mod promotions_survive;
mod push;
mod release;
mod release_phase;
mod release_phase_survives;
mod release_tasks;
mod scale;
mod schema;
mod second_factor;
mod slow_build;
mod slugs;
mod ssh;
mod stand_in;
mod survive;
mod telemetry;
mod test_overrides;
mod test_runs;
mod test_runs_asked;
mod test_runs_survive;
mod tls;
mod tokens;
mod traffic;
mod verify;
mod verify_browser;
mod webhooks;

use testkit::Flow;

/// A Flowline of its own for one test.
async fn flow() -> Flow {
    Flow::start(env!("CARGO_BIN_EXE_flowline")).await
}
