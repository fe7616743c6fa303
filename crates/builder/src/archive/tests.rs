//! Every kind of bad archive, made by hand.

use super::*;
use crate::handmade::Pack;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use tar::Header;

impl Pack {
    /// Unpacks it in a folder that has a neighbour which nobody may touch.
    fn unpack(self, rules: &Rules) -> (tempfile::TempDir, Result<(), ArchiveError>) {
        let (outside, bytes) = (tempfile::tempdir().unwrap(), self.bytes());
        let root = outside.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(outside.path().join("precious"), "untouched").unwrap();
        let over = extract(&bytes[..], &root, rules);
        assert_eq!(fs::read_to_string(outside.path().join("precious")).unwrap(), "untouched");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2, "something was written outside");
        (outside, over)
    }
    fn refused(self) -> String {
        self.unpack(&Rules::source(None)).1.unwrap_err().to_string()
    }
}

#[test]
fn names_that_lead_outside_are_refused() {
    for name in ["../precious", "a/../../precious", "a/..", ".."] {
        assert!(Pack::new().file(name, "x").refused().contains("climbs out"), "{name}");
    }
    assert!(Pack::new().file("/tmp/precious", "x").refused().contains("absolute path `/tmp/precious`"));
}

#[test]
fn devices_and_pipes_are_refused() {
    for (kind, word) in [(EntryType::Char, "device"), (EntryType::Block, "device"), (EntryType::Fifo, "named pipe")] {
        assert!(Pack::new().special(kind).refused().contains(word));
    }
    assert!(Pack::new().special(EntryType::new(b'Q')).refused().contains("unknown kind"));
}

#[test]
fn links_that_leave_the_tree_are_refused() {
    for (name, target) in [("a", "/etc"), ("a", ".."), ("d/a", "../../x"), ("a", "b/../../x"), ("a", "")] {
        assert!(Pack::new().link(name, target).refused().contains("outside the app"), "{name} -> {target}");
    }
    for target in ["../precious", "/etc/passwd"] {
        assert!(Pack::new().hard("a", target).refused().contains("outside the app"), "{target}");
    }
    assert!(Pack::new().hard("a", "missing").refused().contains("not a file that came before"));
    assert!(Pack::new().file("a", "x").hard("a", "a").refused().contains("not a file that came before"));
    assert!(Pack::new().link("l", "b").hard("a", "l").refused().contains("not a file that came before"));
}

#[test]
fn links_inside_are_kept() {
    let pack =
        Pack::new().file("d/x", "1").link("d/up", "../d/x").link("bin", "./d").hard("h", "d/x").link("gone", "no");
    let (dir, over) = pack.unpack(&Rules::source(None));
    over.unwrap();
    let root = dir.path().join("root");
    assert_eq!(fs::read_link(root.join("d/up")).unwrap(), Path::new("../d/x"));
    assert_eq!(fs::metadata(root.join("h")).unwrap().ino(), fs::metadata(root.join("d/x")).unwrap().ino());
}

#[test]
fn nothing_is_written_through_a_link_of_the_archive() {
    let through = "behind a symbolic link";
    assert!(Pack::new().folder("d").link("l", "d").file("l/x", "1").refused().contains(through));
    assert!(Pack::new().folder("d").link("l", "d").folder("l/x").refused().contains(through));
    assert!(Pack::new().folder("d").link("l", "d").folder("l").refused().contains(through));
    // As for a slug, whose links are kept: still nothing goes through one.
    let (_dir, over) = Pack::new().link("l", "..").file("l/precious", "1").unpack(&Rules::slug(None));
    assert!(over.unwrap_err().to_string().contains(through));
    // A file in place of a link replaces the link, not what it points to.
    let (dir, over) = Pack::new().link("l", "../precious").file("l", "mine").unpack(&Rules::slug(None));
    over.unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("root/l")).unwrap(), "mine");
}

#[test]
fn conflicts_and_limits_have_their_own_words() {
    assert!(Pack::new().file("a", "1").file("a/b", "2").refused().contains("both as a file and as a folder"));
    assert!(Pack::new().folder("a").file("a", "2").refused().contains("both as a file and as a folder"));
    let rules = Rules { entries: 2, size_bytes: 2_000_000, ..Rules::source(None) };
    let (_dir, over) = Pack::new().file("a", "").file("b", "").file("c", "").unpack(&rules);
    assert!(over.unwrap_err().to_string().contains("more than 2 files"));
    let (_dir, over) = Pack::new().file("a", &"x".repeat(1_500_000)).file("b", &"x".repeat(600_000)).unpack(&rules);
    assert!(over.unwrap_err().to_string().contains("more than 2 MB"));
}

#[test]
fn a_bomb_in_a_name_does_not_fill_memory() {
    let mut archive = Vec::new();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    archive.extend_from_slice(header.as_bytes());
    let endless = archive.chain(io::repeat(b'a'));
    let dir = tempfile::tempdir().unwrap();
    let error = extract(endless, dir.path(), &Rules::source(None)).unwrap_err();
    assert!(matches!(error, ArchiveError::Unreadable(_)), "{error}");
}

#[test]
fn broken_and_empty_archives() {
    let dir = tempfile::tempdir().unwrap();
    let rules = Rules::source(None);
    assert!(matches!(extract(&b""[..], dir.path(), &rules), Err(ArchiveError::Empty)));
    assert!(matches!(extract(&[0; 1024][..], dir.path(), &rules), Err(ArchiveError::Empty)));
    assert!(matches!(extract(&b"hello, world"[..], dir.path(), &rules), Err(ArchiveError::Unreadable(_))));
    let cut = Pack::new().file("a", &"x".repeat(4000)).bytes();
    assert!(matches!(extract(&cut[..2000], dir.path(), &rules), Err(ArchiveError::Unreadable(_))));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&cut).unwrap();
    let gzip = gzip.finish().unwrap();
    assert!(matches!(extract(&gzip[..gzip.len() / 2], dir.path(), &rules), Err(ArchiveError::Unreadable(_))));
    extract(&gzip[..], dir.path(), &rules).unwrap();
}

#[test]
fn modes_and_times_are_kept_without_set_id_bits() {
    let (dir, over) = Pack::new().mode("bin/run", 0o4755).unpack(&Rules::tree(None));
    over.unwrap();
    let found = fs::metadata(dir.path().join("root/bin/run")).unwrap();
    assert_eq!((found.permissions().mode() & 0o7777, found.mtime()), (0o755, 1_000_000_000));
}

#[test]
fn cli_34_one_wrapping_folder_and_resource_forks() {
    let pack = || {
        let pack = Pack::new().file("._top", "").folder("app-1/").file("app-1/app-1", "x");
        pack.file("app-1/lib/y", "").file("app-1/._y", "")
    };
    let (dir, over) = pack().unpack(&Rules::source(None));
    over.unwrap();
    let root = dir.path().join("root");
    assert_eq!(fs::read_to_string(root.join("app-1")).unwrap(), "x");
    assert!(root.join("lib/y").is_file() && !root.join("._y").exists());
    let (dir, over) = pack().unpack(&Rules::tree(None));
    over.unwrap();
    assert!(dir.path().join("root/app-1/._y").is_file());
    let (dir, over) = Pack::new().file("./src/x", "").file("./package.json", "{}").unpack(&Rules::source(None));
    over.unwrap();
    assert!(dir.path().join("root/src/x").is_file());
}

#[test]
fn long_names_sparse_files_and_git_headers_are_fine() {
    let dir = tempfile::tempdir().unwrap();
    let (from, into) = (dir.path().join("from"), dir.path().join("into"));
    let long = "a/".repeat(80) + "file";
    fs::create_dir_all(from.join(&long).parent().unwrap()).unwrap();
    fs::write(from.join(&long), "deep").unwrap();
    let sparse = File::create(from.join("sparse")).unwrap();
    sparse.set_len(3_000_000).unwrap();
    let tar = |format: &str| {
        let tar =
            std::process::Command::new("tar").args(["-cS", "--format", format, "-C"]).arg(&from).arg(".").output();
        tar.unwrap().stdout
    };
    fs::create_dir(&into).unwrap();
    extract(&tar("gnu")[..], &into, &Rules::tree(None)).unwrap();
    assert_eq!(fs::read_to_string(into.join(&long)).unwrap(), "deep");
    assert_eq!(fs::metadata(into.join("sparse")).unwrap().len(), 3_000_000);
    let error = extract(&tar("pax")[..], &into, &Rules::tree(None)).unwrap_err();
    assert!(error.to_string().contains("without --sparse"), "{error}");
    fs::remove_file(from.join("sparse")).unwrap();
    extract(&tar("pax")[..], &into, &Rules::tree(None)).unwrap();
}
