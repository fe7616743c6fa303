//! The user's container engine: Docker, else Podman. It builds and moves images; this program only tells it where to.

pub(crate) mod registry;

use std::env::split_paths;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// Docker's program.
pub(crate) const DOCKER: &str = "docker";

/// Podman's.
pub(crate) const PODMAN: &str = "podman";

/// The engines that are known, the first that is there is taken.
const ENGINES: [&str; 2] = [DOCKER, PODMAN];

/// The first on the PATH, which is not this program once more.
pub(crate) fn find(path: &OsStr) -> Option<PathBuf> {
    let own = std::env::current_exe().and_then(fs::canonicalize).ok();
    let runs = |path: &PathBuf| {
        let file = fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        file && fs::canonicalize(path).ok() != own
    };
    ENGINES.iter().find_map(|name| split_paths(path).map(|folder| folder.join(name)).find(runs))
}

/// Distributions offer Podman by the name `docker`, too. `command`: the program, without words yet.
pub(crate) fn is_podman(command: &mut Command) -> io::Result<bool> {
    let said = command.arg("--version").output()?;
    Ok(String::from_utf8_lossy(&said.stdout).to_ascii_lowercase().contains(PODMAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_comes_before_podman_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        let path = std::env::join_paths([&one, &two]).unwrap();
        assert_eq!(find(&path), None);
        for (folder, name) in [(&one, "podman"), (&two, "docker")] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(find(&path), None);
        for file in [one.join("podman"), two.join("docker")] {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            assert_eq!(find(&path), Some(file));
        }
        fs::remove_file(two.join("docker")).unwrap();
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), two.join("docker")).unwrap();
        assert_eq!(find(&path), Some(one.join("podman")));
    }
}
