//! What a commit says of itself, as git prints it.

use model::commit::{Commit, TEXT_LIMIT_BYTES};
use model::time::Timestamp;

/// Committer time in seconds, author's name, author's e-mail, subject; none of them can hold a NUL.
pub(crate) const FORMAT: &str = "--format=%ct%x00%an%x00%ae%x00%s";

/// Reads what git printed.
pub(crate) fn read(told: &[u8]) -> Option<Commit> {
    let told = String::from_utf8_lossy(told);
    let mut parts = told.trim_end_matches('\n').split('\0');
    let seconds: i64 = parts.next()?.parse().ok()?;
    let mut text = || {
        let part = parts.next()?;
        Some(part[..part.floor_char_boundary(TEXT_LIMIT_BYTES)].to_owned())
    };
    let (author, email, subject) = (text()?, text()?, text()?);
    Some(Commit { at: Timestamp(seconds.saturating_mul(1_000_000)), author, email, subject })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_prints_reads_back_and_is_bounded() {
        let commit = read("1767323045\0Ada Lovelace\0ada@example.org\0Hotfix: ä basket\n".as_bytes()).unwrap();
        assert_eq!((commit.at.rfc3339().as_str(), commit.author.as_str()), ("2026-01-02T03:04:05Z", "Ada Lovelace"));
        assert_eq!((commit.email.as_str(), commit.subject.as_str()), ("ada@example.org", "Hotfix: ä basket"));
        let long = read(format!("1\0a\0b\0{}", "ä".repeat(TEXT_LIMIT_BYTES)).as_bytes()).unwrap();
        assert_eq!(long.subject.len(), TEXT_LIMIT_BYTES);
        assert_eq!([&b""[..], b"x\0a\0b\0c", b"1\0a"].map(read), [None, None, None]);
    }
}
