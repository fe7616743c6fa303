//! What this machine gives to dynos, and what is missing.

use crate::keeper::Findings;
use rustix::process::{Resource, geteuid, getpid, getrlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The first kernel with `mount_setattr` (the calls before it came earlier).
const KERNEL: (u32, u32) = (5, 12);

/// What a dyno may open (`model::dyno::Limits`).
const OPEN_FILES: u64 = 10_000;

/// All dynos share one user id, and with it this kernel limit, of which servers that watch files need one each.
const INOTIFY_INSTANCES: u64 = 1024;

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, but less well.
    Warning,
    /// Dynos cannot run.
    Bad,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub detail: String,
    /// What to do about it; empty when it is good.
    pub hint: String,
}

impl Check {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, level: Level::Good, detail: detail.into(), hint: String::new() }
    }

    fn warning(name: &'static str, detail: impl Into<String>, hint: &str) -> Self {
        Self { name, level: Level::Warning, detail: detail.into(), hint: hint.to_owned() }
    }

    fn bad(name: &'static str, detail: impl Into<String>, hint: &str) -> Self {
        Self { name, level: Level::Bad, detail: detail.into(), hint: hint.to_owned() }
    }
}

/// Looks at the machine, and runs a sandbox on it. For use in the `flowline` program only: it starts itself as
/// `keeper probe`.
#[must_use]
pub fn doctor() -> Vec<Check> {
    match std::env::current_exe() {
        Ok(exe) => doctor_with(&exe),
        Err(error) => vec![Check::bad("program", error.to_string(), "mount /proc")],
    }
}

/// [`doctor`] with another program whose `keeper` word is [`crate::keeper::main`].
#[must_use]
pub fn doctor_with(exe: &Path) -> Vec<Check> {
    let mut checks = vec![kernel(), identity()];
    match probe(exe) {
        Ok(findings) => {
            checks.extend([sandbox(&findings), overlay(&findings), limits(&findings), network(&findings)]);
        }
        Err(error) => checks.push(Check::bad("sandbox", error, "run `flowline doctor` with the installed program")),
    }
    checks.extend([open_files(), watches(), sockets()]);
    checks
}

fn kernel() -> Check {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= KERNEL {
        Check::good("kernel", release)
    } else {
        Check::bad("kernel", release, "Linux 5.12 or later is needed")
    }
}

/// As an ordinary user everything hangs on user namespaces, which distributions close in different ways.
fn identity() -> Check {
    let uid = geteuid();
    if uid.is_root() {
        return Check::good("user", "root: dynos run as a user of their own");
    }
    let detail = format!("ordinary user {}: dynos run as this user, in user namespaces", uid.as_raw());
    for (switch, closed, hint) in [
        ("/proc/sys/user/max_user_namespaces", 0, "sysctl user.max_user_namespaces=10000"),
        ("/proc/sys/kernel/unprivileged_userns_clone", 0, "sysctl kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            1,
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ] {
        if setting(switch) == Some(closed) {
            return Check::bad(
                "user",
                format!("{detail}, but {switch} is {closed}"),
                &format!("as root: {hint}; or run as root"),
            );
        }
    }
    Check::good("user", detail)
}

fn sandbox(findings: &Findings) -> Check {
    match &findings.sandbox {
        Ok(ms) => Check::good("sandbox", format!("a program ran in one ({ms} ms with all preparations)")),
        Err(why) => Check::bad("sandbox", why, "inside a container: run it privileged; else see the line above"),
    }
}

fn overlay(findings: &Findings) -> Check {
    match &findings.overlay {
        Ok(_) => Check::good("overlay", "a dyno can write over its slug"),
        Err(why) => {
            Check::bad("overlay", why, "load the overlay module; keep the data folder on ext4, xfs, btrfs or tmpfs")
        }
    }
}

fn limits(findings: &Findings) -> Check {
    if findings.unlimited.is_empty() {
        return Check::good("limits", format!("memory, CPU share and number of processes, by {}", findings.cgroups));
    }
    let hint = "run as root, or as a systemd service with Delegate=yes";
    Check::warning("limits", format!("{}: {}", findings.cgroups, findings.unlimited.join("; ")), hint)
}

fn open_files() -> Check {
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < OPEN_FILES => {
            let hint = "raise the hard limit: ulimit -Hn, LimitNOFILE= or limits.conf";
            Check::warning("open files", format!("{most} per process, where dynos expect {OPEN_FILES}"), hint)
        }
        most => Check::good("open files", most.map_or("unlimited".to_owned(), |most| format!("{most} per process"))),
    }
}

fn watches() -> Check {
    match setting("/proc/sys/fs/inotify/max_user_instances") {
        Some(few) if few < INOTIFY_INSTANCES => {
            let hint = "sysctl fs.inotify.max_user_instances=8192";
            Check::warning("file watches", format!("{few} watching processes for all dynos together"), hint)
        }
        enough => Check::good("file watches", enough.map_or("no limit known".to_owned(), |n| format!("{n} processes"))),
    }
}

fn sockets() -> Check {
    match crate::sys::landlock_version() {
        6.. => Check::good("local sockets", "dynos reach no abstract socket of the host (landlock)"),
        older => {
            let hint = "Linux 6.12 or later with landlock closes this";
            Check::warning("local sockets", format!("landlock {older}: dynos reach abstract sockets of the host"), hint)
        }
    }
}

fn network(findings: &Findings) -> Check {
    match &findings.network {
        Ok(()) => Check::good("network", "dynos reach the internet; not each other, nor services of this host"),
        Err(why) => {
            let hint = "run as root, for example as a system service, on a kernel with CONFIG_CGROUP_BPF and a unified \
                        cgroup hierarchy; until then run no apps of people whom you do not trust, nor beside services \
                        that only listen on 127.0.0.1";
            Check::warning(
                "network",
                format!("dynos share the host's network and reach all that listens on it: {why}"),
                hint,
            )
        }
    }
}

fn setting(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Runs the probe in a folder of its own, which goes again.
fn probe(exe: &Path) -> Result<Findings, String> {
    let dir: PathBuf = std::env::temp_dir().join(format!("flowline-doctor-{}", getpid().as_raw_nonzero()));
    fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let output = Command::new(exe).args(["keeper", "probe"]).arg(&dir).stdin(Stdio::null()).output();
    let removed = crate::dirs::remove_dir(&dir);
    let output = output.map_err(|error| format!("{}: {error}", exe.display()))?;
    removed.map_err(|error| format!("{}: {error}", dir.display()))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("{} keeper probe ended with {}", exe.display(), output.status))
}
