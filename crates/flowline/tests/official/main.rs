//! The clients that people have, as they are published: the official command line, its npm client, the Python client.
//!
//! `scripts/setup test` installs them. What the command line's commands do here is written into docs/compatibility.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod app;
mod checklist;
mod clients;
mod command_line;
mod containers;
mod doors;
mod inside;
mod logins;
mod people;
mod pipelines;
mod remote;
mod table;

use command_line::{CommandLine, Ran};
use testkit::{Flow, Identity, Start};

async fn flow() -> Flow {
    Flow::start(env!("CARGO_BIN_EXE_flowline")).await
}

/// Every command that needs nothing but what is here, each lane on a server of its own; then the table.
#[tokio::test]
async fn the_official_command_line_and_its_table() {
    let ran = Ran::default();
    let (identity, folder) = (Identity::make(), tempfile::tempdir().unwrap());
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &identity.ca_pem).unwrap();
    let believing = Start::of(env!("CARGO_BIN_EXE_flowline")).with(&["--drain-ca", ca.to_str().unwrap()]);
    let (one, two, three, four, five) = tokio::join!(flow(), flow(), Flow::start_as(believing), flow(), flow());
    let lane = |flow| CommandLine::new(flow, ran.clone());
    tokio::join!(
        app::lane(lane(&one)),
        people::lane(lane(&two)),
        logins::lane(CommandLine::of_a_person(&two, ran.clone())),
        doors::lane(lane(&three), &identity),
        pipelines::lane(lane(&four)),
        containers::lane(lane(&five))
    );
    ran.nothing_failed();
    table::compare(&ran);
}

/// The same lane alone, for whoever changes it.
#[tokio::test]
#[ignore = "the test above runs it"]
async fn containers_alone() {
    let (ran, flow) = (Ran::default(), flow().await);
    containers::lane(CommandLine::new(&flow, ran.clone())).await;
    ran.nothing_failed();
}
