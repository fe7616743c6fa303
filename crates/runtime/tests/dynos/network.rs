//! What dynos reach: the internet, themselves and the router; not each other, not this machine.
//!
//! Where the machine gives no walls (an ordinary user), the doctor says so, and that is all there is to test.

use crate::support::{Machine, PATIENCE, Run, keeper, line, spec};
use runtime::{DynoSpec, Level, Runtime, RuntimeConfig, doctor_with};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

/// What every payload here begins with: `tcp` and `udp` say how an attempt went.
pub(crate) const PYTHON: &str = r#"
import errno, os, socket, sys, threading
def said(attempt):
    try:
        return attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def family(host):
    return socket.AF_INET6 if ':' in host else socket.AF_INET
def tcp(host, port):
    def attempt():
        with socket.create_connection((host, port), 5) as s:
            return 'open ' + s.recv(100).decode()
    return said(attempt)
def udp(host, port):
    def attempt():
        with socket.socket(family(host), socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(b'hello', (host, port))
            return 'sent'
    return said(attempt)
def listen(host, port):
    s = socket.socket(family(host))
    s.bind((host, port))
    s.listen()
    return s
def serve(s, answer):
    def loop():
        while True:
            c, peer = s.accept()
            c.sendall(answer(c, peer).encode())
            c.close()
    threading.Thread(target=loop, daemon=True).start()
"#;

pub(crate) fn python(script: &str) -> DynoSpec {
    spec(&["python3", "-u", "-c", &format!("{PYTHON}{script}")])
}

/// None: this machine gives no walls.
pub(crate) async fn walled() -> Option<Machine> {
    let machine = Machine::new().await;
    walls(&machine.runtime).then_some(machine)
}

#[allow(clippy::print_stdout, reason = "says why nothing was tested")]
fn walls(runtime: &Runtime) -> bool {
    match runtime.open_network() {
        None => true,
        Some(why) => {
            assert!(!rustix::process::geteuid().is_root(), "root has walls: {why}");
            println!("not tested: {why}");
            false
        }
    }
}

pub(crate) async fn lines(machine: &Machine, script: &str) -> Vec<String> {
    machine.run(python(script)).await.lines
}

/// A service that says `secret` to whoever connects.
pub(crate) fn service(at: impl Into<IpAddr>) -> SocketAddr {
    let listener = TcpListener::bind((at.into(), 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _gone = stream.and_then(|mut stream| stream.write_all(b"secret"));
        }
    });
    addr
}

/// An address of this machine that others can reach, if it has one.
fn outer_address(is_v4: bool) -> Option<IpAddr> {
    let output = Command::new("hostname").arg("-I").output().unwrap();
    let known = String::from_utf8(output.stdout).unwrap();
    known.split_whitespace().filter_map(|word| word.parse::<IpAddr>().ok()).find(|ip| ip.is_ipv4() == is_v4)
}

#[tokio::test]
async fn dyno_27_a_dyno_reaches_itself_by_every_name() {
    let Some(machine) = walled().await else { return };
    let script = r#"
s = listen('0.0.0.0', 7001)
serve(s, lambda c, peer: peer[0])
print(s.getsockname()[0])
for name in ['127.0.0.1', '127.9.9.9', 'localhost', '::ffff:127.0.0.1', '::1', '0.0.0.0']:
    print(name, tcp(name, 7001))
"#;
    let own = ["127.0.0.1", "127.9.9.9", "localhost", "::ffff:127.0.0.1", "::1", "0.0.0.0"];
    let mut wanted = vec!["127.0.0.1".to_owned()];
    wanted.extend(own.map(|name| format!("{name} open 127.0.0.1")));
    assert_eq!(lines(&machine, script).await, wanted);
}

#[tokio::test]
async fn dyno_27_servers_that_listen_on_ipv6_too_start_and_are_reached() {
    let Some(machine) = walled().await else { return };
    let script = r#"
both = listen('::', 7001)
serve(both, lambda c, peer: 'both')
print(tcp('127.0.0.1', 7001), both.getsockname()[0])
v4 = listen('0.0.0.0', 7002)
serve(v4, lambda c, peer: 'v4')
v6 = socket.socket(socket.AF_INET6)
v6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
v6.bind(('::', 7002))
v6.listen()
print(tcp('localhost', 7002), v6.getsockname()[0])
"#;
    assert_eq!(lines(&machine, script).await, ["open both ::ffff:127.0.0.1", "open v4 ::1"]);
}

#[tokio::test]
async fn dyno_27_datagrams_between_a_dynos_own_programs() {
    let Some(machine) = walled().await else { return };
    let script = r#"
for host, name in [('0.0.0.0', '127.0.0.1'), ('127.0.0.1', 'localhost'), ('::', '::ffff:127.0.0.1'), ('::', '::1')]:
    server = socket.socket(family(host), socket.SOCK_DGRAM)
    server.bind((host, 7001))
    client = socket.socket(family(name), socket.SOCK_DGRAM)
    client.settimeout(5)
    client.connect((name, 7001))
    client.send(b'ping')
    data, peer = server.recvfrom(100)
    server.sendto(data + b' pong', peer)
    print(client.recv(100).decode(), peer[0])
    server.close()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('0.0.0.0', 7001))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.sendto(b'free', ('127.0.0.1', 7001))
data, peer = server.recvfrom(100)
server.sendto(data, peer)
print(*client.recvfrom(100)[1])
"#;
    let wanted = [
        "ping pong 127.0.0.1",
        "ping pong 127.0.0.1",
        "ping pong ::ffff:127.0.0.1",
        "ping pong ::ffff:127.0.0.1",
        "127.0.0.1 7001",
    ];
    assert_eq!(lines(&machine, script).await, wanted);
}

#[tokio::test]
async fn dyno_27_only_the_router_reaches_a_dyno() {
    let Some(machine) = walled().await else { return };
    let mut web = python(
        "serve(listen('0.0.0.0', int(os.environ['PORT'])), lambda c, peer: peer[0])\nprint('up')\nthreading.Event().wait()",
    );
    web.port = true;
    let mut web = machine.runtime.start(web).await.unwrap();
    assert_eq!(line(&mut web).await, "up");
    let addr = web.addr.unwrap();
    let mut seen = String::new();
    TcpStream::connect(addr).unwrap().read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "127.0.0.1");
    // Another dyno: neither by the address that the router uses, nor by its own.
    let (ip, port) = (addr.ip(), addr.port());
    let script = format!(
        "print(tcp('{ip}', {port}), tcp('127.0.0.1', {port}), tcp('::ffff:{ip}', {port}))\n\
                          listen('0.0.0.0', {port}); print('mine')"
    );
    assert_eq!(lines(&machine, &script).await, ["ECONNREFUSED ECONNREFUSED ECONNREFUSED", "mine"]);
    // Nor anybody who comes from outside.
    if let Some(outer) = outer_address(true) {
        assert!(TcpStream::connect((outer, port)).is_err());
    }
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    web.control().kill().await;
    Run::of(&mut web).await;
}

#[tokio::test]
async fn dyno_27_services_of_the_host_are_closed() {
    let Some(machine) = walled().await else { return };
    let local = service(Ipv4Addr::LOCALHOST).port();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let heard = datagrams.local_addr().unwrap().port();
    let script = format!("print(tcp('127.0.0.1', {local}), tcp('::1', {local}), udp('127.0.0.1', {heard}))");
    assert_eq!(lines(&machine, &script).await, ["ECONNREFUSED ECONNREFUSED sent"]);
    datagrams.set_nonblocking(true).unwrap();
    assert!(datagrams.recv(&mut [0; 10]).is_err(), "it went to the dyno itself");
    for outer in [outer_address(true), outer_address(false)].into_iter().flatten() {
        let port = service(outer).port();
        let script = format!("print(tcp('{outer}', {port}), udp('{outer}', {port}), tcp('{outer}', 0))");
        assert_eq!(lines(&machine, &script).await, ["EPERM EPERM EPERM"], "{outer}");
    }
}

/// PostgreSQL, sshd, and much else: what listens at all addresses also listens at those of dynos.
#[tokio::test]
async fn dyno_27_services_of_the_host_at_all_addresses_are_closed() {
    let Some(machine) = walled().await else { return };
    for everywhere in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
        let datagrams = UdpSocket::bind((everywhere, 0)).unwrap();
        let (port, heard) = (service(everywhere).port(), datagrams.local_addr().unwrap().port());
        let hosts = ["127.0.0.1", "127.0.0.2", "::1"];
        let tries = hosts.map(|host| format!("tcp('{host}', {port})")).join(", ");
        let script = format!(
            "
print({tries})
for host in '127.0.0.1', '127.0.0.2', '0.0.0.0':
    udp(host, {heard})
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
c.connect(('127.0.0.1', {heard}))
said(lambda: c.send(b'hello'))
# A server of its own where its own address is free, and one that the kernel gave a port.
for own in listen('127.0.0.1', 0), listen('0.0.0.0', 0):
    serve(own, lambda c, peer: 'own')
    print(tcp('127.0.0.1', own.getsockname()[1]))
"
        );
        let said = lines(&machine, &script).await;
        assert!(!said[0].contains("open"), "{everywhere}: {said:?}");
        assert_eq!(said[1..], ["open own", "open own"], "{everywhere}");
        datagrams.set_nonblocking(true).unwrap();
        assert!(datagrams.recv(&mut [0; 10]).is_err(), "{everywhere}");
    }
}

#[tokio::test]
async fn dyno_27_neighbours_and_metadata_of_the_cloud_are_closed() {
    let Some(machine) = walled().await else { return };
    let closed = [
        "169.254.169.254",
        "169.254.1.1",
        "100.100.100.200",
        "fd00:ec2::254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "::2",
    ];
    for host in closed {
        let script = format!("print(tcp('{host}', 80), udp('{host}', 80))");
        assert_eq!(lines(&machine, &script).await, ["EPERM EPERM"], "{host}");
    }
}

#[tokio::test]
async fn what_the_operator_opens_is_open_and_the_router_always() {
    let dir = tempfile::tempdir().unwrap();
    let (local, database, router) =
        (service(Ipv4Addr::LOCALHOST), service(Ipv4Addr::LOCALHOST), service(Ipv4Addr::UNSPECIFIED));
    let mut config = RuntimeConfig::new(dir.path().join("dynos"), keeper());
    config.host_services = vec![database];
    let (runtime, _) = Runtime::open(config).await.unwrap();
    if !walls(&runtime) {
        return;
    }
    runtime.publish(vec![router]);
    let machine = Machine { runtime, dir };
    let (local, database, router) = (local.port(), database.port(), router.port());
    let script = format!("print(tcp('127.0.0.1', {local}), tcp('127.0.0.1', {database}), tcp('127.0.0.1', {router}))");
    assert_eq!(lines(&machine, &script).await, ["ECONNREFUSED open secret open secret"]);
    if let Some(outer) = outer_address(true) {
        let script = format!("print(tcp('{outer}', {router}), tcp('{outer}', {database}))");
        assert_eq!(lines(&machine, &script).await, ["open secret EPERM"]);
    }
}

#[tokio::test]
async fn dyno_27_nothing_that_listens_in_a_dyno_is_reached_from_outside() {
    let Some(machine) = walled().await else { return };
    let Some(outer) = outer_address(true) else { return };
    let script = format!(
        "
print(said(lambda: listen('{outer}', 7001)), said(lambda: listen('192.0.2.77', 7001)))
s = socket.socket()
s.listen()
print(s.getsockname()[1])
threading.Event().wait()"
    );
    let mut dyno = machine.runtime.start(python(&script)).await.unwrap();
    assert_eq!(line(&mut dyno).await, "EPERM EPERM");
    // The kernel gave it a port at every address; what arrives there is dropped.
    let port: u16 = line(&mut dyno).await.parse().unwrap();
    for ip in [outer, Ipv4Addr::LOCALHOST.into()] {
        let tried = TcpStream::connect_timeout(&(ip, port).into(), Duration::from_millis(300));
        assert_eq!(tried.unwrap_err().kind(), std::io::ErrorKind::TimedOut, "{ip}");
    }
    dyno.control().kill().await;
    Run::of(&mut dyno).await;
}

#[tokio::test]
async fn dyno_27_only_tcp_and_udp_and_no_more_of_the_kernel_than_routes() {
    let Some(machine) = walled().await else { return };
    let script = r#"
def made(*what):
    return said(lambda: socket.socket(*what).close() or 'made')
NETLINK, PACKET, VSOCK, ICMP, SCTP, MPTCP = 16, 17, 40, 1, 132, 262
print(made(socket.AF_INET, socket.SOCK_STREAM), made(socket.AF_INET6, socket.SOCK_DGRAM), made(NETLINK, socket.SOCK_RAW, 0))
print(made(socket.AF_INET, socket.SOCK_DGRAM, ICMP) == 'made', made(socket.AF_INET, socket.SOCK_RAW, 255))
print(made(NETLINK, socket.SOCK_RAW, 4), made(PACKET, socket.SOCK_RAW, 0), made(VSOCK, socket.SOCK_STREAM))
print(made(socket.AF_INET, socket.SOCK_STREAM, MPTCP) == 'made', made(socket.AF_INET, socket.SOCK_STREAM, SCTP) == 'made')
"#;
    let wanted = ["made made made", "False EPERM", "EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT", "False False"];
    assert_eq!(lines(&machine, script).await, wanted);
}

#[tokio::test]
async fn local_sockets_of_the_host_without_a_file_are_closed_where_the_kernel_can() {
    let name = format!("flowline-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let checks = tokio::task::spawn_blocking(|| doctor_with(&keeper())).await.unwrap();
    let closed = checks.iter().find(|check| check.name == "local sockets").unwrap().level == Level::Good;
    let script = format!(
        "
s = socket.socket(socket.AF_UNIX)
print(said(lambda: s.connect('\\0{name}') or 'open'))
own = socket.socket(socket.AF_UNIX)
own.bind('\\0own')
own.listen()
print(said(lambda: socket.socket(socket.AF_UNIX).connect('\\0own') or 'open'))"
    );
    let said = lines(&Machine::new().await, &script).await;
    assert_eq!(said, [if closed { "EPERM" } else { "open" }, "open"]);
}

#[tokio::test]
async fn a_killed_keeper_leaves_no_entry() {
    let Some(machine) = walled().await else { return };
    let mut dyno = machine.runtime.start(python("print('up'); threading.Event().wait()")).await.unwrap();
    assert_eq!(line(&mut dyno).await, "up");
    assert_eq!(machine.runtime.admitted(), Some(1));
    let keeper = crate::survive::parent(dyno.pid);
    rustix::process::kill_process(keeper, rustix::process::Signal::KILL).unwrap();
    Run::of(&mut dyno).await;
    let gone = async {
        // Its last process may need a moment to leave the cgroup.
        while machine.runtime.admitted() != Some(0) {
            assert!(machine.sh("true").await.exit.is_success());
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("its entry stays");
}
