//! The sample app of the demo, commit by commit: a static site, which needs nothing that is not in Flowline itself.

use std::io;
use std::path::Path;

const FILES: &[(&str, &str)] = &[
    ("index.html", include_str!("../../demo/site/index.html")),
    ("Procfile", include_str!("../../demo/site/Procfile")),
    ("app.json", include_str!("../../demo/site/app.json")),
    ("flowline.yml", include_str!("../../demo/site/flowline.yml")),
    ("check.sh", include_str!("../../demo/site/check.sh")),
    ("verify.sh", include_str!("../../demo/site/verify.sh")),
    ("release.sh", include_str!("../../demo/site/release.sh")),
];

/// Writes the files of the first commit.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    FILES.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
}

/// Replaces text in a file of the site.
pub(super) fn replace(folder: &Path, name: &str, from: &str, to: &str) -> io::Result<()> {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(path, text.replace(from, to))
}

/// A page more.
pub(super) fn page(folder: &Path, name: &str, title: &str) -> io::Result<()> {
    std::fs::write(folder.join(name), format!("<!doctype html>\n<title>{title}</title>\n<h1>{title}</h1>\n"))
}
