//! What reads a hook's bytes here, called with any bytes at all: for the targets in `fuzz/`.

use crate::RefUpdate;
use crate::hook::both_sides;

/// Messages between a hook and `serve`: both sides read the same, and what was read and written again is the same bytes.
/// A ref update is the line that it was read from.
pub fn messages(bytes: &[u8]) {
    for content in both_sides(bytes) {
        let Ok(text) = String::from_utf8(content) else { continue };
        let Some(update) = RefUpdate::parse(&text) else { continue };
        let id = |id: &Option<crate::ObjectId>| id.as_ref().map(|id| id.as_str().to_owned());
        let mut words = text.splitn(3, ' ');
        for side in [id(&update.old), id(&update.new)] {
            let word = words.next().unwrap_or_default();
            assert_eq!(side.unwrap_or_else(|| "0".repeat(word.len())), word);
        }
        let name = update.name.as_str();
        assert_eq!(words.next(), Some(name));
        // What git is told on a command line or as a path.
        assert!(name.starts_with("refs/") && !name.contains("..") && !name.contains(char::is_control), "{name:?}");
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay;

    #[test]
    fn the_corpora_hold() {
        replay::each("hook_messages", super::messages);
    }
}
