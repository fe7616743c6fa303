//! The processes of this run, as the kernel lists them: all descendants of this test, orphans included.

use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use std::collections::{BTreeMap, BTreeSet};

/// What a process is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Serve,
    Router,
    Holder,
    Nursery,
    /// With what its dyno says it is: `shop web.1`; `None`: it has no dyno yet, or one of a build.
    Keeper(Option<(String, String)>),
    /// Below a keeper.
    Inside,
    /// Of git, or of nobody.
    Other(String),
}

/// One that runs.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    parent: i32,
    /// Its ancestors, the nearest first.
    line: Vec<i32>,
    name: String,
    pub(crate) role: Role,
}

/// Orphans come to this process, so that none can leave the list.
pub(crate) fn adopt_orphans() {
    set_child_subreaper(Some(getpid())).unwrap();
}

pub(crate) fn kill(pid: i32) {
    // It may have ended by itself.
    let _gone = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).is_err();
}

/// All that run, by their pids.
pub(crate) fn processes() -> Vec<Process> {
    let all: BTreeMap<i32, Process> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| read(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .map(|process| (process.pid, process))
        .collect();
    let own = getpid().as_raw_nonzero().get();
    let mut found: Vec<Process> = all.values().filter(|process| line(&all, process).contains(&own)).cloned().collect();
    let keepers: BTreeSet<i32> = found.iter().filter(|process| is_keeper(process)).map(|keeper| keeper.pid).collect();
    for process in &mut found {
        process.line = line(&all, process);
        process.role = if process.line.iter().any(|pid| keepers.contains(pid)) {
            Role::Inside
        } else if keepers.contains(&process.pid) {
            Role::Keeper(dyno_of(&all, process.pid))
        } else {
            role(process)
        };
    }
    found
}

fn read(pid: i32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let mut tail = tail.split_whitespace();
    let state = tail.next()?;
    let parent = tail.next()?.parse().ok()?;
    let name = head.split_once('(')?.1.to_owned();
    // An ended one that nobody has asked for yet holds nothing.
    (state != "Z" && state != "X").then_some(Process { pid, parent, line: Vec::new(), name, role: Role::Inside })
}

/// Its ancestors, the nearest first.
fn line(all: &BTreeMap<i32, Process>, process: &Process) -> Vec<i32> {
    let mut line = vec![process.parent];
    while let Some(next) = line.last().and_then(|pid| all.get(pid)) {
        line.push(next.parent);
    }
    line
}

fn is_keeper(process: &Process) -> bool {
    process.name == "flowline-keeper"
}

fn role(process: &Process) -> Role {
    let words = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    let words: Vec<String> = words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into()).collect();
    let has = |word: &str| words.iter().any(|known| known == word);
    match words.get(1).map(String::as_str) {
        Some("serve") => Role::Serve,
        Some("router") if has("--hold") => Role::Holder,
        Some("router") => Role::Router,
        Some("keeper") => Role::Nursery,
        _ => Role::Other(format!("{} {} ({})", process.pid, words.join(" "), process.name)),
    }
}

/// What the first process below a keeper that knows it says of its dyno.
fn dyno_of(all: &BTreeMap<i32, Process>, keeper: i32) -> Option<(String, String)> {
    all.values().filter(|process| line(all, process).contains(&keeper)).find_map(|process| {
        let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).ok()?;
        let variable = |name: &str| {
            let mut all = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            all.find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(ToOwned::to_owned))
        };
        Some((variable("CHAOS_APP")?, variable("DYNO")?))
    })
}

/// Those below a process.
pub(crate) fn below(processes: &[Process], pid: i32) -> Vec<Process> {
    processes.iter().filter(|process| process.line.contains(&pid)).cloned().collect()
}

/// The last parts of the cgroups that these processes are in: the names that Flowline drew for them.
pub(crate) fn cgroups(processes: &[Process]) -> BTreeSet<String> {
    let of = |process: &Process| std::fs::read_to_string(format!("/proc/{}/cgroup", process.pid)).unwrap_or_default();
    let inside = processes.iter().filter(|process| process.role == Role::Inside);
    let lines = inside.flat_map(|process| of(process).lines().map(ToOwned::to_owned).collect::<Vec<_>>());
    let names = lines.filter_map(|line| Some(line.rsplit_once('/')?.1.to_owned()));
    names.filter(|name| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).collect()
}

/// Both ends of a loopback connection by one end's port, as the kernel has them, each with the processes that have it open.
pub(crate) fn connection(port: u16) -> String {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap_or_default();
    let word = format!(":{port:04X}");
    let ends: Vec<&str> =
        table.lines().filter(|line| line.split_whitespace().skip(1).take(2).any(|end| end.ends_with(&word))).collect();
    let owners = |line: &str| -> Vec<String> {
        let Some(inode) = line.split_whitespace().nth(9) else { return Vec::new() };
        let socket = format!("socket:[{inode}]");
        let all = processes();
        let own = std::iter::once((getpid().as_raw_nonzero().get(), "this test".to_owned()));
        let has = |pid: &i32| {
            let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            files
                .filter_map(|file| std::fs::read_link(file.path()).ok())
                .any(|path| path.as_os_str() == socket.as_str())
        };
        let all = all.iter().map(|process| (process.pid, format!("{:?}", process.role)));
        all.chain(own).filter(|(pid, _)| has(pid)).map(|(pid, role)| format!("{pid} {role}")).collect()
    };
    let ends: Vec<String> = ends.into_iter().map(|line| format!("{} of {:?}", line.trim(), owners(line))).collect();
    format!("port {port}: {ends:#?}")
}
