//! This server's registry as an engine sees it: how images in it are named, and how it is reached.

use hyper::Uri;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where Docker looks for authorities, a folder for each registry.
pub(crate) const DOCKER_AUTHORITIES: &str = "/etc/docker/certs.d";

/// One server's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Registry {
    /// As images are named by it: host and port.
    pub(crate) name: String,
    /// Is it reached without TLS? Only where nobody can listen: on loopback.
    pub(crate) plain: bool,
    /// The folder with `ca.crt` where the server has an authority of its own.
    pub(crate) authorities: Option<PathBuf>,
}

impl Registry {
    /// Of the server at this URL.
    pub(crate) fn of(url: &str, authorities: Option<PathBuf>) -> Self {
        Self { name: name(url), plain: url.starts_with("http:") && local(url), authorities }
    }

    /// Podman is told with every command how the registry is reached.
    pub(crate) fn tell_podman(&self, words: &mut Vec<OsString>) {
        let verb = words.first().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
        if !["login", "pull", "push", "run"].contains(&verb.as_str()) {
            return;
        }
        // Its `push` knows no platforms: what was built for one is pushed.
        if let Some(at) = words.iter().position(|word| word == "--platform").filter(|_| verb == "push") {
            words.drain(at..words.len().min(at + 2));
        }
        if self.plain {
            words.insert(1, "--tls-verify=false".into());
        }
        // Its `run` knows none: it finds what was built or pulled before.
        if let Some(folder) = self.authorities.as_ref().filter(|_| verb != "run") {
            words.insert(1, folder.into());
            words.insert(1, "--cert-dir".into());
        }
    }

    /// Docker's daemon only believes whom root has told it to: what to type, until it is done. `authority`: the file of the
    /// server's; `believed`: [`DOCKER_AUTHORITIES`].
    pub(crate) fn docker_hint(&self, authority: &Path, believed: &Path) -> Option<String> {
        let wanted = believed.join(&self.name).join("ca.crt");
        if wanted.exists() {
            return None;
        }
        Some(format!(
            "Docker has to be told once to believe this server:\n    sudo install -D -m 644 '{}' '{}'",
            authority.display(),
            wanted.display()
        ))
    }
}

/// The host of a URL without its port.
pub(crate) fn host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    Some(uri.host()?.trim_matches(['[', ']']).to_owned())
}

/// Is it on this machine, where nobody else can listen?
pub(crate) fn local(url: &str) -> bool {
    host(url)
        .is_some_and(|host| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

/// With a port, as typed, where the name alone would be taken for the name of an image or for another port.
fn name(url: &str) -> String {
    let (scheme, name) = url.split_once("://").unwrap_or(("https", url));
    let port = name.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    match scheme {
        _ if port => name.to_owned(),
        "http" => format!("{name}:80"),
        _ if name.contains('.') => name.to_owned(),
        _ => format!("{name}:443"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn registry(plain: bool, authorities: Option<&str>) -> Registry {
        Registry { name: "127.0.0.1:7700".to_owned(), plain, authorities: authorities.map(PathBuf::from) }
    }

    #[test]
    fn images_are_named_by_the_servers_registry() {
        for (url, named) in [
            ("http://127.0.0.1:7700", "127.0.0.1:7700"),
            ("https://flow.example.org", "flow.example.org"),
            ("https://flow.example.org:7743", "flow.example.org:7743"),
            ("https://flow", "flow:443"),
            ("http://flow.example.org", "flow.example.org:80"),
        ] {
            assert_eq!(name(url), named);
        }
    }

    #[test]
    fn podman_is_told_how_the_registry_is_reached() {
        for (plain, authorities, typed, goes) in [
            (true, None, "push --platform linux/amd64 a/b", "push --tls-verify=false a/b"),
            (true, None, "run -it a/b", "run --tls-verify=false -it a/b"),
            (true, None, "build --platform linux/amd64 .", "build --platform linux/amd64 ."),
            (true, None, "logout a", "logout a"),
            (false, Some("/ca"), "login a", "login --cert-dir /ca a"),
            (false, Some("/ca"), "run a/b", "run a/b"),
            (false, None, "pull a/b", "pull a/b"),
        ] {
            let mut typed = words(typed);
            registry(plain, authorities).tell_podman(&mut typed);
            assert_eq!(typed, words(goes));
        }
    }

    #[test]
    fn what_docker_needs_is_told_until_it_is_done() {
        let believed = tempfile::tempdir().unwrap();
        let own = registry(false, Some("/ca"));
        let hint = own.docker_hint(Path::new("/ca/ca.crt"), believed.path()).unwrap();
        assert!(hint.contains("'/ca/ca.crt'") && hint.contains("127.0.0.1:7700/ca.crt"), "{hint}");
        let folder = believed.path().join("127.0.0.1:7700");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("ca.crt"), "").unwrap();
        assert_eq!(own.docker_hint(Path::new("/ca/ca.crt"), believed.path()), None);
    }
}
