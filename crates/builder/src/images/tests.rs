//! Layers of every kind, good and bad, laid over one another.

use super::layer::{Allowance, ENTRY_LIMIT, IMAGE_TREE_LIMIT_BYTES, apply};
use super::root::Root;
use super::{LayerError, identity};
use crate::handmade::Pack;
use model::dyno::DYNO_UID;
use model::image::Packing;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

/// An image's folder, beside which lies what nobody may touch.
struct Image {
    outside: tempfile::TempDir,
    root: Root,
    left: Allowance,
}

impl Image {
    fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(outside.path().join("root")).unwrap();
        fs::write(outside.path().join("precious"), "untouched").unwrap();
        let root = Root::open(&outside.path().join("root"), None).unwrap();
        Self { outside, root, left: Allowance::of_an_image() }
    }

    fn of(layers: impl IntoIterator<Item = Pack>) -> Self {
        let mut image = Self::new();
        layers.into_iter().for_each(|layer| image.lay(layer).unwrap());
        image
    }

    fn lay(&mut self, layer: Pack) -> Result<(), LayerError> {
        let over = apply(&layer.bytes()[..], Packing::Plain, &mut self.root, &mut self.left);
        let outside = self.outside.path();
        assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "untouched");
        assert_eq!(fs::metadata(outside.join("precious")).unwrap().nlink(), 1);
        assert_eq!(fs::read_dir(outside).unwrap().count(), 2, "something was written outside");
        over
    }

    fn refused(mut self, layer: Pack) -> String {
        self.lay(layer).unwrap_err().to_string()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.outside.path().join("root").join(path)
    }

    /// All that is there: contents of files, targets of links, `/` for folders.
    fn tree(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        walk(&self.at(""), &self.at(""), &mut found);
        found
    }

    fn is(&self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<_, _> = expected.iter().map(|(name, what)| ((*name).into(), (*what).into())).collect();
        assert_eq!(self.tree(), expected);
    }
}

fn walk(top: &Path, dir: &Path, found: &mut BTreeMap<String, String>) {
    for child in fs::read_dir(dir).unwrap() {
        let path = child.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        let what = if about.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap().display())
        } else if about.is_dir() {
            walk(top, &path, found);
            "/".into()
        } else {
            assert!(about.is_file() && !about.file_type().is_char_device());
            fs::read_to_string(&path).unwrap()
        };
        found.insert(path.strip_prefix(top).unwrap().display().to_string(), what);
    }
}

#[test]
fn layers_add_replace_and_remove() {
    let below = Pack::new().folder("etc").file("etc/a", "1").file("etc/b", "1").file("old", "1").link("l", "old");
    let above = Pack::new().file("etc/a", "2").file("etc/c", "2").file("etc/.wh.b", "").file(".wh.old", "");
    Image::of([below, above]).is(&[("etc", "/"), ("etc/a", "2"), ("etc/c", "2"), ("l", "-> old")]);
}

#[test]
fn names_begin_with_a_dot_a_slash_or_nothing() {
    let layer = Pack::new().folder("./").folder("./a/").file("./a/x", "1").file("/a/y", "2").file("a/z", "3");
    Image::of([layer]).is(&[("a", "/"), ("a/x", "1"), ("a/y", "2"), ("a/z", "3")]);
}

#[test]
fn kinds_give_way_to_one_another() {
    let below = Pack::new().file("d/x/y", "1").file("f", "1").link("l", "d").file("e", "1");
    let above = Pack::new().file("d", "2").folder("f").file("f/in", "2").folder("l").file("l/in", "2").link("e", "f");
    let image = Image::of([below, above]);
    image.is(&[("d", "2"), ("f", "/"), ("f/in", "2"), ("l", "/"), ("l/in", "2"), ("e", "-> f")]);
}

#[test]
fn whiteouts_hide_lower_layers_wherever_they_stand() {
    let below = Pack::new().file("d/old", "1").file("d/both", "1").file("d/sub/old", "1").file("gone/deep/x", "1");
    let entries: [&dyn Fn(Pack) -> Pack; 5] = [
        &|pack| pack.file("d/.wh..wh..opq", ""),
        &|pack| pack.folder("d"),
        &|pack| pack.file("d/both", "2"),
        &|pack| pack.file("d/sub/new", "2"),
        &|pack| pack.file(".wh.gone", ""),
    ];
    let expected = [("d", "/"), ("d/both", "2"), ("d/sub", "/"), ("d/sub/new", "2")];
    let forward = entries.iter().fold(Pack::new(), |pack, add| add(pack));
    let backward = entries.iter().rev().fold(Pack::new(), |pack, add| add(pack));
    for above in [forward, backward] {
        Image::of([below.clone(), above]).is(&expected);
    }
    // The next layer hides what this one made.
    let image = Image::of([below, Pack::new().file("d/both", "2"), Pack::new().file(".wh.d", "")]);
    image.is(&[("gone", "/"), ("gone/deep", "/"), ("gone/deep/x", "1")]);
}

#[test]
fn a_whiteout_of_a_name_that_the_layer_makes_anew() {
    let below = Pack::new().file("d/old", "1").file("f", "1");
    let above = Pack::new().file("d/new", "2").file(".wh.d", "").file(".wh.f", "").file("f", "2");
    Image::of([below, above]).is(&[("d", "/"), ("d/new", "2"), ("f", "2")]);
    let nothing = Pack::new().file(".wh.none", "").file("none/.wh.x", "").file("none/.wh..wh..opq", "");
    Image::of([nothing]).is(&[]);
    let notes = Pack::new().folder(".wh..wh.plnk").file(".wh..wh.plnk/7.9", "x").file(".wh..wh.aufs", "x");
    Image::of([notes]).is(&[]);
}

#[test]
fn a_link_of_a_lower_layer_leads_where_the_image_means_it() {
    let below = Pack::new()
        .folder("usr/lib")
        .link("lib", "usr/lib")
        .link("abs", "/usr/lib")
        .link("up", "../../../usr/lib")
        .link("usr/chain", "../abs")
        .link("later", "not/yet");
    let above = Pack::new()
        .file("lib/a", "1")
        .file("abs/b", "1")
        .file("up/c", "1")
        .file("usr/chain/d", "1")
        .file("later/e", "1")
        .hard("abs/f", "lib/a")
        .file("lib/.wh.c", "");
    let last = Pack::new().file("lib/.wh.c", "");
    let image = Image::of([below, above, last]);
    for name in ["a", "b", "d", "f"] {
        assert_eq!(fs::read_to_string(image.at("usr/lib").join(name)).unwrap(), "1", "{name}");
    }
    assert!(!image.at("usr/lib/c").exists());
    assert_eq!(fs::read_to_string(image.at("not/yet/e")).unwrap(), "1");
    for link in ["lib", "abs", "up", "usr/chain", "later"] {
        assert!(image.at(link).is_symlink(), "{link}");
    }
}

#[test]
fn links_that_lead_outside_lead_nothing_there() {
    let outside = |image: &Image| image.outside.path().display().to_string();
    let mut image = Image::new();
    let precious = outside(&image);
    image
        .lay(Pack::new().link("abs", &precious).link("up", "..").link("file", &format!("{precious}/precious")))
        .unwrap();
    // All of it lands below the image's own top.
    let layer = Pack::new().file("abs/precious", "x").file("up/new", "x").file("abs/.wh.other", "");
    image.lay(layer).unwrap();
    assert_eq!(fs::read_to_string(image.at("new")).unwrap(), "x");
    assert_eq!(fs::read_to_string(image.at(&precious[1..]).join("precious")).unwrap(), "x");
    // A file takes the place of a link, whatever it points to; a whiteout removes the link alone.
    image.lay(Pack::new().file("file", "x").file(".wh.abs", "")).unwrap();
    assert!(!image.at("file").is_symlink() && !image.at("abs").is_symlink());
    image.lay(Pack::new().link("abs", &precious).file("abs/.wh..wh..opq", "").file("up/.wh.precious", "")).unwrap();
}

#[test]
fn names_and_hard_links_that_lead_outside_are_refused() {
    for name in ["../precious", "a/../../precious", "a/..", "..", "/../precious"] {
        assert!(Image::new().refused(Pack::new().file(name, "x")).contains("climbs"), "{name}");
        assert!(Image::new().refused(Pack::new().file("f", "").hard("h", name)).contains("climbs"), "{name}");
    }
    for name in [".wh...", ".wh..", ".wh.", "a/.wh..."] {
        assert!(Image::new().refused(Pack::new().file(name, "")).contains("climbs"), "{name}");
    }
    for layer in [Pack::new().file(".wh.d/f", ""), Pack::new().link("l", ".wh.d").file("l/f", "")] {
        assert!(Image::new().refused(layer).contains("reserved"));
    }
    let image = Image::new();
    let precious = image.outside.path().join("precious").display().to_string();
    assert!(image.refused(Pack::new().hard("h", &precious)).contains("not a file that came before"));
    let up = Pack::new().link("up", "../..").hard("h", "up/precious");
    assert!(Image::new().refused(up).contains("not a file that came before"));
    let folder = Pack::new().folder("d").hard("h", "d");
    assert!(Image::new().refused(folder).contains("not a file that came before"));
    assert!(Image::new().refused(Pack::new().hard("h", "./")).contains("not a file that came before"));
}

#[test]
fn hard_links_share_a_file_and_links_may_be_linked() {
    let layer = Pack::new().file("a", "1").link("l", "/nowhere").hard("b", "/a").hard("m", "./l").hard("a", "a");
    let image = Image::of([layer, Pack::new().hard("c", "a"), Pack::new().file("b", "2")]);
    image.is(&[("a", "1"), ("b", "2"), ("c", "1"), ("l", "-> /nowhere"), ("m", "-> /nowhere")]);
    assert_eq!(fs::metadata(image.at("a")).unwrap().ino(), fs::metadata(image.at("c")).unwrap().ino());
}

#[test]
fn circles_and_things_below_files_are_refused() {
    assert!(Image::new().refused(Pack::new().link("a", "b").link("b", "a").file("a/x", "")).contains("circle"));
    assert!(Image::new().refused(Pack::new().file("f", "").file("f/x", "")).contains("no folder"));
    let deep = "d/".repeat(40);
    let layers = Pack::new().folder(&deep).link("l", &deep).link(&format!("{deep}m"), "/l");
    let mut image = Image::of([layers]);
    // Links make names short and places deep.
    let mut way = "l/".to_owned();
    while way.len() < 90 {
        way += "d/";
    }
    image.lay(Pack::new().folder(&way)).unwrap();
    assert!(image.refused(Pack::new().link("n", &way).folder(&format!("n/{}", "d/".repeat(48)))).contains("deep"));
}

#[test]
fn devices_are_left_out_and_the_unknown_is_refused() {
    let layer = [EntryType::Char, EntryType::Block, EntryType::Fifo]
        .into_iter()
        .fold(Pack::new(), |pack, kind| pack.entry(kind, "dev/thing", "", 0o666, b""));
    Image::of([layer]).is(&[]);
    let unknown = Pack::new().special(EntryType::new(b'Q'));
    assert!(Image::new().refused(unknown).contains("unknown kind"));
}

#[test]
fn modes_lose_set_id_bits_and_never_shut_the_owner_out() {
    let layer = Pack::new()
        .mode("su", 0o6755)
        .mode("shut", 0o000)
        .mode("run", 0o055)
        .entry(EntryType::Directory, "tmp", "", 0o3777, b"")
        .entry(EntryType::Directory, "dir", "", 0o000, b"");
    let image = Image::of([layer]);
    for (name, mode) in [("su", 0o755), ("shut", 0o600), ("run", 0o755), ("tmp", 0o1777), ("dir", 0o700)] {
        assert_eq!(fs::metadata(image.at(name)).unwrap().permissions().mode() & 0o7777, mode, "{name}");
    }
    assert_eq!(fs::metadata(image.at("su")).unwrap().mtime(), 1_000_000_000);
}

#[test]
fn gzip_zstd_long_names_and_large_files() {
    let long = format!("{}/{}", "n".repeat(120), "m".repeat(150));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(3_000_000);
    header.set_mode(0o644);
    builder.append_data(&mut header.clone(), &long, &vec![b'x'; 3_000_000][..]).unwrap();
    // What is left out has bytes too, more than any header.
    builder.append_data(&mut header.clone(), ".wh.other", &vec![0; 3_000_000][..]).unwrap();
    header.set_size(1);
    builder.append_pax_extensions([("path", &b"by-pax"[..])]).unwrap();
    builder.append_data(&mut header, "short", &b"1"[..]).unwrap();
    let plain = builder.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for (packing, bytes) in [(Packing::Plain, &plain), (Packing::Gzip, &gzip.finish().unwrap()), (Packing::Zstd, &zstd)]
    {
        let mut image = Image::new();
        apply(&bytes[..], packing, &mut image.root, &mut image.left).unwrap();
        assert_eq!(fs::metadata(image.at(&long)).unwrap().len(), 3_000_000, "{packing:?}");
        assert_eq!(fs::read_to_string(image.at("by-pax")).unwrap(), "1");
        assert_eq!(image.left.bytes, IMAGE_TREE_LIMIT_BYTES - 6_000_001);
        // Cut off, or something else than the manifest says.
        let mut image = Image::new();
        assert!(apply(&bytes[..bytes.len() / 2], packing, &mut image.root, &mut image.left).is_err(), "{packing:?}");
        let other = if packing == Packing::Plain { Packing::Gzip } else { Packing::Plain };
        let mut image = Image::new();
        let error = apply(&bytes[..], other, &mut image.root, &mut image.left).unwrap_err();
        assert!(matches!(error, LayerError::Unreadable(_)), "{packing:?}: {error}");
    }
}

#[test]
fn a_layer_may_be_empty() {
    Image::of([Pack::new()]).is(&[]);
}

#[test]
fn limits_hold_over_all_layers() {
    let mut image = Image::new();
    image.left = Allowance { entries: 3, bytes: 10 };
    image.lay(Pack::new().file("a", "12345")).unwrap();
    image.lay(Pack::new().file("a", "12345").file("b", "")).unwrap();
    let error = image.lay(Pack::new().file("c", "")).unwrap_err();
    assert!(error.to_string().contains(&format!("more than {ENTRY_LIMIT} files")), "{error}");
    image.left = Allowance { entries: 3, bytes: 10 };
    let error = image.lay(Pack::new().file("a", "12345678901")).unwrap_err();
    assert!(error.to_string().contains("more than 10 GiB"), "{error}");
}

#[test]
fn sparse_files_of_gnu_tar_are_filled_and_those_of_pax_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::create(dir.path().join("holes")).unwrap();
    file.set_len(5_000_000).unwrap();
    fs::write(dir.path().join("end"), "end").unwrap();
    for (format, good) in [("gnu", true), ("pax", false)] {
        let mut tar = std::process::Command::new("tar");
        tar.arg("-cSC").arg(dir.path()).args(["--format", format, "holes", "end"]);
        let output = tar.output().unwrap();
        let mut image = Image::new();
        let over = apply(&output.stdout[..], Packing::Plain, &mut image.root, &mut image.left);
        match over {
            Ok(()) if good => assert_eq!(fs::metadata(image.at("holes")).unwrap().len(), 5_000_000),
            Err(error) if !good => assert!(error.to_string().contains("sparse"), "{error}"),
            over => panic!("{format}: {over:?}"),
        }
    }
}

#[test]
fn the_dyno_has_a_name_in_every_image() {
    let account = format!("dyno:x:{DYNO_UID}:{DYNO_UID}:dyno:/:/bin/sh\n");
    let passwd = |image: &Image| fs::read_to_string(image.at("etc/passwd")).unwrap();
    let named = |layer: Pack| {
        let mut image = Image::of([layer]);
        identity::add(&mut image.root).unwrap();
        assert_eq!(fs::read_to_string(image.outside.path().join("precious")).unwrap(), "untouched");
        image
    };
    let image = named(Pack::new().file("etc/passwd", "root:x:0:0::/root:/bin/ash").file("etc/group", "a:x:1:\n"));
    assert_eq!(passwd(&image), format!("root:x:0:0::/root:/bin/ash\n{account}"));
    assert_eq!(fs::read_to_string(image.at("etc/group")).unwrap(), format!("a:x:1:\ndyno:x:{DYNO_UID}:\n"));
    for layer in [Pack::new(), Pack::new().folder("etc")] {
        assert!(passwd(&named(layer)).ends_with(&account));
    }
    // A link is read within the image, and becomes a file of the image.
    let layer = Pack::new().file("store/passwd", "a:x:1:1::/:/sh\n").link("etc/passwd", "/store/passwd");
    let image = named(layer);
    assert_eq!(passwd(&image), format!("a:x:1:1::/:/sh\n{account}"));
    assert_eq!(fs::read_to_string(image.at("store/passwd")).unwrap(), "a:x:1:1::/:/sh\n");
    let image = named(Pack::new().link("etc", "/usr/etc"));
    assert!(fs::read_to_string(image.at("usr/etc/passwd")).unwrap().ends_with(&account));
    for odd in [
        Pack::new().file("etc", "1"),
        Pack::new().link("etc/passwd", "../../precious"),
        Pack::new().folder("etc/passwd"),
    ] {
        named(odd);
    }
}
