//! What is not its own: the host's files and kernel, its neighbours, the network behind the router.

use super::{NETWORK, Street, tried};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use testkit::{App, within};

/// Runs a program that tries things; each line says how one ended, and the last one that none is missing.
async fn stopped(app: &App<'_>, command: &str, at_least: usize) -> Vec<String> {
    let (said, status) = tried(app, command).await;
    assert_eq!((said.last().map(String::as_str), status.as_str()), (Some("that was all"), "0"), "{said:#?}");
    let through: Vec<&String> = said.iter().filter(|line| !line.contains(": stopped")).collect();
    assert_eq!(through, ["that was all"], "{said:#?}");
    assert!(said.len() > at_least, "{said:#?}");
    said
}

/// What the platform keeps beside apps: secrets, its database, its sockets, and a folder of every kind.
fn kept(dir: &Path) -> Vec<PathBuf> {
    let mut kept: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    kept.extend(std::fs::read_dir(dir.join("run")).unwrap().map(|entry| entry.unwrap().path()));
    kept.extend(std::fs::read_dir(dir.join("slugs")).unwrap().map(|entry| entry.unwrap().path()));
    assert!(kept.iter().any(|path| path.ends_with("admin.token")), "{kept:?}");
    assert!(kept.iter().any(|path| path.ends_with("master.key")), "{kept:?}");
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hosts_files_and_the_processes_of_others_are_out_of_reach() {
    let street = Street::new().await;
    let paths: Vec<String> = kept(street.flow.dir()).iter().map(|path| path.display().to_string()).collect();
    stopped(&street.malicious(), &format!("python3 files.py {}", paths.join(" ")), 40).await;
    // It may kill everything that it sees: that is its own.
    let command = "sleep inf & kill -KILL -1; wait $!; echo its own ended with $?; kill -KILL 1; echo over";
    let (said, _) = tried(&street.malicious(), command).await;
    assert!(said.iter().any(|line| line == "its own ended with 137"), "{said:?}");
    assert!(said.last().is_some_and(|line| line == "over"), "{said:?}");
    street.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kernel_gives_no_power_over_the_host() {
    let street = Street::new().await;
    let said = stopped(&street.malicious(), "python3 kernel.py", 35).await;
    // Refused as such: any other error would only mean that the try itself was badly made.
    let refusals = ["EPERM", "EACCES", "ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT"];
    let refused = |line: &String| refusals.iter().any(|why| line.ends_with(&format!(", {why}")));
    let others: Vec<&String> = said.iter().filter(|line| !refused(line)).collect();
    assert_eq!(others, ["that was all"]);
    street.end().await;
}

/// Where the cloud tells a machine its secrets.
const METADATA: [&str; 3] = ["169.254.169.254:80", "169.254.170.2:80", "[fd00:ec2::254]:80"];

/// Everything that listens on this machine for IPv4, as the kernel tells everybody who asks, by addresses that reach it.
fn listening() -> BTreeSet<SocketAddr> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (ip, port) = words[1].split_once(':').unwrap();
        let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).unwrap().swap_bytes());
        let ip = if ip.is_unspecified() { Ipv4Addr::LOCALHOST } else { ip };
        (words[3] == "0A").then(|| SocketAddr::from((ip, u16::from_str_radix(port, 16).unwrap())))
    });
    local.collect()
}

/// This machine's address for others, if it has one.
fn outer() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: the kernel looks for a way only.
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().unwrap() {
        SocketAddr::V4(own) => Some(*own.ip()),
        SocketAddr::V6(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_leads_to_no_service_of_the_host_and_to_no_other_dyno() {
    let street = Street::new().await;
    let (host, host_udp) = (TcpListener::bind("0.0.0.0:0").unwrap(), UdpSocket::bind("0.0.0.0:0").unwrap());
    host.set_nonblocking(true).unwrap();
    host_udp.set_nonblocking(true).unwrap();
    let (port, udp_port) = (host.local_addr().unwrap().port(), host_udp.local_addr().unwrap().port());
    let name = street.neighbour().run("python3 network.py keep").await;
    let keeps = street.neighbour().log_says(&format!("app[{name}]: keeps ")).await;
    let kept: u16 = keeps.rsplit(' ').nth(1).unwrap().parse().unwrap();
    assert!(keeps.ends_with(" True"), "{keeps}");
    let mut tries: BTreeSet<String> = METADATA.iter().map(|at| format!("tcp={at}")).collect();
    tries.extend(listening().into_iter().filter(|at| *at != street.flow.apps).map(|at| format!("tcp={at}")));
    for at in [Some(Ipv4Addr::LOCALHOST), Some(Ipv4Addr::new(127, 0, 1, 1)), Some(Ipv4Addr::UNSPECIFIED), outer()] {
        let Some(at) = at else { continue };
        for port in [port, kept, street.flow.api.port()] {
            tries.extend([format!("tcp={at}:{port}"), format!("tcp=[::ffff:{at}]:{port}")]);
        }
        tries.insert(format!("udp={at}:{udp_port}"));
    }
    tries.extend([format!("tcp=[::1]:{port}"), format!("tcp=[::1]:{}", street.flow.api.port())]);
    tries.extend(
        ["abstract=neighbour", "shared=99357415", "file=/dev/shm/neighbour", "file=/tmp/neighbour"].map(String::from),
    );
    let sockets = std::fs::read_dir(street.flow.dir().join("run")).unwrap();
    tries.extend(sockets.map(|socket| format!("unix={}", socket.unwrap().path().display())));
    let words: Vec<String> = tries.into_iter().collect();
    stopped(&street.malicious(), &format!("python3 network.py {}", words.join(" ")), 20).await;
    assert!(host.accept().is_err(), "a dyno reached a service of the host");
    assert!(host_udp.recv(&mut [0; 8]).is_err(), "a dyno's datagram reached a service of the host");
    // The same program does reach what may be reached: so the tries above are no empty ones.
    let (said, _) = tried(&street.malicious(), &format!("python3 network.py tcp={}", street.flow.apps)).await;
    assert!(said[0].ends_with("got through"), "{said:?}");
    let command =
        std::process::Command::new("python3").args(["-c", NETWORK, &format!("tcp=127.0.0.1:{port}")]).output();
    assert!(String::from_utf8_lossy(&command.unwrap().stdout).contains("got through"));
    street.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_in_a_neighbours_place() {
    let street = Street::new().await;
    let places: Vec<String> = listening().iter().map(|at| format!("place={}", at.port())).collect();
    let app = street.malicious();
    let name = app.run(&format!("python3 network.py {}", places.join(" "))).await;
    app.log_says(&format!("app[{name}]: that was all")).await;
    // Many at once, so that the router also makes new connections to the dyno.
    let (flow, host) = (&street.flow, street.neighbour().host());
    let visits = (0..40).map(|_| flow.visit(&host, "GET", "/", &[], bytes::Bytes::new()));
    let answers = within("the neighbour's answers", futures_util::future::join_all(visits)).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.text() == "fine")), "{answers:?}");
    app.log_says(&format!("heroku[{name}]: Process exited with status 0")).await;
    street.end().await;
}
