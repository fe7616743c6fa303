//! What a check leaves in its folder of reports: copied from the dyno, which ends with all its files, and kept for a while.

use crate::{Control, sandbox};
use model::id::{AppId, DynoId, VerificationId};
use model::mount::Mount;
use model::test_report;
use model::verification::{ARTIFACT_LIMIT_BYTES, ARTIFACTS, ARTIFACTS_LIMIT_BYTES, Artifact, CHECKS_WITH_ARTIFACTS};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use store::StoreError;

/// Where a check leaves them, as it sees it.
pub(crate) const INSIDE: &str = "/reports";

/// Folders of the data folder, one for each check that left something.
const FOLDER: &str = "reports";

/// Folders below the folder of reports; what lies deeper is no report.
const DEPTH: usize = 8;

/// Entries that are looked at.
const ENTRIES: usize = 10_000;

/// The longest name, in bytes.
const NAME_LIMIT_BYTES: usize = 500;

/// Where the files of a check are kept.
pub(crate) fn folder(control: &Control, check: VerificationId) -> PathBuf {
    control.settings.dir.join(FOLDER).join(check.to_string())
}

/// The folder of reports of a dyno that is about to start.
pub(crate) fn mount(control: &Control, dyno: DynoId) -> io::Result<Mount> {
    let from = left_in(control, dyno);
    fs::create_dir_all(sandbox::scratch(control, dyno))?;
    runtime::prepare_dir(&from)?;
    Ok(Mount::Bind { from, to: INSIDE.into(), writable: true })
}

/// With what else the dyno writes, so that it counts as such and goes with it.
fn left_in(control: &Control, dyno: DynoId) -> PathBuf {
    sandbox::scratch(control, dyno).join("reports")
}

/// What was kept, and in words what was not.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) left_out: Vec<String>,
}

/// Copies what the dyno left, which has ended.
pub(crate) async fn collect(control: &Control, dyno: DynoId, check: VerificationId) -> Collected {
    let (from, to) = (left_in(control, dyno), folder(control, check));
    let copied = tokio::task::spawn_blocking(move || copy(&from, &to)).await;
    match copied {
        Ok(Ok(collected)) => collected,
        Ok(Err(error)) => {
            tracing::warn!(verification.id = %check, %error, "The reports of a check could not be kept");
            Collected { artifacts: Vec::new(), left_out: vec![format!("the reports could not be kept: {error}")] }
        }
        Err(error) => {
            tracing::error!(verification.id = %check, %error, "Keeping the reports of a check ended in a panic");
            Collected::default()
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<Collected> {
    let mut collected = Collected::default();
    let names = files(from, &mut collected.left_out);
    if names.is_empty() {
        return Ok(collected);
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to)?;
    let mut room_bytes = ARTIFACTS_LIMIT_BYTES;
    for name in names {
        if collected.artifacts.len() >= ARTIFACTS {
            collected.left_out.push(format!("{name} and what follows: more than {ARTIFACTS} files"));
            break;
        }
        let number = u32::try_from(collected.artifacts.len() + 1).unwrap_or(u32::MAX);
        let limit_bytes = room_bytes.min(ARTIFACT_LIMIT_BYTES);
        match copy_one(&from.join(&name), &to.join(number.to_string()), limit_bytes)? {
            Some(contents) => {
                let size_bytes = contents.len() as u64;
                room_bytes -= size_bytes;
                let kind = test_report::kind(&name, &contents);
                collected.artifacts.push(Artifact { number, name, kind, size_bytes });
            }
            None => collected.left_out.push(format!("{name}: no file, or larger than what is kept of a check")),
        }
    }
    Ok(collected)
}

/// Copies a file; `None` when it is none or larger than `limit_bytes`. What the dyno has made is not followed anywhere.
fn copy_one(from: &Path, to: &Path, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let careful = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(careful.bits()).unwrap_or_default();
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(from) else { return Ok(None) };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut contents = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > limit_bytes {
        return Ok(None);
    }
    File::create(to)?.write_all(&contents)?;
    Ok(Some(contents))
}

/// The regular files below a folder, by name. Links and what is no file are left out.
fn files(folder: &Path, left_out: &mut Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![(PathBuf::new(), 0)];
    let mut looked_at = 0;
    while let Some((below, depth)) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below)).into_iter().flatten().flatten() {
            looked_at += 1;
            if looked_at > ENTRIES {
                left_out.push(format!("what lies after {ENTRIES} entries"));
                found.sort();
                return found;
            }
            let place = below.join(entry.file_name());
            let Ok(kind) = entry.file_type() else { continue };
            let name = place.to_str().filter(|name| name.len() <= NAME_LIMIT_BYTES && !name.contains(char::is_control));
            match name {
                _ if kind.is_dir() && depth < DEPTH => folders.push((place, depth + 1)),
                Some(name) if kind.is_file() => found.push(name.to_owned()),
                Some(_) | None => {
                    left_out.push(format!("{}: no file of its own", place.display().to_string().escape_debug()))
                }
            }
        }
    }
    found.sort();
    found
}

/// Removes the files of all but an app's newest checks, and those of checks that are gone.
pub(crate) async fn sweep(control: &Control) -> Result<(), StoreError> {
    let entries = fs::read_dir(control.settings.dir.join(FOLDER)).into_iter().flatten().flatten();
    let kept = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<VerificationId>().ok());
    let mut of_app: BTreeMap<AppId, Vec<(i64, VerificationId)>> = BTreeMap::new();
    let mut gone = Vec::new();
    for id in kept {
        match store::verification::by_id(control.store.db(), id).await? {
            Some(check) => of_app.entry(check.app).or_default().push((check.number, id)),
            None => gone.push(id),
        }
    }
    for mut checks in of_app.into_values() {
        checks.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        gone.extend(checks.into_iter().skip(CHECKS_WITH_ARTIFACTS).map(|(_, id)| id));
    }
    for id in gone {
        let mut tx = control.store.begin().await?;
        store::verification_artifact::delete(&mut tx, id).await?;
        tx.commit().await?;
        if let Err(error) = fs::remove_dir_all(folder(control, id)) {
            tracing::warn!(verification.id = %id, %error, "Old reports were not removed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_files_of_its_own_and_of_a_sane_size_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("shots/deep")).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::write(from.join("a.tap"), "ok 1 - one\nnot ok 2 - two\n").unwrap();
        fs::write(from.join("shots/deep/one.png"), "png").unwrap();
        File::create(from.join("large")).unwrap().set_len(ARTIFACT_LIMIT_BYTES + 1).unwrap();
        symlink(dir.path().join("secret"), from.join("link")).unwrap();
        symlink(dir.path(), from.join("shots/folder")).unwrap();
        let Collected { artifacts, left_out } = copy(&from, &to).unwrap();
        let names: Vec<&str> = artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
        assert_eq!(names, ["a.tap", "shots/deep/one.png"]);
        assert_eq!(artifacts[0].kind.tests().unwrap().to_string(), "2 tests, 1 failed, 0 skipped");
        assert_eq!(left_out.len(), 3, "{left_out:?}");
        assert_eq!(fs::read(to.join("2")).unwrap(), b"png");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
    }

    #[test]
    fn as_many_as_are_kept_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir(&from).unwrap();
        for number in 0..=ARTIFACTS {
            fs::write(from.join(format!("{number:04}")), "x").unwrap();
        }
        let Collected { artifacts, left_out } = copy(&from, &dir.path().join("to")).unwrap();
        assert_eq!((artifacts.len(), left_out.len()), (ARTIFACTS, 1));
        let none = copy(&dir.path().join("nothing"), &dir.path().join("none")).unwrap();
        assert!(none.artifacts.is_empty() && !dir.path().join("none").exists());
    }
}
