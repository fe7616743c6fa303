//! The corpora in ordinary tests: each crate puts what the fuzzer found worth keeping through its functions again.

use std::fs;
use std::path::Path;

/// Calls `with` for every input in the corpus of that target, and says which one it was that failed.
///
/// # Panics
/// When there is no such corpus.
pub(crate) fn each(target: &str, mut with: impl FnMut(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let inputs = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for input in inputs {
        let input = input.unwrap().path();
        let bytes = fs::read(&input).unwrap();
        let over = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| with(&bytes)));
        assert!(over.is_ok(), "{} fails, see above", input.display());
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}
