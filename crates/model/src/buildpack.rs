//! A buildpack as people name it (BLD-9).

use std::fmt;
use std::str::FromStr;

/// Packs of one app: more than any build needs.
pub const BUILDPACKS_LIMIT: usize = 20;

/// A longer name or address is none.
pub const BUILDPACK_LIMIT_BYTES: usize = 2048;

/// Where the packs of the built-in names live for everybody else, with what follows them there.
const HOMES: [(&str, &str); 6] = [
    ("urn:buildpack:", ""),
    ("https://github.com/heroku/heroku-buildpack-", ".git"),
    ("git@github.com:heroku/heroku-buildpack-", ".git"),
    ("https://buildpack-registry.heroku.com/buildpacks/", ""),
    ("https://buildpack-registry.s3.amazonaws.com/buildpacks/", ".tgz"),
    ("https://codon-buildpacks.s3.amazonaws.com/buildpacks/", ".tgz"),
];

/// A short name, a URN or an address, kept as it was written (CLI-26).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buildpack(String);

/// Text that names no pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "A buildpack is a name such as heroku/nodejs or an address, without spaces and of at most {BUILDPACK_LIMIT_BYTES} bytes"
)]
pub struct BadBuildpack;

impl Buildpack {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The short name behind a name or address: `https://github.com/heroku/heroku-buildpack-nodejs#v200` is `heroku/nodejs`. What
/// leads elsewhere stays as it is.
#[must_use]
pub fn short_name(written: &str) -> String {
    let place = written.split_once('#').map_or(written, |(place, _)| place).trim_end_matches('/');
    let found = HOMES.iter().find_map(|(home, end)| {
        let rest = place.strip_prefix(home)?;
        Some((rest.strip_suffix(end).unwrap_or(rest), home.ends_with('-')))
    });
    match found {
        Some((name, true)) => format!("heroku/{name}"),
        // What the registry calls the static pack.
        Some((name, false)) => name.replace("heroku-community/static", "heroku/static"),
        None if place == "heroku-community/static" => "heroku/static".to_owned(),
        None => written.to_owned(),
    }
}

impl FromStr for Buildpack {
    type Err = BadBuildpack;

    fn from_str(text: &str) -> Result<Self, BadBuildpack> {
        let odd = |letter: char| letter.is_control() || letter.is_whitespace();
        let good = (1..=BUILDPACK_LIMIT_BYTES).contains(&text.len()) && !text.chars().any(odd);
        if good { Ok(Self(text.to_owned())) } else { Err(BadBuildpack) }
    }
}

impl fmt::Display for Buildpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bld_9_the_names_of_a_pack() {
        for (written, name) in [
            ("heroku/nodejs", "heroku/nodejs"),
            ("nodejs", "nodejs"),
            ("urn:buildpack:heroku/nodejs", "heroku/nodejs"),
            ("https://github.com/heroku/heroku-buildpack-python", "heroku/python"),
            ("https://github.com/heroku/heroku-buildpack-python.git#v250", "heroku/python"),
            ("https://github.com/heroku/heroku-buildpack-static/", "heroku/static"),
            ("https://buildpack-registry.s3.amazonaws.com/buildpacks/heroku-community/static.tgz", "heroku/static"),
            ("heroku-community/static", "heroku/static"),
            (
                "https://github.com/somebody/heroku-buildpack-python",
                "https://github.com/somebody/heroku-buildpack-python",
            ),
            ("https://github.com/heroku/heroku-buildpack-../../x", "heroku/../../x"),
        ] {
            assert_eq!(short_name(written), name, "{written}");
        }
        for bad in ["", "a b", "heroku/nodejs\n", "\u{1b}[2J", &"x".repeat(BUILDPACK_LIMIT_BYTES + 1)] {
            assert_eq!(bad.parse::<Buildpack>(), Err(BadBuildpack));
        }
    }
}
