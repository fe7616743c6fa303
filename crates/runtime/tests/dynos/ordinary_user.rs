//! All of it again without root, where the machine lets ordinary users make user namespaces.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Nobody's: no account of the machine has it.
const UID: u32 = 54_321;

#[test]
fn everything_works_as_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        // These tests run as an ordinary user already.
        return;
    }
    let can = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).uid(UID).gid(UID).status();
    if !can.is_ok_and(|status| status.success()) {
        println!("not tested: this machine closes user namespaces to ordinary users");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (tests, tmp) = (dir.path().join("tests"), dir.path().join("tmp"));
    fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    fs::copy(crate::support::keeper(), dir.path().join("flowline-keeper")).unwrap();
    fs::create_dir(&tmp).unwrap();
    chown(&tmp, Some(UID), Some(UID)).unwrap();
    let output = Command::new(tests).env("TMPDIR", &tmp).current_dir("/").uid(UID).gid(UID).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
