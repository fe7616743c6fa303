//! CPU per request of the router beside nginx, both in front of the same server. Lines: `name value unit`.
//!
//! `proxy_cost [--seconds N] [--rounds N]` needs nginx and wrk. `proxy_cost router …` is the router process itself.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program whose output is its result")]

use model::route::{Backend, Route, Web};
use model::time::Timestamp;
use model::world::World;
use router::RouterConfig;
use router::link::{LinkConfig, RouterEvent, RouterLink};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Failure = Box<dyn Error + Send + Sync>;

/// Both proxies get as many threads as the reference figures had.
const THREADS: usize = 2;
const CONNECTIONS: &str = "64";
const HOST: &str = "bench.localhost";

/// The machine's own clock and dice.
struct Machine;

impl World for Machine {
    #[allow(clippy::disallowed_methods, reason = "this is the place where the machine is asked")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn random(&self, bytes: &mut [u8]) {
        // A kernel without it would not have got this far.
        let _ = rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty());
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    let done = if args.next_if(|first| first == "router").is_some() {
        let config = RouterConfig::from_args(args).map_err(Failure::from);
        config.and_then(|config| Ok(router::run(&config, Arc::new(Machine))?))
    } else {
        let args = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
        runtime().and_then(|runtime| runtime.block_on(compare(Plan::from_args(args))))
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The router's log has this as its last line.
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

struct Plan {
    seconds: u32,
    rounds: u32,
}

impl Plan {
    fn from_args(args: Vec<String>) -> Self {
        let number = |name: &str, default| {
            let at = args.iter().position(|arg| arg == name);
            at.and_then(|at| args.get(at + 1)).and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        Self { seconds: number("--seconds", 4), rounds: number("--rounds", 3) }
    }
}

/// Something that passes requests on: its name, where it listens, its processes.
struct Proxy {
    name: &'static str,
    addr: SocketAddr,
    pids: Vec<u32>,
}

/// A child that ends with the comparison.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM lets nginx's master end its workers.
        if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(self.0.id()).unwrap_or(0)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

async fn compare(plan: Plan) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let (upstream, _upstream) = nginx(dir.path(), "upstream", |addr| upstream_conf(dir.path(), addr)).await?;
    fs::write(dir.path().join("index.html"), "x".repeat(1024))?;
    let mut running = Vec::new();
    let mut proxies = Vec::new();
    for (name, log) in
        [("nginx", "off"), ("nginx_log", "LOG bench"), ("nginx_log_buffered", "LOG bench buffer=64k flush=1s")]
    {
        let log = log.replace("LOG", &dir.path().join(format!("{name}.access")).display().to_string());
        let (addr, child) = nginx(dir.path(), name, |addr| proxy_conf(dir.path(), name, addr, upstream, &log)).await?;
        proxies.push(Proxy { name, addr, pids: family(child.0.id()) });
        running.push(child);
    }
    let mut links = Vec::new();
    for (name, request_log) in [("router", false), ("router_log", true)] {
        let (link, pid, lines) = router(&dir.path().join(name), request_log, upstream).await?;
        proxies.push(Proxy { name, addr: link.addr(), pids: vec![pid] });
        links.push((link, lines));
    }
    let measured = rounds(&plan, &proxies);
    for (link, _) in &links {
        link.stop().await?;
    }
    report(&proxies, &measured?);
    println!("router_log_lines {} lines", links.iter().map(|(_, lines)| lines.load(Ordering::Relaxed)).sum::<u64>());
    Ok(())
}

/// CPU seconds per 100,000 requests, and requests a second: by proxy, then by round.
fn rounds(plan: &Plan, proxies: &[Proxy]) -> Result<Vec<Vec<(f64, f64)>>, Failure> {
    let mut measured = vec![Vec::new(); proxies.len()];
    for round in 0..=plan.rounds {
        for (proxy, measured) in proxies.iter().zip(&mut measured) {
            // The first round only warms up.
            let seconds = if round == 0 { 1 } else { plan.seconds };
            let before = cpu_seconds(&proxy.pids)?;
            let requests = wrk(proxy.addr, seconds)?;
            let cost = (cpu_seconds(&proxy.pids)? - before) / requests * 100_000.0;
            if round > 0 {
                measured.push((cost, requests / f64::from(seconds)));
            }
        }
    }
    Ok(measured)
}

fn report(proxies: &[Proxy], measured: &[Vec<(f64, f64)>]) {
    let mut costs = std::collections::HashMap::new();
    for (proxy, rounds) in proxies.iter().zip(measured) {
        println!("{}_requests_per_s {:.0} 1/s", proxy.name, median(rounds.iter().map(|round| round.1).collect()));
        println!("{}_cpu {:.3} s/100k", proxy.name, median(rounds.iter().map(|round| round.0).collect()));
        costs.insert(proxy.name, rounds.iter().map(|round| round.0).collect::<Vec<_>>());
    }
    for (ours, theirs, name) in [
        ("router", "nginx", "router_cpu_ratio"),
        ("router_log", "nginx_log", "router_log_cpu_ratio"),
        ("router_log", "nginx_log_buffered", "router_log_cpu_ratio_buffered"),
    ] {
        // Round by round, because the machine itself changes pace.
        let ratios = costs[ours].iter().zip(&costs[theirs]).map(|(ours, theirs)| ours / theirs).collect();
        println!("{name} {:.3} x", median(ratios));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn wrk(addr: SocketAddr, seconds: u32) -> Result<f64, Failure> {
    let output = Command::new("wrk")
        .args(["-t1", "-c", CONNECTIONS, "-d", &format!("{seconds}s"), "-H", &format!("Host: {HOST}")])
        .arg(format!("http://{addr}/index.html"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("requests failed:\n{text}").into());
    }
    let requests =
        text.lines().find_map(|line| line.trim().split_once(" requests in ")).map(|(count, _)| count.parse());
    Ok(requests.ok_or_else(|| format!("wrk said:\n{text}"))??)
}

/// User and system time of these processes.
fn cpu_seconds(pids: &[u32]) -> Result<f64, Failure> {
    let mut ticks = 0;
    for pid in pids {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        ticks += fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    }
    // Fits an f64 for some thousand years.
    Ok(f64::from(u32::try_from(ticks)?) / f64::from(u32::try_from(rustix::param::clock_ticks_per_second())?))
}

/// A process and its children.
fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    std::iter::once(pid).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
}

async fn router(
    dir: &Path,
    request_log: bool,
    upstream: SocketAddr,
) -> Result<(RouterLink, u32, Arc<AtomicU64>), Failure> {
    fs::create_dir(dir)?;
    let config = LinkConfig {
        exe: std::env::current_exe()?,
        dir: dir.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        request_log,
        threads: NonZeroUsize::new(THREADS),
    };
    let (link, mut events) = RouterLink::ensure(config).await?;
    let lines = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            count.fetch_add(u64::from(matches!(event, RouterEvent::Log { .. })), Ordering::Relaxed);
        }
    });
    let id = uuid::Uuid::from_u128(1);
    let backends = vec![Backend { dyno: id.into(), name: "web.1".into(), addr: upstream }];
    let web = Web::Up { backends };
    link.set(Route { app: id.into(), name: "bench".parse()?, hosts: vec![HOST.into()], web }).await?;
    let children = family(std::process::id());
    let pid =
        children.into_iter().rev().find(|pid| is_router(*pid, dir)).ok_or("the router's process is not to be found")?;
    Ok((link, pid, lines))
}

fn is_router(pid: u32, dir: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&dir.display().to_string())
}

async fn nginx(
    dir: &Path,
    name: &str,
    conf: impl FnOnce(SocketAddr) -> String,
) -> Result<(SocketAddr, Running), Failure> {
    let addr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let path: PathBuf = dir.join(format!("{name}.conf"));
    fs::write(&path, conf(addr))?;
    let program =
        ["/usr/sbin/nginx", "nginx"].into_iter().find(|program| Path::new(program).exists()).unwrap_or("nginx");
    let child = Command::new(program).arg("-p").arg(dir).arg("-c").arg(&path).stderr(Stdio::inherit()).spawn()?;
    let child = Running(child);
    for _ in 0..500 {
        // The master listens before it has all its workers.
        let workers = family(child.0.id()).len() - 1;
        let wanted = if name == "upstream" { 1 } else { THREADS };
        if workers == wanted && tokio::net::TcpStream::connect(addr).await.is_ok() {
            return Ok((addr, child));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("nginx ({name}) did not start").into())
}

fn main_conf(dir: &Path, name: &str, workers: usize) -> String {
    let dir = dir.display();
    let mut conf = format!(
        "daemon off; worker_processes {workers}; pid {dir}/{name}.pid; error_log {dir}/{name}.error;\n\
         events {{ worker_connections 2048; }}\nhttp {{ keepalive_requests 100000000; keepalive_timeout 60s;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(conf, "{kind}_temp_path {dir}/{name}.{kind};");
    }
    conf
}

fn upstream_conf(dir: &Path, addr: SocketAddr) -> String {
    let conf = main_conf(dir, "upstream", 1);
    format!("{conf} access_log off; server {{ listen {addr}; root {}; }} }}\n", dir.display())
}

/// The same work as the router's: the same headers added, the same facts logged.
fn proxy_conf(dir: &Path, name: &str, addr: SocketAddr, upstream: SocketAddr, log: &str) -> String {
    let conf = main_conf(dir, name, THREADS);
    format!(
        "{conf} log_format bench 'at=info method=$request_method path=\"$request_uri\" host=$host \
         request_id=$request_id fwd=\"$proxy_add_x_forwarded_for\" dyno=web.1 connect=$upstream_connect_time \
         service=$upstream_response_time status=$status bytes=$bytes_sent protocol=http';\n\
         access_log {log};\n\
         upstream app {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}\n\
         server {{ listen {addr} reuseport; location / {{ proxy_pass http://app; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; proxy_set_header Host $host; proxy_set_header Via \"1.1 nginx\";\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;\n\
         proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Request-Start $msec;\n\
         proxy_set_header X-Request-Id $request_id; add_header Via \"1.1 nginx\"; }} }} }}\n"
    )
}
