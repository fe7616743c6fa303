//! Connections: more of them than the machine has files.

use super::Street;
use std::process::Stdio;
use std::time::Duration;
use testkit::within;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const CROWD: &str = include_str!("crowd.py");

/// Connections at once, over all processes of the crowd: many times what the router may have open here.
const CONNECTIONS: usize = 100_000;

/// From one address: the kernel looks for a free port quickly only while most are free.
const PORTS: usize = 8_000;

/// A visitor is answered within this time, whoever else is at the door.
const PROMPT: Duration = Duration::from_secs(10);

/// As many connections as one process may have, from an address of their own.
fn member(street: &Street, number: usize, count: usize, begin: &str) -> Child {
    let router = street.flow.apps;
    let (port, count, source) = (router.port().to_string(), count.to_string(), format!("127.0.2.{}", number + 1));
    let mut command = Command::new("python3");
    command.args(["-c", CROWD, &router.ip().to_string(), &port, &count, &source, begin]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_connections_keep_no_visitor_out() {
    let street = Street::new().await;
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let each = usize::try_from(most).unwrap_or(usize::MAX).min(PORTS) - 100;
    let mut crowd: Vec<Child> = (0..CONNECTIONS.div_ceil(each))
        .map(|number| member(&street, number, each, ["", "GET / HTTP/1.1\r\nHost: slow"][number % 2]))
        .collect();
    let said = crowd.iter_mut().map(|member| BufReader::new(member.stdout.take().unwrap())).map(|mut out| async move {
        let mut line = String::new();
        out.read_line(&mut line).await.unwrap();
        line
    });
    let mut opening = std::pin::pin!(futures_util::future::join_all(said));
    let neighbour = street.neighbour();
    let mut visits = 0;
    let said = loop {
        tokio::select! {
            said = &mut opening => break said,
            answer = tokio::time::timeout(PROMPT, neighbour.get("/")) => {
                assert_eq!(answer.expect("an answer while the crowd comes").text(), "fine");
                visits += 1;
            }
        }
    };
    let opened = |line: &String| line.split([' ', ',', '\n']).nth(1).and_then(|count| count.parse::<usize>().ok());
    let all: usize = said.iter().filter_map(opened).sum();
    assert!(all >= CONNECTIONS && visits > 0, "{visits} visits, {said:?}");
    for _ in 0..20 {
        let answer = tokio::time::timeout(PROMPT, neighbour.get("/")).await;
        assert_eq!(answer.expect("an answer while the crowd stays").text(), "fine");
    }
    for member in &mut crowd {
        drop(member.stdin.take());
        within("the end of the crowd", member.wait()).await.unwrap();
    }
    street.end().await;
}
