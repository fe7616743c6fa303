//! Names and ids that reach a command line: validated, so that none is ever taken for an option or a path.

use std::fmt;
use std::str::FromStr;

/// git itself has no limit; a loose ref is a file, and file systems end at 255 bytes a component, 4,096 in all.
const NAME_LIMIT_BYTES: usize = 1024;

/// Text that is no object id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a git object id: expected 40 (or 64) lower-case hex digits")]
pub struct NotAnObjectId(pub String);

/// Text that is no full ref name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a ref name: expected one such as refs/heads/main")]
pub struct NotARef(pub String);

/// The id of a commit or another object, full length, never all zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectId(String);

impl ObjectId {
    /// As hex.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `None` for the zeros that git writes where there is no object.
    fn or_none(text: &str) -> Result<Option<Self>, NotAnObjectId> {
        match text.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) if is_full_length(text) && text.bytes().all(|byte| byte == b'0') => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// SHA-1 or SHA-256.
fn is_full_length(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
}

impl FromStr for ObjectId {
    type Err = NotAnObjectId;

    fn from_str(text: &str) -> Result<Self, NotAnObjectId> {
        let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let zero = text.bytes().all(|byte| byte == b'0');
        if is_full_length(text) && hex && !zero {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnObjectId(text.to_owned()))
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A full ref name, such as `refs/heads/main`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefName(String);

impl RefName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `main` of `refs/heads/main`; `None` for tags and others.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }
}

impl FromStr for RefName {
    type Err = NotARef;

    /// The rules of git's check-ref-format for names under `refs/`.
    fn from_str(text: &str) -> Result<Self, NotARef> {
        let part_ok = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let forbidden = |c: char| c.is_ascii_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
        let shape = text.len() <= NAME_LIMIT_BYTES && text.starts_with("refs/") && text.matches('/').count() >= 2;
        let content = text.split('/').all(part_ok) && !text.contains(forbidden) && !text.contains("..");
        if shape && content && !text.contains("@{") && !text.ends_with('.') {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotARef(text.to_owned()))
        }
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a push wants done to one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Which ref.
    pub name: RefName,
    /// Where it points now; `None`: the push creates it.
    pub old: Option<ObjectId>,
    /// Where it is to point; `None`: the push deletes it.
    pub new: Option<ObjectId>,
}

impl RefUpdate {
    /// Reads a line of the hook's input: `<old> <new> <name>`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let (old, new, name) = (words.next()?, words.next()?, words.next()?);
        let (old, new) = (ObjectId::or_none(old).ok()?, ObjectId::or_none(new).ok()?);
        Some(Self { name: name.parse().ok()?, old, new })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn ref_names_follow_gits_rules() {
        for good in ["refs/heads/main", "refs/heads/feature/a-b", "refs/tags/v1.0", "refs/heads/ü"] {
            assert_eq!(good.parse::<RefName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        let long = format!("refs/heads/{}", "a".repeat(NAME_LIMIT_BYTES));
        for bad in ["main", "refs/main", "refs/heads/", "refs/heads/../x", "refs/heads/a b", "refs/heads/.a", &long] {
            assert!(bad.parse::<RefName>().is_err(), "{bad} was accepted");
        }
        for bad in ["-x", "refs/heads/a.lock", "refs/heads/a\nb", "refs//a/b", "refs/heads/a@{1}", "refs/heads/a."] {
            assert!(bad.parse::<RefName>().is_err(), "{bad} was accepted");
        }
        assert_eq!(
            "refs/heads/x/y".parse::<RefName>().map(|name| name.branch().map(str::to_owned)),
            Ok(Some("x/y".into()))
        );
    }

    #[test]
    fn updates_say_create_move_and_delete() {
        let update = RefUpdate::parse(&format!("{ZERO} {ONE} refs/heads/main")).unwrap();
        assert!(update.old.is_none() && update.new.is_some_and(|id| id.as_str() == ONE));
        let update = RefUpdate::parse(&format!("{ONE} {ZERO} refs/heads/main")).unwrap();
        assert!(update.old.is_some() && update.new.is_none());
        assert_eq!(RefUpdate::parse(&format!("{ONE} -x refs/heads/main")), None);
        assert!("HEAD".parse::<ObjectId>().is_err() && ZERO.parse::<ObjectId>().is_err());
    }
}
