//! Dynos that run a container image: it is their root, instead of this machine's own system.

use crate::sandbox::SYSTEM_CALLS;
use crate::support::{Machine, PATIENCE, Run, line, spec};
use model::dyno::Exit;
use model::mount::Mount;
use runtime::{Attach, DYNO_UID, Dyno, DynoSpec, ExecSpec, RootImage, WindowSize};
use std::fs;
use std::os::unix::fs::{MetadataExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An image of busybox, which needs nothing of the machine.
struct Image {
    machine: Machine,
    root: PathBuf,
}

impl Image {
    async fn new() -> Self {
        let machine = Machine::new().await;
        let root = machine.folder("image");
        for folder in ["bin", "etc", "root", "srv/www", "usr/bin"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let path = std::env::var_os("PATH").unwrap();
        let busybox = std::env::split_paths(&path).chain(["/usr/bin".into(), "/bin".into()]);
        let busybox = busybox.map(|folder| folder.join("busybox")).find(|program| program.is_file());
        fs::copy(busybox.expect("busybox (Debian: busybox-static)"), root.join("bin/busybox")).unwrap();
        for name in ["sh", "cat", "ls", "id", "whoami", "touch", "mkdir", "rm", "mv", "stat", "sleep", "grep", "tty"] {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        for name in ["httpd", "mount", "umount", "stty", "wc", "head", "ps", "hostname", "nslookup", "find", "chroot"] {
            symlink("/bin/busybox", root.join("usr/bin").join(name)).unwrap();
        }
        let account = format!("dyno:x:{DYNO_UID}:{DYNO_UID}:dyno:/:/bin/sh\n");
        fs::write(root.join("etc/passwd"), format!("root:x:0:0:root:/root:/bin/sh\n{account}")).unwrap();
        fs::write(root.join("etc/from-image"), "the image's\n").unwrap();
        fs::write(root.join("srv/www/index.html"), "hello\n").unwrap();
        Self { machine, root }
    }

    /// A command of its shell, on a fresh layer.
    fn shell(&self, script: &str) -> DynoSpec {
        give(&self.root);
        let mut wanted = spec(&["/bin/sh", "-c", script]);
        let layer = |name: &str| self.machine.folder(&format!("{name}-{}", wanted.id));
        let (upper, work) = (layer("upper"), layer("work"));
        wanted.root = Some(RootImage { image: self.root.clone(), upper, work });
        wanted
    }

    async fn sh(&self, script: &str) -> Run {
        self.machine.run(self.shell(script)).await
    }

    /// Every path with its kind, size and time: what no dyno may change.
    fn state(&self) -> Vec<(PathBuf, u32, u64, i64, i64)> {
        let mut found = Vec::new();
        walk(&self.root, &mut |path| {
            let about = fs::symlink_metadata(path).unwrap();
            found.push((path.to_owned(), about.mode(), about.len(), about.mtime(), about.mtime_nsec()));
        });
        found.sort();
        found
    }
}

/// As the builder unpacks it.
fn give(folder: &Path) {
    if rustix::process::geteuid().is_root() {
        walk(folder, &mut |path| lchown(path, Some(DYNO_UID), Some(DYNO_UID)).unwrap());
    }
}

fn walk(path: &Path, each: &mut dyn FnMut(&Path)) {
    each(path);
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::read_dir(path).unwrap().for_each(|child| walk(&child.unwrap().path(), each));
    }
}

#[tokio::test]
async fn an_image_is_all_that_its_dyno_sees() {
    let image = Image::new().await;
    let run = image
        .sh("cat /etc/from-image; whoami; id -u; hostname; ls /; ls /usr /etc; cat /etc/shadow /etc/os-release 2>&1; pwd")
        .await;
    assert_eq!(run.exit, Exit::Code(0), "{run:?}");
    assert_eq!(run.lines[..4], ["the image's", "dyno", &DYNO_UID.to_string(), "web-1"]);
    let root = ["bin", "dev", "etc", "proc", "root", "srv", "sys", "tmp", "usr"];
    assert_eq!(run.lines[4..13], root, "{run:?}");
    for hidden in ["share", "local", "app", "boot", "passwd-", ".files", "alternatives", "ssl"] {
        assert!(!run.lines.contains(&hidden.to_owned()), "{hidden}: {run:?}");
    }
    assert_eq!(run.lines.iter().filter(|line| line.contains("No such file")).count(), 2, "{run:?}");
    assert_eq!(run.lines.last().unwrap(), "/");
    let mounts = image.sh("cat /proc/mounts /proc/self/mountinfo").await;
    let host = image.machine.dir.path().display().to_string();
    assert!(!mounts.text().contains("/image") && !mounts.text().contains(&format!("{host}/upper")), "{mounts:?}");
}

#[tokio::test]
async fn it_writes_anywhere_and_the_image_stays_as_it_was() {
    let image = Image::new().await;
    let wanted = image.shell("true");
    let before = image.state();
    drop(wanted);
    let script = "set -e; for d in / /etc /usr /usr/bin /bin /root /srv/www /tmp /dev/shm; do touch $d/new; done; \
                  echo changed > /etc/from-image; rm /srv/www/index.html; mkdir -p /fresh/deep; mv /root /moved; \
                  echo x >> /etc/passwd; rm -r /usr/bin; cat /etc/from-image; ls /moved";
    let run = image.sh(script).await;
    assert_eq!((run.lines.as_slice(), run.exit), (&["changed".to_owned(), "new".to_owned()][..], Exit::Code(0)));
    assert_eq!(image.state(), before);
    let run = image.sh("cat /etc/from-image; test -e /fresh || echo untouched").await;
    assert_eq!(run.lines, ["the image's", "untouched"]);
}

#[tokio::test]
async fn what_no_image_brings_is_there() {
    let image = Image::new().await;
    let script = "echo x > /dev/null; head -c 3 /dev/urandom | wc -c; echo out > /dev/stdout; echo err > /dev/stderr; \
                  ls /dev; cat /proc/1/comm; stat -c %a /tmp /dev/shm; \
                  cat /etc/hosts; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; \
                  for d in /dev /sys /proc /sys/fs/cgroup; do touch $d/x 2>/dev/null && echo wrote $d; done; \
                  echo x 2>/dev/null > /etc/hosts || echo fixed";
    let run = image.sh(script).await;
    assert_eq!(run.lines[..3], ["3", "out", "err"], "{run:?}");
    let devices =
        ["fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"];
    assert_eq!(run.lines[3..16], devices, "{run:?}");
    assert_eq!(run.lines[16..19], ["init", "1777", "1777"]);
    assert!(run.lines[19..22].contains(&"127.0.1.1 web-1".to_owned()), "{run:?}");
    assert_eq!(run.lines[22..], ["536870912", "536870912", "fixed"]);
    if Path::new("/etc/resolv.conf").is_file() {
        let run = image.sh("cat /etc/resolv.conf").await;
        assert_eq!(run.text().trim_end(), fs::read_to_string("/etc/resolv.conf").unwrap().trim_end());
    }
}

#[tokio::test]
async fn a_server_of_an_image_answers_on_its_port() {
    let image = Image::new().await;
    let mut wanted = image.shell("exec httpd -f -p $PORT -h /srv/www");
    wanted.port = true;
    let mut dyno = image.machine.runtime.start(wanted).await.unwrap();
    let addr = dyno.addr.unwrap();
    let up = async {
        while !runtime::accepts(addr).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.unwrap();
    let got = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut connection = std::net::TcpStream::connect(addr).unwrap();
        connection.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(got.await.unwrap().ends_with("\r\n\r\nhello\n"));
    dyno.control().kill().await;
    Run::of(&mut dyno).await;
}

/// A program in a dyno that runs, to its end.
async fn exec(dyno: &Dyno, script: &str, terminal: Option<WindowSize>) -> String {
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    let env = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
    let wanted = ExecSpec { argv, env, cwd: "/srv".into(), attach: Attach { terminal } };
    let mut attached = dyno.control().exec(wanted).await.unwrap();
    let mut said = Vec::new();
    let read = async {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = attached.reader.read(&mut bytes).await {
            said.extend_from_slice(&bytes[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the stream has no end");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn further_programs_run_in_the_image_too() {
    let image = Image::new().await;
    let mut dyno =
        image.machine.runtime.start(image.shell("echo ready; echo mine > /srv/note; exec sleep 1000")).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    assert_eq!(exec(&dyno, "pwd; cat /etc/from-image; whoami; ls", None).await, "/srv\nthe image's\ndyno\nnote\nwww\n");
    let size = WindowSize { columns: 90, rows: 20 };
    let said = exec(&dyno, "tty; stty size; grep NoNewPrivs /proc/self/status", Some(size)).await;
    assert_eq!(said, "/dev/pts/0\r\n20 90\r\nNoNewPrivs:\t1\r\n");
    dyno.control().kill().await;
    Run::of(&mut dyno).await;
}

#[tokio::test]
async fn its_walls_are_those_of_every_dyno() {
    let image = Image::new().await;
    let script = "grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status; \
                  mount -t tmpfs x /srv 2>&1; umount /proc 2>&1; chroot /srv /bin/sh 2>&1; cat /proc/1/environ 2>&1";
    let run = image.sh(script).await;
    for capability in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(run.lines.contains(&format!("{capability}:\t0000000000000000")), "{run:?}");
    }
    assert!(run.text().contains("NoNewPrivs:\t1") && run.text().contains("Seccomp:\t2"), "{run:?}");
    assert_eq!(run.lines.len(), 10, "{run:?}");
    assert!(run.lines[6..].iter().all(|line| line.contains("denied") || line.contains("ermi")), "{run:?}");
}

#[tokio::test]
#[cfg(target_arch = "x86_64")]
async fn no_way_back_to_power_from_an_image() {
    let image = Image::new().await;
    // This machine's Python, which asks the kernel directly.
    let system = ["/bin", "/lib", "/lib64"].map(PathBuf::from);
    let mut wanted = image.shell("");
    wanted.argv = ["/usr/bin/python3", "-c", SYSTEM_CALLS].map(str::to_owned).to_vec();
    let bind = |from: &Path| Mount::Bind { from: from.to_owned(), to: from.to_owned(), writable: false };
    wanted.mounts = [PathBuf::from("/usr")]
        .iter()
        .chain(system.iter().filter(|path| path.is_dir()))
        .map(|path| bind(path))
        .collect();
    let run = image.machine.run(wanted).await;
    assert_eq!(run.lines.len(), 27, "{run:?}");
    assert!(run.lines.iter().all(|line| !line.contains("allowed")), "{run:?}");
}

#[tokio::test]
async fn links_of_an_image_lead_nothing_out() {
    let outside = tempfile::tempdir().unwrap();
    for name in ["hosts", "resolv.conf", "null"] {
        fs::write(outside.path().join(name), "precious").unwrap();
    }
    let before: Vec<_> = fs::read_dir(outside.path()).unwrap().map(|child| child.unwrap().file_name()).collect();
    let there = outside.path().display().to_string();
    let mut targets = vec![there, "..".into(), "/".into(), "/srv".into(), "/none".into(), "none/deeper".into()];
    targets
        .extend(["loop", "/etc/from-image", "/proc", "/proc/self/root", "/proc/self/cwd", "/dev"].map(str::to_owned));
    targets.extend((3..24).map(|number| format!("/proc/self/fd/{number}")));
    for place in ["etc", "dev", "proc", "tmp", "sys"] {
        let image = Image::new().await;
        if place == "etc" {
            fs::rename(image.root.join("etc"), image.root.join("etc-of-image")).unwrap();
        }
        for target in &targets {
            let target = if target == "loop" { place } else { target };
            symlink(target, image.root.join(place)).unwrap();
            let wanted = image.shell(&format!("echo here > /tmp/x && cat /tmp/x; test -L /{place} && echo link"));
            let said = match image.machine.runtime.start(wanted).await {
                Ok(mut dyno) => Run::of(&mut dyno).await.text(),
                Err(error) => error.to_string(),
            };
            let expected = match (place, target) {
                ("etc", "/proc" | "/dev") => "mounting at /etc/resolv.conf: ",
                ("etc", ".." | "/" | "/srv") => "here\nlink",
                (_, _) => "here",
            };
            assert!(
                said == expected || expected.starts_with("mount") && said.contains(expected),
                "{place} -> {target}: {said}"
            );
            fs::remove_file(image.root.join(place)).unwrap();
        }
    }
    let mut after: Vec<_> = fs::read_dir(outside.path()).unwrap().map(|child| child.unwrap().file_name()).collect();
    after.retain(|name| !before.contains(name));
    assert!(after.is_empty(), "{after:?}");
    for name in &before {
        assert_eq!(fs::read_to_string(outside.path().join(name)).unwrap(), "precious");
    }
}

#[tokio::test]
async fn files_and_links_in_the_way_give_way_in_the_dynos_own_layer() {
    let image = Image::new().await;
    for file in ["dev", "proc", "sys", "tmp"] {
        fs::write(image.root.join(file), "a file").unwrap();
    }
    symlink("../run/resolvconf/resolv.conf", image.root.join("etc/resolv.conf")).unwrap();
    symlink("/none/hosts", image.root.join("etc/hosts")).unwrap();
    drop(image.shell(""));
    let before = image.state();
    let run =
        image.sh("echo x > /dev/null; cat /proc/1/comm; grep -c web-1 /etc/hosts; touch /tmp/x; ls -d /sys/fs").await;
    assert_eq!(run.lines, ["init", "1", "/sys/fs"], "{run:?}");
    assert_eq!(image.state(), before);
}

#[tokio::test]
async fn mounts_lie_over_an_image_and_what_is_made_for_them_is_the_dynos() {
    let image = Image::new().await;
    let shared = image.machine.folder("shared");
    let mut wanted = image.shell("cat /opt/a/limit; touch /opt/a/mine /opt/mine; echo kept > /cache/x/file; ls /opt/a");
    wanted.mounts = vec![
        Mount::File { to: "/opt/a/limit".into(), contents: "512\n".into() },
        Mount::Bind { from: shared.clone(), to: "/cache/x".into(), writable: true },
    ];
    let run = image.machine.run(wanted).await;
    assert_eq!(run.lines, ["512", "limit", "mine"]);
    assert_eq!(fs::read_to_string(shared.join("file")).unwrap(), "kept\n");
}

#[tokio::test]
async fn an_image_that_is_not_there_or_has_no_program() {
    let image = Image::new().await;
    let mut wanted = image.shell("true");
    wanted.argv = vec!["/bin/none".into()];
    let run = image.machine.run(wanted).await;
    assert_eq!((run.text().contains("cannot run /bin/none"), run.exit), (true, Exit::Code(127)));
    let mut wanted = image.shell("true");
    wanted.root.as_mut().unwrap().image = image.machine.dir.path().join("none");
    let error = image.machine.runtime.start(wanted).await.err().unwrap().to_string();
    assert!(error.contains("opening the layer") && error.contains("/none"), "{error}");
    let mut wanted = image.shell("true");
    wanted.root.as_mut().unwrap().upper = "somewhere".into();
    let error = image.machine.runtime.start(wanted).await.err().unwrap().to_string();
    assert!(error.contains("`somewhere` is not an absolute path"), "{error}");
}
