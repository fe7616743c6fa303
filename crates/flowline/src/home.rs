//! The data folder: one server at a time, and the secrets that the first start makes.

use api::authority::{Authority, AuthorityError, NewAuthority};
use model::world::World;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A server that was killed while it started a program left the lock to that program's process until it runs: the next server looks
/// again, for two seconds in all…
const LOCK_ATTEMPTS: u32 = 200;

/// …at this interval.
const LOCK_PAUSE_NS: i64 = 10_000_000;

/// A data folder that this process holds.
pub(crate) struct Home {
    /// Its absolute path.
    pub(crate) path: PathBuf,
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("Another flowline serve uses {0}. Stop it first, or give this one its own --data folder")]
    InUse(PathBuf),
    #[error("{path} cannot be used: {source}. Give a folder that you may write to with --data")]
    Unusable { path: PathBuf, source: io::Error },
    #[error("{0} does not hold what Flowline wrote: expected 64 hex digits. Restore it from your backup")]
    BadSecret(PathBuf),
    #[error(
        "{0} is missing, but the folder has a database: its config vars cannot be read without it. Restore it from your backup"
    )]
    LostKey(PathBuf),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

impl Home {
    /// Makes the folder when missing (mode 0700), and takes it for this process until it ends.
    pub(crate) fn take(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).map_err(unusable)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join("lock"));
        let lock = lock.map_err(unusable)?;
        for _ in 0..LOCK_ATTEMPTS {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { path, _lock: lock }),
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(unusable(error.into())),
            }
            let _early = rustix::thread::nanosleep(&rustix::time::Timespec { tv_sec: 0, tv_nsec: LOCK_PAUSE_NS });
        }
        Err(FolderError::InUse(path))
    }

    /// The admin's token, made at the first start (API-2).
    pub(crate) fn admin_token(&self, world: &dyn World) -> Result<String, FolderError> {
        self.secret("admin.token", world)
    }

    /// The key of everything that is encrypted at rest, made at the first start.
    pub(crate) fn master_key(&self, world: &dyn World) -> Result<Vec<u8>, FolderError> {
        let path = self.path.join("master.key");
        if !path.exists() && self.database().exists() {
            return Err(FolderError::LostKey(path));
        }
        self.bytes("master.key", world)
    }

    /// The secret half of the key by which SSH clients know this server, made at the first start.
    pub(crate) fn ssh_key(&self, world: &dyn World) -> Result<[u8; 32], FolderError> {
        let odd = |_| FolderError::BadSecret(self.path.join("ssh.key"));
        self.bytes("ssh.key", world)?.try_into().map_err(odd)
    }

    /// Who vouches for this server, made at the first start: `ca.pem` for everybody, `ca.key` for nobody.
    pub(crate) fn authority(&self, world: &dyn World, names: Vec<String>) -> Result<Arc<Authority>, FolderError> {
        let (certificate, key) = (self.path.join("ca.pem"), self.path.join("ca.key"));
        // The certificate is written last: where it is, the key is.
        let files = if certificate.exists() {
            NewAuthority { certificate_pem: read(&certificate)?, key_pem: read(&key)? }
        } else {
            let made = NewAuthority::make(world.now())?;
            for (path, text) in [(&key, &made.key_pem), (&certificate, &made.certificate_pem)] {
                write_secret(path, text).map_err(|source| FolderError::Unusable { path: path.clone(), source })?;
            }
            made
        };
        Ok(Authority::open(&files, names, world.now())?)
    }

    /// Remembers the port of the TLS listener.
    pub(crate) fn tls_port(&self) -> PathBuf {
        self.path.join("tls.port")
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("flowline.db")
    }

    fn bytes(&self, name: &str, world: &dyn World) -> Result<Vec<u8>, FolderError> {
        let hex = self.secret(name, world)?;
        let byte = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes = (0..hex.len()).step_by(2).map(byte).collect::<Option<_>>();
        bytes.ok_or_else(|| FolderError::BadSecret(self.path.join(name)))
    }

    fn secret(&self, name: &str, world: &dyn World) -> Result<String, FolderError> {
        let path = self.path.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let text = text.trim().to_owned();
                let good = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                if good { Ok(text) } else { Err(FolderError::BadSecret(path)) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = world.secret::<32>();
                write_secret(&path, &secret).map_err(|source| FolderError::Unusable { path, source })?;
                Ok(secret)
            }
            Err(source) => Err(FolderError::Unusable { path, source }),
        }
    }
}

fn read(path: &Path) -> Result<String, FolderError> {
    std::fs::read_to_string(path).map_err(|source| FolderError::Unusable { path: path.to_owned(), source })
}

/// Whole or not at all: a half-written key would lock its owner out.
fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    let part = path.with_extension("part");
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part)?;
    file.write_all(secret.trim_end().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system_world::SystemWorld;

    #[test]
    fn secrets_are_made_once_private_and_random() {
        let dir = tempfile::tempdir().unwrap();
        let token = Home::take(&dir.path().join("a")).unwrap().admin_token(&SystemWorld).unwrap();
        let folder = Home::take(&dir.path().join("a")).unwrap();
        assert_eq!(folder.admin_token(&SystemWorld).unwrap(), token);
        assert_eq!(folder.master_key(&SystemWorld).unwrap().len(), 32);
        assert_eq!(folder.ssh_key(&SystemWorld).unwrap(), folder.ssh_key(&SystemWorld).unwrap());
        let other = Home::take(&dir.path().join("b")).unwrap();
        assert_ne!(other.admin_token(&SystemWorld).unwrap(), token);
        for name in ["admin.token", "master.key", "ssh.key"] {
            let mode = std::fs::metadata(folder.path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn two_servers_on_one_home_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Home::take(dir.path()).unwrap();
        assert!(matches!(Home::take(dir.path()), Err(FolderError::InUse(_))));
    }

    #[test]
    fn a_lost_key_is_not_silently_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Home::take(dir.path()).unwrap();
        std::fs::write(folder.database(), "").unwrap();
        assert!(matches!(folder.master_key(&SystemWorld), Err(FolderError::LostKey(_))));
        std::fs::write(dir.path().join("master.key"), "short").unwrap();
        assert!(matches!(folder.master_key(&SystemWorld), Err(FolderError::BadSecret(_))));
    }
}
