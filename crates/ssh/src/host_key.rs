//! The key by which clients know this server.

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;

/// An ed25519 key pair.
pub struct HostKey(PrivateKey);

impl HostKey {
    /// From its secret half.
    #[must_use]
    pub fn of_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519Keypair::from_seed(seed).into())
    }

    /// As clients want it: `ssh-ed25519 AAAA…`.
    #[must_use]
    pub fn public_line(&self) -> String {
        // Only a comment that is no text could fail, and there is none.
        self.0.public_key().to_openssh().unwrap_or_default()
    }

    pub(crate) fn private(&self) -> PrivateKey {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_key() {
        let line = |seed| HostKey::of_seed(&[seed; 32]).public_line();
        assert_eq!(line(1), line(1));
        assert_ne!(line(1), line(2));
        assert_eq!(line(1).split(' ').map(str::len).collect::<Vec<_>>(), [11, 68], "{}", line(1));
    }
}
