//! Path patterns of static.json: `*` within one segment, `**` over any number of them.

/// Does the whole path match? Time grows with the product of both lengths, whatever the pattern.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
    // reached[n]: what was taken of the pattern so far matches the first n bytes of the path.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let over_segments = pattern[at..].starts_with(b"**");
        let mut next = vec![false; path.len() + 1];
        if pattern[at] == b'*' {
            next[0] = reached[0];
            for n in 1..=path.len() {
                next[n] = reached[n] || (next[n - 1] && (over_segments || path[n - 1] != b'/'));
            }
        } else {
            for n in 1..=path.len() {
                next[n] = reached[n - 1] && path[n - 1] == pattern[at];
            }
        }
        reached = next;
        at += if over_segments { 2 } else { 1 };
    }
    reached[path.len()]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_match_within_and_across_segments() {
        for (pattern, path) in
            [("/**", "/"), ("/**", "/a/b"), ("/*.html", "/a.html"), ("/a/*/c", "/a/b/c"), ("/a/**/c", "/a/b/x/c")]
        {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [("/*", "/a/b"), ("/*.html", "/a/b.html"), ("/a", "/ab"), ("/a/**", "/b"), ("", "/")] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        assert!(!matches(&"/**a".repeat(60), &"/a".repeat(2_000).replace("aa", "b")[..2_001]));
    }
}
