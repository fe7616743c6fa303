"""Reaches for files and processes of the host and of others. The paths on the command line are there on the host."""

import os
import stat
import subprocess
import sys

DEVICES = {"full", "null", "random", "tty", "urandom", "zero", "fd", "stdin", "stdout", "stderr", "ptmx", "pts", "shm"}
ROOT = {"app", "bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "opt", "proc", "run", "sbin", "sys"}
ROOT |= {"tmp", "usr", "var", ".files"}

READ = ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/root", "/home", "/boot", "/srv", "/mnt", "/proc/1/environ"]
READ += ["/proc/1/mem", "/proc/1/root", "/proc/1/fd", "/proc/1/cwd/etc", "/proc/kcore", "/proc/kmsg", "/dev/mem"]
READ += ["/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/sys/kernel", "/sys/class"]
READ += ["/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/bpf"]

WRITE = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches"]
WRITE += ["/proc/1/oom_score_adj", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/etc/passwd", "/etc/hosts"]
WRITE += ["/etc/ld.so.preload", "/usr/bin/env", "/usr/bin/new", "/bin/new", "/new", "/opt/flowline/bin/flowline", "/run/x"]


def say(name, reached):
    print(f"{name}: {'got through' if reached else 'stopped'}")


def readable(path):
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            return os.listdir(path) != []
        with open(path, "rb", buffering=0) as file:
            return len(file.read(1)) > 0
    except OSError:
        return False


def writable(path):
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
        return True
    except OSError:
        return False


def processes():
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def setuid_programs():
    for folder, _, names in os.walk("/usr"):
        for name in names:
            path = os.path.join(folder, name)
            try:
                about = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(about.st_mode) and about.st_mode & (stat.S_ISUID | stat.S_ISGID):
                yield path


def facts():
    with open("/proc/self/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


for path in READ + sys.argv[1:]:
    say("read " + path, readable(path))
for path in WRITE:
    say("write " + path, writable(path))
say("devices", set(os.listdir("/dev")) - DEVICES)
say("root", set(os.listdir("/")) - ROOT)
open_files = {int(name) for name in os.listdir("/proc/self/fd")}
say("inherited files", {fd for fd in open_files if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}")})
mine = processes()
say("processes of others", len(mine) > 8)
unseen = 0
for pid in range(2, 70_000):
    if pid not in mine:
        try:
            os.kill(pid, 0)
            unseen += 1
        except ProcessLookupError:
            pass
        except OSError:
            unseen += 1
say("signals to others", unseen)
programs = list(setuid_programs())
root = [path for path in programs if not os.statvfs(path).f_flag & os.ST_NOSUID]
say("programs that change who runs them", root)
now = facts()
say("new privileges", now["NoNewPrivs"] != "1")
say("capabilities", any(int(now[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")))
say("no filter", now["Seccomp"] != "2")
try:
    who = subprocess.run(["su", "-c", "id -u"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20).stdout
    say("su", who.strip() == b"0")
except (OSError, subprocess.TimeoutExpired):
    say("su", False)
print("that was all")
