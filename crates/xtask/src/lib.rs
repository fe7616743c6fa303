//! The repository's own tools: `tidy` reads the rules of the house back from the tree, `bench` measures.

pub mod bench;
pub mod tidy;

use std::path::{Path, PathBuf};

/// The root of the checkout this tool was built from.
#[must_use]
pub fn repository_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
