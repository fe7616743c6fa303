//! Archives made by hand, as no tar would make them.

use tar::{EntryType, Header};

/// An archive of entries exactly as asked for, however wrong.
#[derive(Clone, Default)]
pub(crate) struct Pack(Vec<u8>);

impl Pack {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Names of at most 100 bytes.
    pub(crate) fn entry(
        mut self,
        kind: EntryType,
        name: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
        mode: u32,
        contents: &[u8],
    ) -> Self {
        let (name, target) = (name.as_ref(), target.as_ref());
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(contents.len() as u64);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name);
        old.linkname[..target.len()].copy_from_slice(target);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(contents);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// All of it, with its end.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

#[cfg(test)]
impl Pack {
    pub(crate) fn file(self, name: &str, contents: &str) -> Self {
        self.entry(EntryType::Regular, name, "", 0o644, contents.as_bytes())
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", 0o755, b"")
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, 0o777, b"")
    }

    pub(crate) fn hard(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name, target, 0o644, b"")
    }

    pub(crate) fn mode(self, name: &str, mode: u32) -> Self {
        self.entry(EntryType::Regular, name, "", mode, b"")
    }

    /// Something that is neither file nor folder nor link.
    pub(crate) fn special(self, kind: EntryType) -> Self {
        self.entry(kind, "thing", "", 0o644, b"")
    }
}
