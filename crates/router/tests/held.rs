//! The sockets outlive a router that is killed: who comes meanwhile waits, and is not refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use router::link::RouterLink;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::timeout;

/// A program of this folder, from the process list.
async fn pid_of(dir: &TempDir, what: &str, not: u32) -> u32 {
    let folder = dir.path().display().to_string();
    let find = || {
        let pids =
            std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let is_it = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            line.contains(&folder) && line.contains(what) && *pid != not
        };
        pids.into_iter().find(is_it)
    };
    let found = async {
        loop {
            match find() {
                // It can be found by others when its socket is there.
                Some(pid) if dir.path().join("router-holder.sock").exists() => return pid,
                Some(_) | None => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("there is no `{what}`"))
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// Every thread of it.
async fn stands_still(pid: u32) {
    let stopped = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    };
    while !std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().all(stopped) {
        tokio::task::yield_now().await;
    }
}

async fn saved(dir: &TempDir) {
    let saved = async {
        while !std::fs::read_to_string(dir.path().join("routes.json")).is_ok_and(|text| text.contains("shop")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, saved).await.expect("the table is not saved");
}

#[tokio::test]
async fn a_client_that_comes_between_two_routers_waits_and_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (link, events) = RouterLink::ensure(process_config(&dir)).await.unwrap();
    let upstream = Upstream::hello("hello").await;
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    saved(&dir).await;
    let holder = pid_of(&dir, "--hold", 0).await;
    let addr = link.addr();
    for change in ["none", "its holder", "an upgrade"] {
        match change {
            "its holder" => {
                kill(holder);
                assert_ne!(pid_of(&dir, "--hold", holder).await, holder);
            }
            "an upgrade" => assert_ne!(link.upgrade().await.unwrap(), 0),
            _ => {}
        }
        // One that stands still cannot answer, nor end: only its death frees the folder.
        let router = link.pid();
        kill_process(Pid::from_raw(i32::try_from(router).unwrap()).unwrap(), Signal::STOP).unwrap();
        stands_still(router).await;
        let mut waiting = Vec::new();
        for _ in 0..8 {
            waiting.push(Client::connect(addr).await);
        }
        kill(router);
        for client in &mut waiting {
            assert_eq!(client.get("/").await.text(), "hello", "after {change}");
        }
        while link.pid() == router {
            tokio::task::yield_now().await;
        }
    }
    link.stop().await.unwrap();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "a router that ends in order frees its port");
    drop((link, events));
}

#[tokio::test]
async fn without_a_control_plane_the_sockets_wait_for_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let (link, events) = RouterLink::ensure(process_config(&dir)).await.unwrap();
    let upstream = Upstream::hello("hello").await;
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    saved(&dir).await;
    pid_of(&dir, "--hold", 0).await;
    let (addr, router) = (link.addr(), link.pid());
    drop((link, events));
    kill(router);
    let mut client = Client::connect(addr).await;
    let (link, _events) = RouterLink::ensure(process_config(&dir)).await.unwrap();
    assert_eq!(client.get("/").await.text(), "hello");
    assert_eq!(link.addr(), addr);
    // A connection to another address is another port: the old one is free.
    drop((link, _events));
    kill(router_pid(&dir));
    let free = nobody().await;
    let (link, _events) =
        RouterLink::ensure(router::link::LinkConfig { listen: free, ..process_config(&dir) }).await.unwrap();
    assert_eq!(link.addr(), free);
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    link.stop().await.unwrap();
}
