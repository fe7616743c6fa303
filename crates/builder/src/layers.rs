//! Dependency folders that a pack need not install again: mounted over the build, not copied into it.
//!
//! A pack may bring two programs beyond the classic API. `bin/layers BUILD_DIR CACHE_DIR ENV_DIR` prints a line
//! `<folder> <key>` for each folder that follows from the key alone; `bin/install` (same arguments) makes them when the
//! cache has none for that key. During `bin/compile` each lies as an overlay at its place, whether it was just made or
//! kept, so that later steps may change it without harm to what is kept. `FLOWLINE_LAYERS` says
//! `<folder>=kept` or `<folder>=fresh`; elsewhere it is not set, and the pack does all in `bin/compile`.

use crate::cache::{self, Cache};
use crate::failure::BuildFailure;
use crate::packing::Frame;
use crate::tree;
use crate::workplace::{Chosen, Workplace};
use model::mount::Mount;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Component, Path, PathBuf};

/// A pack has one or two of them.
const LAYER_LIMIT: usize = 16;

/// A dependency folder in its place.
#[derive(Debug)]
pub(crate) struct Layer {
    path: String,
    /// The kept folder.
    lower: PathBuf,
    /// What this build changed in it.
    upper: PathBuf,
}

/// What a pack asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    path: String,
    key: String,
}

/// Puts the pack's dependency folders in place, from the cache or by its `bin/install`.
pub(crate) async fn prepare(
    place: &mut Workplace<'_>,
    cache: &mut Cache,
    layers: &mut Vec<Layer>,
    pack: &Chosen,
    before: &[Chosen],
) -> Result<(), BuildFailure> {
    if !place.has(pack, "bin/layers") {
        return Ok(());
    }
    let (exit, said) = place.capture(pack, "bin/layers", place.three_folders(), before).await?;
    if !exit.is_success() {
        return Err(BuildFailure::Compile { pack: pack.name.clone(), exit });
    }
    let asked = read(&said).map_err(|what| BuildFailure::Pack { pack: pack.reference.clone(), what })?;
    // A folder that the source itself brings is the app's business.
    let free = |asked: &Asked| std::fs::symlink_metadata(place.app_dir().join(&asked.path)).is_err();
    let asked: Vec<Asked> = asked.into_iter().filter(free).collect();
    let mut missing = Vec::new();
    for asked in asked {
        match cache.kept(&asked.path, &asked.key) {
            Some(lower) => mount(place, layers, asked.path, lower, "kept")?,
            None => missing.push(asked),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let exit = place.run(pack, "bin/install", place.three_folders(), before).await?;
    if !exit.is_success() {
        return Err(BuildFailure::Compile { pack: pack.name.clone(), exit });
    }
    for asked in missing {
        match set_aside(place, cache, &asked).map_err(BuildFailure::io("Could not keep the dependencies"))? {
            Some(lower) => mount(place, layers, asked.path, lower, "fresh")?,
            None => place.layers.push(format!("{}=fresh", asked.path)),
        }
    }
    Ok(())
}

/// All mount points are there and are real folders: a step may have put a link in the way.
pub(crate) fn check(place: &Workplace<'_>, layers: &[Layer]) -> io::Result<()> {
    let app = place.app_dir();
    layers.iter().try_for_each(|layer| tree::folder_inside(&app, Path::new(&layer.path), place.job.owner).map(drop))
}

/// The app gets plain folders in place of the overlays; those that the build left alone are [`Frame`]s. Blocks.
pub(crate) fn settle(app_dir: &Path, layers: &[Layer], owner: Option<tree::Owner>) -> io::Result<Vec<Frame>> {
    let mut frames = Vec::new();
    for layer in layers {
        let folder = tree::folder_inside(app_dir, Path::new(&layer.path), owner)?;
        // By its descriptor: no name below the app is trusted to be what it was.
        let into = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        if tree::is_empty(&layer.upper)? {
            tree::flatten(std::slice::from_ref(&layer.lower), &into)?;
            frames.push(Frame { path: PathBuf::from(&layer.path), file: cache::frame_of(&layer.lower) });
        } else {
            tree::flatten(&[layer.upper.clone(), layer.lower.clone()], &into)?;
        }
    }
    Ok(frames)
}

fn mount(
    place: &mut Workplace<'_>,
    layers: &mut Vec<Layer>,
    path: String,
    lower: PathBuf,
    how: &str,
) -> Result<(), BuildFailure> {
    let failed = || BuildFailure::io("Could not put the dependencies in place");
    let folder = place.job.dir.join(format!("layer{}", layers.len()));
    let (upper, work) = (folder.join("changes"), folder.join("work"));
    for folder in [&folder, &upper, &work] {
        tree::make_folder(folder, place.job.owner).map_err(failed())?;
    }
    tree::folder_inside(&place.app_dir(), Path::new(&path), place.job.owner).map_err(failed())?;
    let to = place.build_dir().join(&path);
    place.overlays.push(Mount::Overlay { lowers: vec![lower.clone()], upper: upper.clone(), work, to });
    place.layers.push(format!("{path}={how}"));
    layers.push(Layer { path, lower, upper });
    Ok(())
}

/// Moves what `bin/install` made out of the build. `None`: it made nothing, or it lies on another file system.
fn set_aside(place: &Workplace<'_>, cache: &mut Cache, asked: &Asked) -> io::Result<Option<PathBuf>> {
    let path = Path::new(&asked.path);
    let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or(OsStr::new("")));
    let parent = tree::folder_inside(&place.app_dir(), parent, place.job.owner)?;
    let from = PathBuf::from(format!("/proc/self/fd/{}", parent.as_raw_fd())).join(name);
    if !std::fs::symlink_metadata(&from).is_ok_and(|found| found.is_dir()) {
        return Ok(None);
    }
    let to = cache.keep(&asked.path, &asked.key);
    match std::fs::rename(&from, &to) {
        Ok(()) => Ok(Some(to)),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            cache.forget_last();
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn read(said: &str) -> Result<Vec<Asked>, String> {
    let mut asked = Vec::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        let wrong = || format!("its bin/layers printed `{line}`; expected `<folder> <key>`");
        let (path, key) = line.trim().rsplit_once(' ').ok_or_else(wrong)?;
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let good_key = (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || path.is_empty() || path.contains(char::is_whitespace) || !good_key {
            return Err(wrong());
        }
        asked.push(Asked { path: path.to_owned(), key: key.to_owned() });
    }
    if asked.len() > LAYER_LIMIT { Err("its bin/layers names too many folders".to_owned()) } else { Ok(asked) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packs_ask_for() {
        let asked = read("node_modules abc1\n\n.heroku/python 0f\n").unwrap();
        assert_eq!(asked[1], Asked { path: ".heroku/python".into(), key: "0f".into() });
        for bad in ["x", "../x k", "/etc k", "a b k", "a k/k", " k"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
