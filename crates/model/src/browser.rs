//! Browsers for checks: asked for by the buildpacks that bring them elsewhere, found on the machine.

use std::str::FromStr;

/// Where the profile script lies that leads a dyno to its browser.
pub const PROFILE: &str = "/app/.profile.d/zz-flowline-browser.sh";

/// Where the machine's packages put Chrome's program: Debian, Google's own package, others. The wrappers in `/usr/bin` want
/// files of `/etc` that dynos do not see.
pub const CHROMES: [&str; 4] = [
    "/usr/lib/chromium/chromium",
    "/opt/google/chrome/chrome",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/usr/lib/chromium-browser/chromium-browser",
];

/// The X server without a screen.
pub const XVFB: &str = "/usr/bin/Xvfb";

/// How a browser runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// Chrome, headless.
    Headless,
    /// Chrome and whatever else wants a display, on one of Xvfb.
    OnDisplay,
}

impl Browser {
    /// What a list of buildpacks asks for: `heroku-community/chrome-for-testing` and `heroku/google-chrome` for headless Chrome,
    /// `heroku/xvfb-google-chrome` for one with a display, by name or by address.
    #[must_use]
    pub fn asked_by(packs: &[String]) -> Option<Self> {
        let names: Vec<&str> = packs.iter().map(|pack| pack_name(pack)).collect();
        let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(name));
        if has(&["xvfb-google-chrome", "xvfb"]) {
            return Some(Self::OnDisplay);
        }
        has(&["chrome-for-testing", "google-chrome"]).then_some(Self::Headless)
    }

    /// As it is kept.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Headless => "headless",
            Self::OnDisplay => "display",
        }
    }

    /// The profile script of a dyno with this browser: `chrome`, `google-chrome` and `chromium` are found by name, their program
    /// by `CHROME_BIN` and, as the buildpacks have it, `GOOGLE_CHROME_BIN` and `GOOGLE_CHROME_SHIM`; with a display there is
    /// `DISPLAY`. The sandbox of Chrome wants what a dyno may not do, and the dyno is one.
    #[must_use]
    pub fn profile(self, chrome: &str) -> String {
        let (headless, display) = match self {
            Self::Headless => ("--headless ", String::new()),
            Self::OnDisplay => ("", display()),
        };
        format!(
            r#"browser=$HOME/.flowline/browser
mkdir -p "$browser"
printf '%s\n' '#!/bin/sh' 'exec {chrome} {headless}--no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --user-data-dir=/tmp/chrome "$@"' >"$browser/google-chrome"
chmod 755 "$browser/google-chrome"
for name in chrome chromium google-chrome-stable; do ln -sf google-chrome "$browser/$name"; done
export PATH="$browser:$PATH" CHROME_BIN="$browser/google-chrome"
export GOOGLE_CHROME_BIN={chrome} GOOGLE_CHROME_SHIM="$CHROME_BIN"
{display}"#
        )
    }
}

/// Xvfb tells its number when it takes connections.
fn display() -> String {
    format!(
        r#"exec {{screen}}< <(exec {XVFB} -displayfd 1 -screen 0 1280x1024x24 -nolisten tcp 2>/dev/null)
read -r -t 60 -u "$screen" DISPLAY || {{ echo "Xvfb did not start within 60 seconds" >&2; exit 1; }}
export DISPLAY=":$DISPLAY"
"#
    )
}

/// `https://github.com/heroku/heroku-buildpack-google-chrome.git#main` is `google-chrome`.
fn pack_name(pack: &str) -> &str {
    let pack = pack.split('#').next().unwrap_or(pack).trim_end_matches('/');
    let pack = pack.strip_suffix(".git").unwrap_or(pack);
    let name = pack.rsplit(['/', ':']).next().unwrap_or(pack);
    name.strip_prefix("heroku-buildpack-").unwrap_or(name)
}

/// A word that names no browser.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no browser: headless or display")]
pub struct NoBrowser(String);

impl FromStr for Browser {
    type Err = NoBrowser;

    fn from_str(word: &str) -> Result<Self, NoBrowser> {
        [Self::Headless, Self::OnDisplay]
            .into_iter()
            .find(|one| one.word() == word)
            .ok_or_else(|| NoBrowser(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buildpacks_ask_for_browsers_by_name_or_address() {
        let asked = |packs: &[&str]| Browser::asked_by(&packs.iter().map(|&pack| pack.to_owned()).collect::<Vec<_>>());
        for pack in [
            "heroku-community/chrome-for-testing",
            "heroku/google-chrome",
            "urn:buildpack:heroku/google-chrome",
            "https://github.com/heroku/heroku-buildpack-google-chrome",
            "https://github.com/heroku/heroku-buildpack-chrome-for-testing.git#main",
        ] {
            assert_eq!(asked(&["heroku/nodejs", pack]), Some(Browser::Headless), "{pack}");
        }
        let xvfb = "https://github.com/heroku/heroku-buildpack-xvfb-google-chrome.git";
        assert_eq!(asked(&["heroku/google-chrome", xvfb]), Some(Browser::OnDisplay));
        assert_eq!(asked(&["heroku/nodejs", "https://example.com/chrome"]), None);
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_word_reads_back() {
        for one in [Browser::Headless, Browser::OnDisplay] {
            assert_eq!(one.word().parse(), Ok(one));
        }
        assert!("lynx".parse::<Browser>().is_err());
    }
}
