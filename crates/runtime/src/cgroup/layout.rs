//! Which cgroup hierarchies are mounted, and where this process is in them.

use std::fs;
use std::path::{Path, PathBuf};

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    /// `cgroup2` has none; a v1 hierarchy names its controllers.
    controllers: Vec<String>,
    /// Which part of the hierarchy the mount shows; not `/` in many containers.
    root: PathBuf,
    /// Where.
    mounted_at: PathBuf,
    /// The present cgroup of this process in it.
    own: PathBuf,
}

/// All mounted hierarchies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    hierarchies: Vec<Hierarchy>,
}

impl Layout {
    /// From `/proc/self`; empty where that cannot be read.
    pub(crate) fn of_this_process() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
    }

    fn parse(mountinfo: &str, own: &str) -> Self {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        for found in mountinfo.lines().filter_map(|line| hierarchy(line, own)) {
            // Some machines mount a hierarchy twice; the first is where everybody looks.
            if !hierarchies.iter().any(|known| known.controllers == found.controllers) {
                hierarchies.push(found);
            }
        }
        Self { hierarchies }
    }

    /// The folder of this process's own cgroup for a v1 controller.
    pub(crate) fn own_v1(&self, controller: &str) -> Option<PathBuf> {
        let found = self.hierarchies.iter().find(|known| known.controllers.iter().any(|name| name == controller))?;
        Some(found.own_dir())
    }

    /// The v2 mount point and, below it, this process's own cgroup.
    pub(crate) fn own_v2(&self) -> Option<(&Path, PathBuf)> {
        let found = self.hierarchies.iter().find(|known| known.controllers.is_empty())?;
        Some((&found.mounted_at, found.own_dir()))
    }
}

impl Hierarchy {
    fn own_dir(&self) -> PathBuf {
        let inside = self.own.strip_prefix(&self.root).or_else(|_| self.own.strip_prefix("/"));
        self.mounted_at.join(inside.unwrap_or(Path::new("")))
    }
}

/// `id parent dev root mount-point options … - type source super-options`
fn hierarchy(line: &str, own: &str) -> Option<Hierarchy> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, mounted_at) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let kind = right.next()?;
    let options = right.nth(1)?;
    let controllers: Vec<String> = match kind {
        "cgroup2" => Vec::new(),
        "cgroup" => options.split(',').filter(|word| !["rw", "ro"].contains(word)).map(str::to_owned).collect(),
        _ => return None,
    };
    let own = own.lines().find_map(|line| own_path(line, &controllers))?;
    Some(Hierarchy { controllers, root: root.into(), mounted_at: mounted_at.into(), own })
}

/// `id:controllers:path`; no controllers means v2.
fn own_path(line: &str, controllers: &[String]) -> Option<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (names, path) = (parts.next()?, parts.next()?);
    let names: Vec<&str> = names.split(',').filter(|name| !name.is_empty()).collect();
    let same = if controllers.is_empty() {
        names.is_empty()
    } else {
        names.iter().any(|name| controllers.iter().any(|known| known == name))
    };
    same.then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_layout_with_combined_controllers_and_a_bound_root() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n\
                      31 25 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      22 1 8:1 / / rw - ext4 /dev/vda rw\n";
        let own = "4:memory:/docker/abc/in\n3:cpu,cpuacct:/user.slice\n0::/user.slice/x.scope\n";
        let layout = Layout::parse(mounts, own);
        assert_eq!(layout.own_v1("memory"), Some("/sys/fs/cgroup/memory/in".into()));
        assert_eq!(layout.own_v1("cpu"), Some("/sys/fs/cgroup/cpu,cpuacct/user.slice".into()));
        assert_eq!(layout.own_v1("pids"), None);
        let (mounted_at, own) = layout.own_v2().unwrap();
        assert_eq!(
            (mounted_at, own),
            (Path::new("/sys/fs/cgroup/unified"), "/sys/fs/cgroup/unified/user.slice/x.scope".into())
        );
    }
}
