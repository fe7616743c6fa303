//! The stack: the parts of this machine's system that every dyno sees, read-only.
//!
//! Programs and libraries are the host's own folders. Of `/etc` only what programs need is copied, once, into a folder
//! that all dynos share; it is made again when one of its originals changes.

use super::fault::{Fault, Step};
use crate::spec::{DYNO_GID, DYNO_UID};
use rustix::process::getpid;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Folders of programs and libraries; links among them stay links.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/var/lib/dpkg"];

/// What programs read below `/etc`. Nothing with a secret in it, and of that only what everybody may read.
const SETTINGS: &[&str] = &[
    "alternatives",
    "apt",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "environment",
    "fonts",
    "gai.conf",
    "gitconfig",
    "gnutls",
    "host.conf",
    "ImageMagick-6",
    "ImageMagick-7",
    "inputrc",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "mime.types",
    "networks",
    "nginx",
    "npmrc",
    "nsswitch.conf",
    "os-release",
    "perl",
    "php",
    "pip.conf",
    "pki",
    "profile",
    "profile.d",
    "protocols",
    "python2.7",
    "python3",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "redhat-release",
    "resolv.conf",
    "rpc",
    "ruby",
    "services",
    "skel",
    "ssl",
    "terminfo",
    "timezone",
    "wgetrc",
    "xml",
];

/// Folders of `/etc` with hundreds of links in them and no secret: seen as they are now, instead of copied.
const LIVE: [&str; 2] = ["alternatives", "ssl/certs"];

/// Never, though below something listed above.
const PRIVATE: [&str; 3] = ["ssl/private", "apt/auth.conf", "apt/auth.conf.d"];

/// Settings are small; what is larger than this is not one.
const SETTING_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// What lies at the root, and the shared `/etc`.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    /// On the host, and below the new root; later ones lie over earlier ones.
    folders: Vec<(PathBuf, PathBuf)>,
    /// Below the new root, and where it points.
    links: Vec<(PathBuf, PathBuf)>,
    stacks: PathBuf,
    etc: PathBuf,
}

impl Stack {
    /// Looks at the machine and makes the `/etc` below `stacks`.
    pub(crate) fn prepare(stacks: &Path) -> Result<Self, Fault> {
        let (mut folders, mut links) = (Vec::new(), Vec::new());
        for path in SYSTEM.map(PathBuf::from) {
            if let Ok(target) = fs::read_link(&path) {
                links.push((inside(&path), target));
            } else if path.is_dir() {
                folders.push((path.clone(), inside(&path)));
            }
        }
        let mut stack = Self { folders, links, stacks: stacks.to_owned(), etc: PathBuf::new() };
        stack.refresh()?;
        stack.folders.push((stack.etc.clone(), "etc".into()));
        for live in LIVE.map(|name| Path::new("/etc").join(name)).into_iter().filter(|path| path.is_dir()) {
            stack.folders.push((live.clone(), inside(&live)));
        }
        Ok(stack)
    }

    /// Has the host's `/etc` changed (`apt upgrade`, another resolver)? Then a new one is made; dynos that run keep the
    /// old one.
    pub(crate) fn refresh(&mut self) -> Result<bool, Fault> {
        let etc = self.stacks.join(format!("etc-{:016x}", fingerprint()));
        if etc == self.etc {
            return Ok(false);
        }
        if !etc.is_dir() {
            // Two keepers may come to it at the same moment: each makes its own, the first one counts.
            let new = etc.with_extension(getpid().as_raw_nonzero().to_string());
            make_etc(&new).step("copying the needed part of /etc")?;
            if let Err(error) = fs::rename(&new, &etc) {
                let _left_for_the_next_start = crate::dirs::remove_dir(&new);
                etc.is_dir().then_some(()).ok_or(error).step("copying the needed part of /etc")?;
            }
        }
        for (from, _) in self.folders.iter_mut().filter(|(from, _)| *from == self.etc) {
            from.clone_from(&etc);
        }
        self.etc = etc;
        Ok(true)
    }

    /// To be bound: what, and where below the root.
    pub(super) fn folders(&self) -> &[(PathBuf, PathBuf)] {
        &self.folders
    }

    /// Who answers questions for names, if this machine has such a file.
    pub(super) fn resolver(&self) -> Option<PathBuf> {
        Some(self.etc.join("resolv.conf")).filter(|file| file.is_file())
    }

    /// To be made: the link below the root, and its target.
    pub(super) fn links(&self) -> &[(PathBuf, PathBuf)] {
        &self.links
    }
}

fn inside(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

/// Changes when a listed file or folder is replaced, or a folder's entries change.
fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    for name in SETTINGS {
        if let Ok(about) = fs::metadata(Path::new("/etc").join(name)) {
            (name, about.ino(), about.mtime(), about.mtime_nsec(), about.size()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn make_etc(etc: &Path) -> io::Result<()> {
    fs::create_dir_all(etc)?;
    fs::set_permissions(etc, fs::Permissions::from_mode(0o755))?;
    for name in SETTINGS {
        copy(Path::new("/etc"), Path::new(name), etc)?;
    }
    let passwd = format!(
        "root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
         dyno:x:{DYNO_UID}:{DYNO_GID}:dyno:/app:/bin/bash\n"
    );
    fs::write(etc.join("passwd"), passwd)?;
    fs::write(etc.join("group"), format!("root:x:0:\ntty:x:5:\nnogroup:x:65534:\ndyno:x:{DYNO_GID}:\n"))?;
    // Each dyno has its own laid over it.
    fs::write(etc.join("hosts"), "127.0.0.1 localhost\n")?;
    symlink("/proc/self/mounts", etc.join("mtab"))?;
    // apt wants the file even where sources come from a folder.
    fs::create_dir_all(etc.join("apt"))?;
    if !etc.join("apt/sources.list").exists() {
        fs::write(etc.join("apt/sources.list"), "")?;
    }
    Ok(())
}

/// Copies one entry with all below it. What not everybody may read is left out.
fn copy(from: &Path, name: &Path, to: &Path) -> io::Result<()> {
    let (source, target) = (from.join(name), to.join(name));
    if PRIVATE.iter().any(|private| Path::new(private) == name) {
        return Ok(());
    }
    let about = match fs::symlink_metadata(&source) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        about => about?,
    };
    if about.is_symlink() {
        return copy_link(&source, &target);
    }
    if about.is_dir() && about.mode() & 0o005 == 0o005 {
        fs::create_dir(&target)?;
        if LIVE.iter().any(|live| Path::new(live) == name) {
            return Ok(());
        }
        for entry in fs::read_dir(&source)? {
            copy(from, &name.join(entry?.file_name()), to)?;
        }
    } else if about.is_file() && about.mode() & 0o004 != 0 && about.size() <= SETTING_LIMIT_BYTES {
        copy_file(&source, &target)?;
    }
    Ok(())
}

fn copy_file(source: &Path, target: &Path) -> io::Result<()> {
    fs::copy(source, target)?;
    let mode = if fs::metadata(source)?.mode() & 0o111 == 0 { 0o644 } else { 0o755 };
    fs::set_permissions(target, fs::Permissions::from_mode(mode))
}

/// A link into what the dyno sees stays a link; another (`resolv.conf` into `/run`) becomes the file that it names.
fn copy_link(source: &Path, target: &Path) -> io::Result<()> {
    let points_to = fs::read_link(source)?;
    let visible = points_to.is_relative() || points_to.starts_with("/usr") || points_to.starts_with("/etc");
    match fs::canonicalize(source) {
        Ok(end) if !(end.starts_with("/usr") || end.starts_with("/etc")) || !visible => {
            if end.is_file() {
                copy_file(&end, target)
            } else {
                Ok(())
            }
        }
        _inside_or_dangling => symlink(points_to, target),
    }
}
