//! What a dyno sees and may do, and what not.

use crate::support::{Machine, shell, spec, with_mount};
use model::dyno::Exit;
use model::mount::Mount;
use runtime::DYNO_UID;

#[tokio::test]
async fn host_files_and_processes_are_out_of_sight() {
    let machine = Machine::new().await;
    let script = "ls -A /root /home 2>&1; cat /etc/shadow 2>&1; ls /etc/ssh 2>&1; ls -d /proc/[0-9]* | wc -l; ls -A /";
    let run = machine.sh(script).await;
    assert!(run.lines.iter().all(|line| !line.contains("bashrc")), "{run:?}");
    assert!(run.text().contains("shadow: No such file") && run.text().contains("/etc/ssh': No such file"), "{run:?}");
    let processes: u32 = run.lines.iter().find_map(|line| line.parse().ok()).unwrap();
    assert!(processes < 8, "{run:?}");
    for hidden in ["work", "mnt", "boot", "srv", "old_root"] {
        assert!(!run.lines.contains(&hidden.to_owned()), "{run:?}");
    }
}

#[tokio::test]
async fn nobody_is_root() {
    let machine = Machine::new().await;
    let run =
        machine.sh("id -u; id -un; grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status").await;
    assert_eq!(run.lines[..2], [DYNO_UID.to_string().as_str(), "dyno"]);
    let none = "0000000000000000";
    for capability in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(run.lines.contains(&format!("{capability}:\t{none}")), "{run:?}");
    }
    assert!(run.text().contains("NoNewPrivs:\t1") && run.text().contains("Seccomp:\t2"), "{run:?}");
}

/// Asks the kernel directly, so that no tool's own checks come first: `name error`.
pub(crate) const SYSTEM_CALLS: &str = r#"
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
NEWUSER, NEWNS = 0x10000000, 0x20000
for name, number, *args in [
    ("mount", 165, 0, b"/tmp", b"tmpfs", 0, 0), ("umount", 166, b"/proc", 2), ("pivot_root", 155, b"/tmp", b"/tmp"),
    ("chroot", 161, b"/tmp"), ("open_tree", 428, -100, b"/tmp", 1), ("fsopen", 430, b"tmpfs", 0),
    ("unshare", 272, NEWUSER), ("unshare", 272, NEWNS), ("clone", 56, NEWUSER | 17, 0, 0, 0, 0), ("setns", 308, 0, 0),
    ("keyctl", 250, 0, -3, 0), ("bpf", 321, 0, 0, 0), ("perf", 298, 0, 0, -1, -1, 0), ("io_uring", 425, 1, 0),
    ("userfaultfd", 323, 0), ("kexec", 246, 0, 0, 0, 0), ("init_module", 175, 0, 0, 0), ("reboot", 169, 0, 0, 0, 0),
    ("handle", 304, -100, 0, 0), ("sethostname", 170, b"x", 1), ("mknod", 133, b"/tmp/n", 0o20666, 0x103),
    ("setuid", 105, 0), ("clone3", 435, 0, 0), ("x32 getpid", 0x40000000 + 39),
]:
    result = libc.syscall(number, *args)
    print(name, ctypes.get_errno() if result == -1 else f"allowed: {result}")
import socket
for family in (17, 38, 40):
    try: socket.socket(family, socket.SOCK_STREAM if family != 38 else socket.SOCK_SEQPACKET); print("socket allowed")
    except OSError as error: print("socket", error.errno)
"#;

#[tokio::test]
#[cfg(target_arch = "x86_64")]
async fn no_way_back_to_power() {
    let machine = Machine::new().await;
    let run = machine.run(spec(&["python3", "-c", SYSTEM_CALLS])).await;
    for said in &run.lines {
        let expected = match said.split(' ').next() {
            Some("clone3" | "x32") => "38",
            Some("socket") => "97",
            // A user namespace does not even have a user 0.
            Some("setuid") if !rustix::process::geteuid().is_root() => "22",
            _others => "1",
        };
        assert!(said.ends_with(&format!(" {expected}")), "{said}: {run:?}");
    }
    assert_eq!(run.lines.len(), 27, "{run:?}");
}

#[tokio::test]
async fn the_first_process_keeps_its_memory_to_itself() {
    let machine = Machine::new().await;
    let script = "cat /proc/1/environ /proc/1/maps; head -c 1 /proc/1/mem; ls /proc/1/fd /proc/1/cwd/; tr '\\0' ' ' < /proc/1/cmdline";
    let run = machine.sh(&format!("({script}) 2>&1")).await;
    assert_eq!(run.lines.iter().filter(|line| line.contains("denied")).count(), 5, "{run:?}");
    assert!(run.text().ends_with("flowline keeper nursery "), "no path of the host: {run:?}");
}

#[tokio::test]
async fn what_a_parent_left_open_is_closed() {
    // Not marked to be closed, as a shell or a make leaves its own.
    let (_reader, left_open) = rustix::pipe::pipe().unwrap();
    let machine = Machine::new().await;
    let run = machine.sh("ls /proc/$$/fd; true").await;
    assert_eq!(run.lines, ["0", "1", "2"], "{left_open:?}");
}

#[tokio::test]
async fn the_stack_is_read_only_and_the_rest_is_not() {
    let machine = Machine::new().await;
    let script = "for d in / /usr /etc /bin /app /dev /sys /proc; do touch $d/x 2>/dev/null && echo wrote $d; done; \
                  for d in /tmp /var/tmp /dev/shm; do touch $d/x && echo $d; done; stat -c %a /tmp; echo x > /dev/stdout; \
                  echo y > /dev/stderr; head -c 3 /dev/urandom | wc -c; tty; python3 -c 'import pty; pty.openpty(); print(\"pty\")'";
    let run = machine.sh(script).await;
    assert_eq!(run.lines, ["/tmp", "/var/tmp", "/dev/shm", "1777", "x", "y", "3", "not a tty", "pty"]);
}

#[tokio::test]
async fn dyno_26_writes_stay_above_the_slug() {
    let machine = Machine::new().await;
    let (lower, upper, work) = (machine.folder("slug"), machine.folder("upper"), machine.folder("work"));
    std::fs::write(lower.join("old"), "slug\n").unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(lower.join("old"), Some(DYNO_UID), None).unwrap();
    }
    let mount = Mount::Overlay { lowers: vec![lower.clone()], upper: upper.clone(), work, to: "/app".into() };
    let mut wanted = with_mount(shell("cat old; echo changed > old; echo new > new; cat old new; rm old"), mount);
    wanted.cwd = "/app".into();
    let run = machine.run(wanted).await;
    assert_eq!((run.lines, run.exit), (vec!["slug".into(), "changed".into(), "new".into()], Exit::Code(0)));
    assert_eq!(std::fs::read_to_string(lower.join("old")).unwrap(), "slug\n");
    assert!(!lower.join("new").exists());
    for folder in ["upper", "work"] {
        runtime::remove_dir(&machine.dir.path().join(folder)).unwrap();
    }
}

#[tokio::test]
async fn layers_lie_over_one_another_even_with_odd_names() {
    let machine = Machine::new().await;
    let (top, bottom) = (machine.folder("a,b:c\\d"), machine.folder("bottom"));
    std::fs::write(top.join("file"), "top").unwrap();
    std::fs::write(bottom.join("file"), "bottom").unwrap();
    std::fs::write(bottom.join("other"), "below").unwrap();
    let mount = Mount::Overlay {
        lowers: vec![top, bottom],
        upper: machine.folder("upper"),
        work: machine.folder("work"),
        to: "/app".into(),
    };
    let run = machine
        .run(with_mount(shell("cat /app/file; echo; cat /app/other; echo; grep lowerdir /proc/mounts"), mount))
        .await;
    assert_eq!(run.lines[..2], ["top", "below"]);
    assert!(!run.lines[2].contains("bottom"), "the host's paths are nobody's business: {run:?}");
}

#[tokio::test]
async fn binds_files_and_memory_folders() {
    let machine = Machine::new().await;
    let (shared, fixed) = (machine.folder("cache"), machine.folder("packs"));
    std::fs::write(fixed.join("detect"), "#!/bin/sh\necho detected\n").unwrap();
    let mut wanted = shell(
        "echo kept > /cache/file; sh /packs/detect; touch /packs/x 2>/dev/null || echo read-only; cat /etc/limit; \
         test -w /etc/limit || echo read-only; head -c 2000000 /dev/zero > /ram/file 2>/dev/null || echo full",
    );
    wanted.mounts = vec![
        Mount::Bind { from: shared.clone(), to: "/cache".into(), writable: true },
        Mount::Bind { from: fixed, to: "/packs".into(), writable: false },
        Mount::File { to: "/opt/limit".into(), contents: "512\n".into() },
        Mount::Tmpfs { to: "/ram".into(), size_bytes: 1 << 20 },
    ];
    wanted.argv[2] = wanted.argv[2].replace("/etc/limit", "/opt/limit");
    let run = machine.run(wanted).await;
    assert_eq!(run.lines, ["detected", "read-only", "512", "read-only", "full"]);
    assert_eq!(std::fs::read_to_string(shared.join("file")).unwrap(), "kept\n");
}

#[tokio::test]
async fn a_link_in_the_slug_leads_no_mount_out() {
    let machine = Machine::new().await;
    let (slug, outside) = (machine.folder("slug"), machine.folder("outside"));
    std::os::unix::fs::symlink(&outside, slug.join("link")).unwrap();
    let mut wanted = shell("true");
    wanted.mounts = vec![
        Mount::Bind { from: slug, to: "/app".into(), writable: true },
        Mount::File { to: "/app/link/file".into(), contents: "inside".into() },
    ];
    assert!(machine.runtime.start(wanted).await.is_err(), "inside, the link leads nowhere");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn languages_work_in_it() {
    let machine = Machine::new().await;
    if std::path::Path::new("/usr/bin/node").exists() {
        let run = machine.run(spec(&["node", "-e", "console.log(require('os').hostname(), process.getuid())"])).await;
        assert_eq!(run.text(), format!("web-1 {DYNO_UID}"));
    }
    let script = "import ssl,socket,subprocess,threading,multiprocessing; ssl.create_default_context(); \
                  print(socket.gethostbyname('localhost'), socket.gethostbyname(socket.gethostname())); \
                  t=threading.Thread(target=print,args=('thread',)); t.start(); t.join(); \
                  print(subprocess.check_output(['echo','child']).decode().strip()); multiprocessing.Lock()";
    let run = machine.run(spec(&["python3", "-c", script])).await;
    assert_eq!(run.lines, ["127.0.0.1 127.0.1.1", "thread", "child"], "{run:?}");
}

#[tokio::test]
async fn language_packs_find_the_memory_limit() {
    let machine = Machine::new().await;
    let run = machine
        .sh("cd /sys/fs/cgroup && cat memory/memory.limit_in_bytes memory.max memory.high; : > memory.max")
        .await;
    assert_eq!(run.lines[..3], ["536870912", "536870912", "max"], "{run:?}");
    assert!(run.lines[3].contains("Read-only") || run.lines[3].contains("denied"), "{run:?}");
}
