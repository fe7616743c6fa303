//! Which Dockerfiles are built, and what the process types are that they stand for.

use crate::error::CliError;
use model::procfile::ProcessType;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The one that is built for any type.
const PLAIN: &str = "Dockerfile";

/// Before a type's name.
const OF_A_TYPE: &str = "Dockerfile.";

/// `Dockerfile.dockerignore` says what is left out of a build.
const IGNORED: &str = "dockerignore";

/// Entries that a search looks at: more than any checkout has, far less than a whole disk.
const ENTRIES_LIMIT: usize = 200_000;

/// Folders below each other that a search goes into.
const DEPTH_LIMIT: usize = 32;

/// An image to build.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// For which process type.
    pub(super) process_type: String,
    /// The Dockerfile, from the folder the command was typed in.
    pub(super) file: PathBuf,
}

/// `./Dockerfile`, for this type.
pub(super) fn here(folder: &Path, process_type: &str) -> Result<Recipe, CliError> {
    if !folder.join(PLAIN).is_file() {
        return Err(CliError::missing(
            format!("There is no {PLAIN} in {}.", folder.display()),
            "Type it in the folder that has one; with --recursive, each Dockerfile.TYPE below the folder is built.",
        ));
    }
    Ok(Recipe { process_type: process_type.to_owned(), file: Path::new(".").join(PLAIN) })
}

/// Each `Dockerfile.TYPE` in this folder and below, in alphabetical order of types; with types, those only.
pub(super) fn below(folder: &Path, types: &[String]) -> Result<Vec<Recipe>, CliError> {
    let mut found = search(folder, (ENTRIES_LIMIT, DEPTH_LIMIT))?;
    if !types.is_empty() {
        found.retain(|process_type, _| types.contains(process_type));
    }
    let lacks = types.iter().find(|process_type| !found.contains_key(*process_type));
    if lacks.is_some() || found.is_empty() {
        let what = format!("{OF_A_TYPE}{}", lacks.map_or("TYPE", String::as_str));
        return Err(CliError::missing(
            format!("There is no {what} in {} and below.", folder.display()),
            "A file's name says its process type: Dockerfile.web, Dockerfile.worker.",
        ));
    }
    found.into_iter().map(|(process_type, files)| one(process_type, files)).collect()
}

fn one(process_type: String, mut files: Vec<PathBuf>) -> Result<Recipe, CliError> {
    check(&process_type)?;
    files.sort();
    match files.as_slice() {
        [file] => Ok(Recipe { file: file.clone(), process_type }),
        several => {
            let names: Vec<String> = several.iter().map(|file| file.display().to_string()).collect();
            Err(CliError::usage(
                format!("{process_type} has several: {}.", names.join(", ")),
                "Type it in the folder of the one that you mean.",
            ))
        }
    }
}

/// Folders that begin with a point hold no code, and links lead elsewhere: neither is gone into. `limits`: of entries, of depth.
fn search(folder: &Path, limits: (usize, usize)) -> Result<BTreeMap<String, Vec<PathBuf>>, CliError> {
    let (mut found, mut seen) = (BTreeMap::<_, Vec<_>>::new(), 0);
    let mut open = vec![(PathBuf::from("."), 0)];
    let failed = |path: &Path, error: io::Error| CliError::local(format!("look into {}", path.display()), error);
    while let Some((inside, depth)) = open.pop() {
        for entry in fs::read_dir(folder.join(&inside)).map_err(|error| failed(&inside, error))? {
            let entry = entry.map_err(|error| failed(&inside, error))?;
            seen += 1;
            if seen > limits.0 || depth > limits.1 {
                return Err(CliError::usage(
                    format!("{} is too large to look for Dockerfiles in: {}.", folder.display(), bounds(limits)),
                    "Type it in a folder further down.",
                ));
            }
            let (name, path) = (entry.file_name(), inside.join(entry.file_name()));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if !name.as_encoded_bytes().starts_with(b".") {
                    open.push((path, depth + 1));
                }
            } else if let Some(process_type) = named(&name).filter(|_| folder.join(&path).is_file()) {
                found.entry(process_type).or_default().push(path);
            }
        }
    }
    Ok(found)
}

fn bounds((entries, depth): (usize, usize)) -> String {
    format!("more than {entries} files, or more than {depth} folders below each other")
}

fn named(file: &OsStr) -> Option<String> {
    let process_type = file.to_str()?.strip_prefix(OF_A_TYPE).filter(|name| *name != IGNORED)?;
    process_type.parse::<ProcessType>().ok().map(|process_type| process_type.to_string())
}

/// Can it be a process type and a part of an image's name? Those have small letters only, and between them points, dashes,
/// one `_` or two (<https://github.com/distribution/reference>, "path-component").
pub(super) fn check(process_type: &str) -> Result<(), CliError> {
    let next = "Write it as web or my-worker: small letters and digits, with - or _ between them.";
    let type_of_process = process_type.parse::<ProcessType>();
    type_of_process.map_err(|error| CliError::usage(format!("{error}."), next))?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = process_type.bytes().next().is_some_and(plain) && process_type.bytes().next_back().is_some_and(plain);
    let mut between = process_type.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    if ends && between.all(|part| matches!(part, "_" | "__") || part.bytes().all(|byte| byte == b'-')) {
        return Ok(());
    }
    Err(CliError::usage(format!("`{process_type}` cannot be a part of an image's name."), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "FROM scratch\n").unwrap();
        }
        folder
    }

    fn types(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn each_dockerfile_of_a_type_is_found_and_nothing_else() {
        let at = folder(&[
            "Dockerfile",
            "Dockerfile.web",
            "Dockerfile.web.dockerignore",
            "Dockerfile.dockerignore",
            "jobs/deep/Dockerfile.worker",
            ".git/Dockerfile.hidden",
        ]);
        fs::create_dir(at.path().join("Dockerfile.folder")).unwrap();
        std::os::unix::fs::symlink(at.path(), at.path().join("again")).unwrap();
        let recipe = |name: &str, file: &str| Recipe { process_type: name.to_owned(), file: file.into() };
        let (web, worker) = (recipe("web", "./Dockerfile.web"), recipe("worker", "./jobs/deep/Dockerfile.worker"));
        assert_eq!(below(at.path(), &types(&["worker"])).unwrap(), [worker]);
        assert_eq!(below(at.path(), &[]).unwrap()[0], web);
        assert_eq!(below(at.path(), &[]).unwrap().len(), 2);
        let lacks = below(at.path(), &types(&["web", "clock"])).unwrap_err().to_string();
        assert!(lacks.contains("Dockerfile.clock"), "{lacks}");
        assert_eq!(here(at.path(), "any").unwrap(), recipe("any", "./Dockerfile"));
        assert!(here(&at.path().join("jobs"), "any").unwrap_err().to_string().contains("There is no Dockerfile in"));
    }

    #[test]
    fn of_two_for_one_type_none_is_chosen() {
        let at = folder(&["a/Dockerfile.web", "b/Dockerfile.web"]);
        let error = below(at.path(), &[]).unwrap_err().to_string();
        assert!(error.contains("./a/Dockerfile.web, ./b/Dockerfile.web"), "{error}");
    }

    #[test]
    fn a_search_ends() {
        let at = folder(&["a/b/Dockerfile.web", "x", "y"]);
        assert_eq!(search(at.path(), (5, 2)).unwrap().len(), 1);
        for limits in [(4, 2), (5, 1)] {
            assert!(search(at.path(), limits).unwrap_err().to_string().contains("too large"));
        }
    }

    #[test]
    fn types_that_can_be_in_an_images_name() {
        for good in ["web", "my-worker", "a--b", "a_b", "a__b", "2nd", "release"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "Web", "-web", "web_", "a___b", "a-_b", "a/b", "a:b", "a b", "a.b", "--all-tags", "wéb"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
