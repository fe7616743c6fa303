//! The browser of a check: the machine's own, led to by a profile script.

use model::browser::{Browser, CHROMES, PROFILE, XVFB};
use model::mount::Mount;
use std::path::Path;

/// Google's package keeps what Chrome needs outside `/usr`, which dynos see anyway.
const GOOGLE: &str = "/opt/google";

/// A check asks for a program that the machine does not have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoProgram {
    #[error(
        "it asks for Chrome, and this machine has none: install it there (Debian: `apt-get install chromium`; Ubuntu: Google's \
         package `google-chrome-stable`), then `flowline verify:run`"
    )]
    Chrome,
    #[error(
        "it asks for a display, and this machine has no Xvfb: install it there (`apt-get install xvfb`), then \
         `flowline verify:run`"
    )]
    Xvfb,
}

/// What leads a dyno to the browser that it asks for; nothing where it asks for none.
pub(crate) fn mounts(asked: Option<Browser>) -> Result<Vec<Mount>, NoProgram> {
    let Some(browser) = asked else { return Ok(Vec::new()) };
    found(browser, |place| Path::new(place).exists())
}

fn found(browser: Browser, is_there: impl Fn(&str) -> bool) -> Result<Vec<Mount>, NoProgram> {
    let chrome = CHROMES.into_iter().find(|place| is_there(place)).ok_or(NoProgram::Chrome)?;
    if browser == Browser::OnDisplay && !is_there(XVFB) {
        return Err(NoProgram::Xvfb);
    }
    let mut mounts = vec![Mount::File { to: PROFILE.into(), contents: browser.profile(chrome) }];
    if chrome.starts_with(GOOGLE) {
        mounts.push(Mount::Bind { from: GOOGLE.into(), to: GOOGLE.into(), writable: false });
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_the_programs_says_how_to_get_them() {
        let why = |browser, there: &[&str]| found(browser, |place| there.contains(&place)).unwrap_err().to_string();
        assert!(why(Browser::Headless, &[XVFB]).contains("apt-get install chromium"));
        assert!(why(Browser::OnDisplay, &CHROMES).contains("apt-get install xvfb"));
    }

    #[test]
    fn googles_own_package_is_seen_where_it_lies() {
        let places = |chrome| found(Browser::Headless, |place| place == chrome).unwrap().len();
        assert_eq!((places(CHROMES[0]), places(CHROMES[1])), (1, 2));
    }
}
