//! A public key of an account, for git over SSH.

use crate::id::{AccountId, SshKeyId};
use crate::time::Timestamp;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    /// Its id.
    pub id: SshKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// What stands behind the key: most often `user@machine`.
    pub comment: String,
    /// The whole line, as it was sent.
    pub public_key: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// The longest line: an RSA key of 16384 bits has under 3 KiB.
pub const KEY_LIMIT_BYTES: usize = 8 * 1024;

/// What a public key's line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLine<'a> {
    /// The key itself, as base64.
    pub base64: &'a str,
    /// What stands behind it.
    pub comment: &'a str,
}

/// A line that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A private key, or something else.
    #[error("This is no SSH public key: send the line in a .pub file, such as `ssh-ed25519 AAAA… you@machine`")]
    NoKey,
    /// The private half.
    #[error("This is a private key: keep it to yourself, and send the line in the .pub file beside it")]
    Private,
    /// An algorithm that nothing should use any more.
    #[error("Keys of the type {0} are not safe any more; make one with `ssh-keygen -t ed25519`")]
    Weak(String),
    /// Too long.
    #[error("A public key has at most {KEY_LIMIT_BYTES} bytes")]
    TooLong,
}

/// Algorithms of keys (RFC 4253, 5656, 8709; and those of security tokens).
const TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Reads a line: `TYPE BASE64 [COMMENT]`.
///
/// # Errors
/// [`BadKey`], which says what to send.
pub fn read(line: &str) -> Result<KeyLine<'_>, BadKey> {
    if line.len() > KEY_LIMIT_BYTES {
        return Err(BadKey::TooLong);
    }
    if line.contains("PRIVATE KEY") {
        return Err(BadKey::Private);
    }
    let line = line.trim();
    if line.chars().any(char::is_control) {
        return Err(BadKey::NoKey);
    }
    let mut words = line.splitn(3, ' ');
    let (kind, base64) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if kind == "ssh-dss" {
        return Err(BadKey::Weak(kind.to_owned()));
    }
    let plain = !base64.is_empty() && base64.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    if !TYPES.contains(&kind) || !plain {
        return Err(BadKey::NoKey);
    }
    Ok(KeyLine { base64, comment: words.next().unwrap_or_default().trim() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let read_line = read("ssh-ed25519 AAAAC3Nz ada@machine two\n").unwrap();
        assert_eq!((read_line.base64, read_line.comment), ("AAAAC3Nz", "ada@machine two"));
        assert_eq!(read("ssh-rsa AAAA").unwrap().comment, "");
        assert_eq!(read("ssh-dss AAAA").unwrap_err(), BadKey::Weak("ssh-dss".into()));
        assert_eq!(read("-----BEGIN OPENSSH PRIVATE KEY-----\nx").unwrap_err(), BadKey::Private);
        for bad in ["", "ssh-rsa", "AAAA", "ssh-rsa A\u{1b}", "ssh-rsa AA;A", "ssh-rsa AAAA\nssh-rsa BBBB"] {
            assert_eq!(read(bad).unwrap_err(), BadKey::NoKey, "{bad:?}");
        }
    }
}
