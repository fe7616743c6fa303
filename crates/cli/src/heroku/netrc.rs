//! The official command line's own store of logins: a `.netrc` in the home folder that it is given. What `flowline login` knows
//! of the server stands there while a command runs, and what a command made of it is kept for `flowline` too.

use super::home;
use super::place::Place;
use crate::credentials::{Credentials, Login};
use crate::error::CliError;
use crate::session::Session;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the official command line looks itself up.
const MACHINE: &str = "api.heroku.com";

/// Its file is two entries long; more is not read.
const WORDS_LIMIT: usize = 4096;

/// One login, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The account's e-mail.
    pub(super) email: String,
    /// Its token.
    pub(super) token: String,
}

/// The file, and what was written into it.
pub(super) struct Netrc {
    path: PathBuf,
    written: Option<Entry>,
}

impl Netrc {
    /// Writes the login, or its absence.
    pub(super) fn write(home: &Path, entry: Option<Entry>, place: &Place) -> Result<Self, CliError> {
        let mut text = String::new();
        if let Some(entry) = &entry {
            for machine in [MACHINE, place.git_host()] {
                text += &format!("machine {machine}\n  login {}\n  password {}\n", entry.email, entry.token);
            }
        }
        Ok(Self { path: home::write(&home.join(".netrc"), &text)?, written: entry })
    }

    /// Keeps what the command made of it: another login, or none. `logs_in`: it was a login, so its token is this machine's own.
    pub(super) fn keep(self, session: &Session<'_>, logs_in: bool) -> Result<(), CliError> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let now = read(&text);
        if now == self.written {
            return Ok(());
        }
        let server = &session.client.server;
        let mut stored = Credentials::read(session.env)?;
        let before = stored.servers.get(&server.url).map(|login| login.token.clone());
        if before != self.written.map(|entry| entry.token) {
            // Somebody logged in or out by other means meanwhile: that is newer.
            return Ok(());
        }
        match now {
            Some(Entry { email, token }) => {
                let login = Login { email, token, ours: logs_in, ca: server.ca.clone() };
                stored.servers.insert(server.url.clone(), login);
                stored.current = Some(server.url.clone());
            }
            None => {
                stored.servers.remove(&server.url);
                if stored.current.as_ref() == Some(&server.url) {
                    stored.current = None;
                }
            }
        }
        stored.write(session.env).map(|_| ())
    }
}

/// The login of the platform's API in such a file.
fn read(text: &str) -> Option<Entry> {
    let words: Vec<&str> = text.split_whitespace().take(WORDS_LIMIT).collect();
    let at = words.windows(2).position(|pair| pair == ["machine", MACHINE])?;
    let fields: Vec<_> = words[at + 2..].chunks_exact(2).take_while(|pair| pair[0] != "machine").collect();
    let field = |name: &str| fields.iter().find(|pair| pair[0] == name).map(|pair| pair[1].to_owned());
    Some(Entry { email: field("login").unwrap_or_default(), token: field("password")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_the_api_is_found_among_others() {
        let entry = |email: &str, token: &str| Some(Entry { email: email.into(), token: token.into() });
        let two = "machine git.heroku.com\n  login a@b\n  password one\nmachine api.heroku.com\n  login c@d\n  password two\n";
        assert_eq!(read(two), entry("c@d", "two"));
        let other = "machine api.heroku.com login c@d password two machine git.heroku.com login a@b password one";
        assert_eq!(read(other), entry("c@d", "two"));
        assert_eq!(read("machine api.heroku.com\n  password x\n"), entry("", "x"));
        for none in ["", "machine api.heroku.com", "machine api.heroku.com login a@b", "machine h login a password b"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
