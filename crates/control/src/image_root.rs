//! What a dyno of an image begins with: its root, its program, its environment.

use crate::{Control, sandbox};
use builder::ImageError;
use model::dyno::{Dyno, DynoRole};
use model::image::launch::{self, Files, Wish};
use model::image::{Image, Images};
use runtime::RootImage;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// No list of an image's users is longer; more is not read.
const PASSWD_LIMIT_BYTES: u64 = 1024 * 1024;

/// Where images have a bash.
const BASHES: [&str; 3] = ["bin/bash", "usr/bin/bash", "usr/local/bin/bash"];

/// A program of an image.
pub(crate) struct Program {
    pub(crate) folder: PathBuf,
    pub(crate) argv: Vec<String>,
    pub(crate) cwd: PathBuf,
    pub(crate) env: BTreeMap<String, String>,
}

/// The program of a dyno, with the image's files on this machine; `inside`: another one that is run in it. `None`: no image of the
/// release is for it.
pub(crate) async fn program(
    control: &Control,
    images: &Images,
    dyno: &Dyno,
    inside: Option<&str>,
) -> Result<Option<Program>, ImageError> {
    let one_off = (dyno.role == DynoRole::OneOff).then_some(dyno.command.as_str());
    let Some((image, wish)) = launch::choose(images, &dyno.name.process_type, one_off) else { return Ok(None) };
    of(control, image, inside.map_or(wish, Wish::Command)).await.map(Some)
}

async fn of(control: &Control, image: &Image, wish: Wish<'_>) -> Result<Program, ImageError> {
    // By its manifest, which names the layers: anybody may push other layers under the same configuration.
    let folder = control.images.unpacked.unpacked(&image.manifest, &image.layers).await?;
    let files = files(&folder);
    Ok(Program {
        argv: launch::argv(&image.config, wish, &files),
        cwd: launch::working_dir(&image.config).into(),
        env: launch::environment(&image.config, &files),
        folder,
    })
}

/// The image's files under what the dyno writes.
pub(crate) fn root(control: &Control, dyno: &Dyno, image: PathBuf) -> std::io::Result<RootImage> {
    let scratch = sandbox::scratch(control, dyno.id);
    let (upper, work) = (scratch.join("upper"), scratch.join("work"));
    std::fs::create_dir_all(&scratch)?;
    runtime::prepare_dir(&upper)?;
    runtime::prepare_dir(&work)?;
    Ok(RootImage { image, upper, work })
}

/// What there is of the files that decide how a program is run.
fn files(folder: &Path) -> Files {
    let there = |path: &str| open(folder, path, OFlags::PATH).is_some();
    let mut passwd = Vec::new();
    if let Some(file) = open(folder, "etc/passwd", OFlags::RDONLY | OFlags::NONBLOCK) {
        let read = File::from(file).take(PASSWD_LIMIT_BYTES).read_to_end(&mut passwd);
        if let Err(error) = read {
            tracing::debug!(folder = %folder.display(), %error, "An image's users could not be read");
        }
    }
    Files {
        shell: there("bin/sh"),
        bash: BASHES.into_iter().any(there),
        passwd: String::from_utf8_lossy(&passwd).into_owned(),
    }
}

/// A file of the image; its links mean places in the image, never of this machine.
fn open(folder: &Path, path: &str, flags: OFlags) -> Option<OwnedFd> {
    let root = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).ok()?;
    let about = rustix::fs::fstat(&found).ok()?;
    rustix::fs::FileType::from_raw_mode(about.st_mode).is_file().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_of_an_image_lead_to_its_own_files() {
        let image = tempfile::tempdir().unwrap();
        let at = |path: &str| image.path().join(path);
        std::fs::create_dir_all(at("usr/bin")).unwrap();
        std::fs::create_dir_all(at("etc")).unwrap();
        assert_eq!(files(image.path()), Files::default());
        // As busybox has it, with absolute links.
        symlink("/usr/bin", at("bin")).unwrap();
        symlink("/bin/busybox", at("usr/bin/sh")).unwrap();
        assert!(!files(image.path()).shell, "a link to nothing");
        std::fs::write(at("usr/bin/busybox"), "").unwrap();
        std::fs::write(at("etc/passwd"), "app:x:1:1::/srv:/bin/sh\n").unwrap();
        let found = files(image.path());
        assert!(found.shell && !found.bash);
        assert_eq!(found.passwd, "app:x:1:1::/srv:/bin/sh\n");
        // Outside there is one, inside there is none.
        std::fs::remove_file(at("etc/passwd")).unwrap();
        symlink("../../../../../../../../etc/passwd", at("etc/passwd")).unwrap();
        assert_eq!(files(image.path()).passwd, "");
    }
}
