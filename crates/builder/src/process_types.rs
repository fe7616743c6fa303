//! The app's process types: what its Procfile says over what the last pack proposes.

use crate::failure::BuildFailure;
use crate::output::Output;
use crate::release_yaml;
use crate::tree::{ReadError, read_inside};
use crate::workplace::{Chosen, Workplace};
use model::procfile::{self, PROCFILE_LIMIT_BYTES, ProcessType, ProcessTypes};
use std::path::Path;

/// What the pack proposes; a pack without `bin/release` proposes nothing.
pub(crate) async fn defaults(place: &Workplace<'_>, pack: &Chosen) -> Result<ProcessTypes, BuildFailure> {
    if !place.has(pack, "bin/release") {
        return Ok(ProcessTypes::new());
    }
    let build_dir = place.build_dir().display().to_string();
    let (exit, said) = place.capture(pack, "bin/release", vec![build_dir], &[]).await?;
    let wrong = |what: String| BuildFailure::Pack { pack: pack.reference.clone(), what };
    if !exit.is_success() {
        return Err(wrong(format!("its bin/release ended with status {}", exit.status())));
    }
    release_yaml::default_process_types(&said).map_err(|what| wrong(format!("its bin/release printed {what}")))
}

/// Reads the Procfile and says which process types there are.
pub(crate) async fn discover(
    app_dir: &Path,
    defaults: ProcessTypes,
    output: &Output,
) -> Result<ProcessTypes, BuildFailure> {
    let declared = match read_inside(app_dir, "Procfile", PROCFILE_LIMIT_BYTES as u64) {
        Ok(bytes) => procfile::parse(&bytes)?,
        Err(ReadError::Missing) => ProcessTypes::new(),
        Err(ReadError::TooLarge(_)) => return Err(procfile::ProcfileError::TooLarge.into()),
        Err(error @ (ReadError::NotAFile | ReadError::Io(_))) => {
            return Err(BuildFailure::ProcfileUnreadable(error.to_string()));
        }
    };
    output.topic("Discovering process types").await;
    for line in layout(&declared, &defaults) {
        output.detail(&line).await;
    }
    let mut types = defaults;
    types.extend(declared);
    output.line(String::new()).await;
    Ok(types)
}

/// The lines below `Discovering process types`.
fn layout(declared: &ProcessTypes, defaults: &ProcessTypes) -> Vec<String> {
    let names = |types: Vec<&ProcessType>| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let added: Vec<_> = defaults.keys().filter(|name| !declared.contains_key(*name)).collect();
    let web = declared.keys().chain(defaults.keys()).any(ProcessType::is_web);
    let said = if declared.is_empty() { "(none)".to_owned() } else { names(declared.keys().collect()) };
    let mut lines = if added.is_empty() {
        vec![format!("Procfile declares types -> {said}")]
    } else {
        let added = names(added);
        vec![format!("Procfile declares types     -> {said}"), format!("Default types for buildpack -> {added}")]
    };
    if !web {
        lines.push("There is no `web` process type: the app gets no HTTP requests. Add `web: <command>` to".to_owned());
        lines.push("its Procfile if it should serve them.".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(names: &[&str]) -> ProcessTypes {
        names.iter().map(|name| (name.parse().unwrap(), "run".to_owned())).collect()
    }

    #[test]
    fn the_layout_that_users_know() {
        assert_eq!(layout(&types(&["web"]), &types(&["web"])), ["Procfile declares types -> web"]);
        assert_eq!(
            layout(&types(&["release", "web"]), &types(&["console", "rake"])),
            ["Procfile declares types     -> release, web", "Default types for buildpack -> console, rake"]
        );
        assert_eq!(layout(&types(&[]), &types(&["web"]))[0], "Procfile declares types     -> (none)");
        assert!(layout(&types(&["worker"]), &types(&[]))[1].contains("no `web` process type"));
    }

    #[tokio::test]
    async fn the_procfile_overrides_by_type() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("Procfile"), "web: mine\nworker: too\n").unwrap();
        let (lines, mut seen) = tokio::sync::mpsc::channel(16);
        let found = discover(root.path(), types(&["web", "rake"]), &Output::new(lines)).await.unwrap();
        let found: Vec<_> = found.iter().map(|(name, command)| (name.as_str(), command.as_str())).collect();
        assert_eq!(found, [("rake", "run"), ("web", "mine"), ("worker", "too")]);
        assert_eq!(seen.recv().await.unwrap(), "-----> Discovering process types");
    }

    #[tokio::test]
    async fn a_procfile_that_links_out_of_the_app_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", root.path().join("Procfile")).unwrap();
        let (lines, _seen) = tokio::sync::mpsc::channel(16);
        assert!(discover(root.path(), types(&[]), &Output::new(lines)).await.unwrap().is_empty());
    }
}
