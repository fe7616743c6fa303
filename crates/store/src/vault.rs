//! Secrets at rest: AES-256-GCM under the data folder's master key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Length of the master key: 256 bits.
const KEY_BYTES: usize = 32;

/// A value that cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key has another length.
    #[error("The master key must be {KEY_BYTES} bytes long")]
    BadKey,
    /// The value was sealed under another key, for another owner, or was changed.
    #[error(
        "A stored secret cannot be opened: master.key does not belong to this database, or the database was changed"
    )]
    CannotOpen,
    /// The cipher refused.
    #[error("A secret could not be sealed")]
    CannotSeal,
}

/// Seals and opens values. Each is bound to its owner, so that a copied row does not open elsewhere.
pub struct Vault {
    key: RandomizedNonceKey,
}

impl Vault {
    /// A vault under this key.
    ///
    /// # Errors
    /// [`VaultError::BadKey`] unless it is [`KEY_BYTES`] long.
    pub fn new(key: &[u8]) -> Result<Self, VaultError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| VaultError::BadKey)?;
        Ok(Self { key })
    }

    /// `base64(nonce ‖ ciphertext ‖ tag)`, bound to `owner`.
    pub(crate) fn seal(&self, owner: &str, plain: &str) -> Result<String, VaultError> {
        let mut sealed = plain.as_bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(owner.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| VaultError::CannotSeal)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        Ok(STANDARD.encode(bytes))
    }

    /// What was sealed for `owner`.
    pub(crate) fn open(&self, owner: &str, sealed: &str) -> Result<String, VaultError> {
        let mut bytes = STANDARD.decode(sealed).map_err(|_| VaultError::CannotOpen)?;
        if bytes.len() < NONCE_LEN {
            return Err(VaultError::CannotOpen);
        }
        let mut body = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| VaultError::CannotOpen)?;
        let plain = self.key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut body);
        let plain = plain.map_err(|_| VaultError::CannotOpen)?;
        String::from_utf8(plain.to_vec()).map_err(|_| VaultError::CannotOpen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_for_its_owner_and_key() {
        let vault = Vault::new(&[7; 32]).unwrap();
        let sealed = vault.seal("app-1/KEY", "s3cret").unwrap();
        assert!(!sealed.contains("s3cret"));
        assert_ne!(sealed, vault.seal("app-1/KEY", "s3cret").unwrap(), "the nonce must differ");
        assert_eq!(vault.open("app-1/KEY", &sealed).unwrap(), "s3cret");
        assert!(vault.open("app-2/KEY", &sealed).is_err());
        assert!(Vault::new(&[8; 32]).unwrap().open("app-1/KEY", &sealed).is_err());
        assert!(vault.open("app-1/KEY", "AAAA").is_err());
        assert!(Vault::new(&[1; 5]).is_err());
    }
}
