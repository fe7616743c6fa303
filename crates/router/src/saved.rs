//! The table on disk, so that a restarted router serves at once.

use crate::entry::Entry;
use crate::error::RouterError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const NAME: &str = "routes.json";
const NEW_NAME: &str = "routes.json.new";

/// Replaces the saved table: a crash at any moment leaves the old one or the new one.
pub(crate) fn save(dir: &Path, routes: &[Entry]) -> Result<(), RouterError> {
    let (new, path) = (dir.join(NEW_NAME), dir.join(NAME));
    write(&new, routes).map_err(RouterError::file("save the route table to", &new))?;
    fs::rename(&new, &path).map_err(RouterError::file("save the route table to", &path))?;
    // The rename itself lasts only when the folder is synced.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(RouterError::file("sync", dir))
}

fn write(path: &Path, routes: &[Entry]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&serde_json::to_vec(routes)?)?;
    file.sync_all()
}

/// The saved table; empty when there is none. One that cannot be read is left aside: the control plane sends another.
pub(crate) fn load(dir: &Path) -> Vec<Entry> {
    let path = dir.join(NAME);
    let read = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
    match read {
        Ok(routes) => routes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "The saved route table cannot be read; starting without it");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_back_and_a_broken_one_is_left_aside() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()), vec![]);
        let route = Entry::from(model::route::Route {
            app: uuid::Uuid::from_u128(1).into(),
            name: "shop".parse().unwrap(),
            hosts: vec!["shop.localhost".into()],
            web: model::route::Web::Starting,
        });
        save(dir.path(), std::slice::from_ref(&route)).unwrap();
        assert_eq!(load(dir.path()), vec![route]);
        fs::write(dir.path().join(NAME), b"[{").unwrap();
        assert_eq!(load(dir.path()), vec![]);
    }
}
