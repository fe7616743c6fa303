//! Which file answers a path, and what is never served.

use super::file::{Encoding, ServedFile};
use super::settings::{Settings, SiteError};
use super::{glob, media};
use hyper::header::{HeaderName, HeaderValue};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Where files are when static.json does not say. An app without this folder or without static.json is served as it is.
const USUAL_ROOT: &str = "public_html";

/// Not content, though they lie beside it when the app's own folder is served.
const OUR_FILES: [&str; 3] = ["static.json", "Procfile", "app.json"];

/// The one dot folder that is made to be read: certificates' challenges, app links (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// The files to serve and how.
#[derive(Debug)]
pub(crate) struct Site {
    root: PathBuf,
    settings: Settings,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Answer {
    /// This file.
    File(ServedFile),
    /// Nothing; this file says so.
    MissingPage(ServedFile),
    /// Nothing.
    Missing,
    /// A folder that was asked for without its slash: relative links in its index would break.
    Folder {
        /// The path as it should be.
        with_slash: String,
    },
    /// No path at all.
    BadPath,
}

impl Site {
    /// Reads static.json in the app's folder and finds the root.
    pub(crate) fn open(app: &Path) -> Result<Self, SiteError> {
        let settings = Settings::read(&app.join("static.json"))?;
        let usual = if settings.is_some() && app.join(USUAL_ROOT).is_dir() { USUAL_ROOT } else { "." };
        let settings = settings.unwrap_or_default();
        let root = settings.root.as_deref().unwrap_or(usual);
        let failed = |source| SiteError::Root { root: root.to_owned(), source };
        let app = std::fs::canonicalize(app).map_err(failed)?;
        let real = std::fs::canonicalize(app.join(root.trim_start_matches('/'))).map_err(failed)?;
        std::fs::read_dir(&real).map_err(failed)?;
        if !real.starts_with(&app) {
            return Err(SiteError::RootOutside(root.to_owned()));
        }
        Ok(Self { root: real, settings })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Settings of static.json that do nothing here.
    pub(super) fn passed_over(&self) -> &[String] {
        &self.settings.passed_over
    }

    /// Files first, then routes, then the error page.
    pub(super) fn find(&self, path: &str, gzip: bool) -> Answer {
        let Some(decoded) = decode(path) else { return Answer::BadPath };
        if let Some(found) = self.lookup(&decoded, path, gzip) {
            return found;
        }
        if self.settings.clean_urls
            && !decoded.ends_with(b"/")
            && let Some(file) = self.file(&[&decoded[..], b".html"].concat(), gzip)
        {
            return Answer::File(file);
        }
        let text = String::from_utf8_lossy(&decoded);
        for (_, target) in self.settings.routes.iter().filter(|(pattern, _)| glob::matches(pattern, &text)) {
            if let Some(file) = self.file(target.as_bytes(), gzip) {
                return Answer::File(file);
            }
        }
        let page = self.settings.error_page.as_ref().and_then(|page| self.file(page.as_bytes(), gzip));
        page.map_or(Answer::Missing, Answer::MissingPage)
    }

    /// The file or the folder's index at exactly this path.
    fn lookup(&self, decoded: &[u8], path: &str, gzip: bool) -> Option<Answer> {
        if decoded.ends_with(b"/") {
            return self.file(&[decoded, b"index.html"].concat(), gzip).map(Answer::File);
        }
        if let Some(file) = self.file(decoded, gzip) {
            return Some(Answer::File(file));
        }
        // Two slashes in front would be another host to a browser.
        let with_slash = format!("/{}/", path.trim_matches('/'));
        self.file(&[decoded, b"/index.html"].concat(), gzip).map(|_index| Answer::Folder { with_slash })
    }

    /// A regular file inside the root that may be seen.
    fn file(&self, path: &[u8], gzip: bool) -> Option<ServedFile> {
        let inside = self.inside(path)?;
        let metadata = std::fs::metadata(&inside).ok().filter(std::fs::Metadata::is_file)?;
        // The name that was asked for: a link's name counts, not its target's.
        let name = Path::new(OsStr::from_bytes(path)).file_name()?.to_string_lossy();
        let content_type = media::content_type(&name);

        let compressed = self.inside(&[path, b".gz"].concat());
        let compressed = compressed.and_then(|path| Some((std::fs::metadata(&path).ok()?, path)));
        match compressed.filter(|(metadata, _)| metadata.is_file()) {
            Some((metadata, path)) if gzip => Some(ServedFile::new(path, &metadata, content_type, Encoding::Gzip)),
            Some(_) => Some(ServedFile::new(inside, &metadata, content_type, Encoding::PlainOfTwo)),
            None => Some(ServedFile::new(inside, &metadata, content_type, Encoding::Plain)),
        }
    }

    /// The real place of a path; `None` when it is outside of the root or hidden, by its own name or through a link.
    fn inside(&self, path: &[u8]) -> Option<PathBuf> {
        let relative = path.iter().position(|byte| *byte != b'/').map_or(&b""[..], |start| &path[start..]);
        let relative = Path::new(OsStr::from_bytes(relative));
        let real = std::fs::canonicalize(self.root.join(relative)).ok()?;
        let below = real.strip_prefix(&self.root).ok()?;
        (is_content(relative) && is_content(below)).then_some(real)
    }

    /// What static.json adds for this path; of two that name one header the later wins, which is the more exact pattern.
    pub(super) fn headers(&self, path: &str) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        let decoded = decode(path).unwrap_or_default();
        let path = String::from_utf8_lossy(&decoded).into_owned();
        let matching = self.settings.headers.iter().filter(move |(pattern, _)| glob::matches(pattern, &path));
        matching.flat_map(|(_, fields)| fields)
    }
}

fn is_content(path: &Path) -> bool {
    let visible = path.components().all(|part| match part {
        Component::Normal(name) => name == WELL_KNOWN || !name.as_bytes().starts_with(b"."),
        Component::CurDir => true,
        Component::ParentDir | Component::RootDir | Component::Prefix(_) => false,
    });
    visible && !OUR_FILES.iter().any(|ours| path == Path::new(ours))
}

/// Percent-decodes a path; `None` when it is not one.
fn decode(path: &str) -> Option<Vec<u8>> {
    let bytes = path.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let byte = if bytes[at] == b'%' {
            at += 2;
            u8::try_from(hex(at - 1)? * 16 + hex(at)?).ok()?
        } else {
            bytes[at]
        };
        decoded.push(byte);
        at += 1;
    }
    // A path that climbs is an attack or a mistake; browsers resolve dots themselves.
    let climbs = decoded.split(|byte| *byte == b'/').any(|part| part == b"..");
    (decoded.starts_with(b"/") && !decoded.contains(&0) && !climbs).then_some(decoded)
}
