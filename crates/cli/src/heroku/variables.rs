//! The environment that points the official command line, and programs like it, at a Flowline.

use super::place::Place;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::path::Path;

/// What the user's own environment may say of another server, another account or another proxy.
pub(super) const FORGOTTEN: [&str; 32] = [
    "ALL_PROXY",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "HEROKU_ANALYTICS_URL",
    "HEROKU_API_KEY",
    "HEROKU_API_TOKEN",
    "HEROKU_CI_WEBSOCKET_URL",
    "HEROKU_CLOUD",
    "HEROKU_DATA_HOST",
    "HEROKU_DATA_SERVICE",
    "HEROKU_EXEC_URL",
    "HEROKU_HEADERS",
    "HEROKU_HOST",
    "HEROKU_LEGACY_SSO",
    "HEROKU_LOGIN_HOST",
    "HEROKU_PARTICLEBOARD_HEADERS",
    "HEROKU_PARTICLEBOARD_URL",
    "HEROKU_POSTGRESQL_ADDON_NAME",
    "HEROKU_POSTGRESQL_HOST",
    "HEROKU_REDIS_ADDON_NAME",
    "HEROKU_REDIS_HOST",
    "HEROKU_STATUS_HOST",
    "HTTP_PROXY",
    "PGDIAGNOSE_URL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "SSO_URL",
    "TRUST_ONLY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// As RFC 7468 has it.
const PEM_LINE_LETTERS: usize = 64;

/// A variable, its value, and what it is for.
type Variable = (&'static str, String, &'static str);

/// The variables of one way to reach the server.
pub(super) struct Variables(Vec<Variable>);

impl Variables {
    /// For a child with a proxy beside it: every host of the platform is this server.
    pub(super) fn by_proxy(
        place: &Place,
        key: Option<&str>,
        proxy: SocketAddr,
        authorities: &Path,
        git: &Path,
        home: &Path,
    ) -> Self {
        let path = |path: &Path| path.display().to_string();
        let mut all = common(place, key, authorities, git);
        all.push(("HTTPS_PROXY", format!("http://{proxy}"), "leads the platform's names to this server"));
        all.push(("HEROKU_EXEC_URL", format!("https://{proxy}"), "`ps:exec`, which knows no proxies"));
        // What answers hold of addresses is reached without the proxy.
        all.push(("NO_PROXY", place.host(), "this server itself"));
        // The browser that it opens knows nothing of the proxy.
        all.push(("HEROKU_LOGIN_HOST", place.url.clone(), "login"));
        all.push(("HOME", path(home), "netrc and accounts of its own"));
        for (name, folder) in
            [("XDG_CONFIG_HOME", ".config"), ("XDG_DATA_HOME", ".local/share"), ("XDG_CACHE_HOME", ".cache")]
        {
            all.push((name, path(&home.join(folder)), "and settings"));
        }
        all.push(("HEROKU_DISABLE_AUTOUPDATE", "1".to_owned(), "it stays as it is installed"));
        Self(all)
    }

    /// For a shell, where no proxy runs: as far as the command line can be pointed elsewhere by itself.
    pub(super) fn direct(place: &Place, token: &str, authority: &Path, git: &Path) -> Self {
        let mut all = common(place, Some(token), authority, git);
        if ["127.0.0.1", "localhost"].contains(&place.host().as_str()) {
            all.push(("HEROKU_HOST", place.url.clone(), "the API"));
        } else {
            // It asks whether `localhost` is in the address, and sends the token nowhere else by itself.
            let url = place.url.replacen("://", "://localhost@", 1);
            all.push((
                "HEROKU_HOST",
                url,
                "the API; `localhost` is there because it takes no other address without it",
            ));
            let headers = format!("{{\"authorization\":\"Bearer {token}\"}}");
            all.push(("HEROKU_HEADERS", headers, "it sends the token nowhere else by itself"));
        }
        let socket = place.url.replacen("http", "ws", 1) + "/socket";
        all.push(("HEROKU_DATA_HOST", place.host(), "data services"));
        if let Some(tls) = &place.git {
            all.push(("HEROKU_EXEC_URL", tls.clone(), "`ps:exec`, where the server has `--ssh` at port 80"));
        }
        all.push(("HEROKU_PARTICLEBOARD_URL", place.url.clone(), "else every command about accounts waits for 6 s"));
        all.push(("HEROKU_CI_WEBSOCKET_URL", socket, "test runs"));
        all.push(("HEROKU_LOGIN_HOST", place.url.clone(), "login"));
        all.push(("HEROKU_STATUS_HOST", place.url.clone(), "status"));
        Self(all)
    }

    /// Names and values.
    pub(super) fn list(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value, _)| (*name, value.as_str()))
    }

    /// Lines for `eval`.
    pub(super) fn script(&self, url: &str) -> Vec<String> {
        let mut lines = vec![
            format!("# Points the official heroku command line and programs like it at {url}, in this shell."),
            "# Type: eval \"$(flowline env)\"".to_owned(),
            "# `notifications`, `apps:favorites`, `apps:errors` and `container:*` know no other host than the platform's:".to_owned(),
            "# those only work as `flowline heroku -- ...`, which needs none of this.".to_owned(),
        ];
        let other =
            FORGOTTEN.into_iter().filter(|name| ["HEROKU_", "GIT_"].iter().any(|begin| name.starts_with(begin)));
        let other: Vec<_> = other.filter(|name| self.0.iter().all(|(set, _, _)| set != name)).collect();
        lines.push(format!("unset {}", other.join(" ")));
        for (name, value, what) in &self.0 {
            lines.push(format!("export {name}={}  # {what}", quoted(value)));
        }
        lines
    }
}

fn common(place: &Place, key: Option<&str>, authorities: &Path, git: &Path) -> Vec<Variable> {
    let key = key.map(|key| ("HEROKU_API_KEY", key.to_owned(), "your token"));
    let rest = [
        ("HEROKU_GIT_HOST", place.git_host().to_owned(), "git remotes: https only"),
        ("HEROKU_BUILDPACK_REGISTRY_URL", place.url.clone(), "names of buildpacks"),
        ("NODE_EXTRA_CA_CERTS", authorities.display().to_string(), "`run` speaks TLS with the server's own authority"),
        ("GIT_CONFIG_GLOBAL", git.display().to_string(), "your git settings and those for this server"),
        ("HEROKU_NETRC_WRITE", "true".to_owned(), "no keychain: its entries are not told apart by server"),
        ("HEROKU_SKIP_NEW_VERSION_CHECK", "true".to_owned(), "no questions to other servers"),
        ("DISABLE_TELEMETRY", "true".to_owned(), "no reports to other servers"),
    ];
    key.into_iter().chain(rest).collect()
}

/// For a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A certificate as text.
pub(super) fn pem(certificate: &CertificateDer<'_>) -> String {
    let encoded = STANDARD.encode(certificate);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in encoded.as_bytes().chunks(PEM_LINE_LETTERS) {
        text += &String::from_utf8_lossy(line);
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_the_shell() {
        assert_eq!(quoted("it's $x"), r"'it'\''s $x'");
    }
}
