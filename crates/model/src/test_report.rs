//! Reports that tests leave in a folder: what a file is by its name and contents, and how many tests of it failed.

use std::fmt;

/// Names of tests that failed, of one report: people read the first ones, the file has them all.
pub const FAILED_NAMES: usize = 20;

/// The longest name that is repeated, in characters.
const NAME_LIMIT_CHARS: usize = 200;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportKind {
    /// `JUnit`'s XML.
    Junit(Tests),
    /// The Test Anything Protocol.
    Tap(Tests),
    /// A picture.
    Screenshot,
    /// Anything else.
    Other,
}

/// How the tests of a report came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tests {
    /// How many there are.
    pub total: u64,
    /// Failed, or ended in an error.
    pub failed: u64,
    /// Skipped, or known to fail.
    pub skipped: u64,
    /// The names of the first that failed.
    pub failed_names: Vec<String>,
}

impl fmt::Display for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tests, {} failed, {} skipped", self.total, self.failed, self.skipped)
    }
}

impl ReportKind {
    /// Its word in the API.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Junit(_) => "junit",
            Self::Tap(_) => "tap",
            Self::Screenshot => "screenshot",
            Self::Other => "file",
        }
    }

    /// Its tests, where it has some.
    #[must_use]
    pub fn tests(&self) -> Option<&Tests> {
        match self {
            Self::Junit(tests) | Self::Tap(tests) => Some(tests),
            Self::Screenshot | Self::Other => None,
        }
    }
}

/// What a file is. `contents` may be cut off.
#[must_use]
pub fn kind(name: &str, contents: &[u8]) -> ReportKind {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "xml" => {
            let text = String::from_utf8_lossy(contents);
            if text.contains("<testsuite") || text.contains("<testcase") {
                ReportKind::Junit(junit(&text))
            } else {
                ReportKind::Other
            }
        }
        "tap" => ReportKind::Tap(tap(&String::from_utf8_lossy(contents))),
        "png" | "jpg" | "jpeg" | "webp" | "gif" => ReportKind::Screenshot,
        _other_ending => ReportKind::Other,
    }
}

/// How one test came out, as far as it was read.
#[derive(Debug, Default)]
struct Case {
    name: String,
    failed: bool,
    skipped: bool,
}

impl Tests {
    fn add(&mut self, case: &Case) {
        self.total += 1;
        self.failed += u64::from(case.failed);
        self.skipped += u64::from(case.skipped && !case.failed);
        if case.failed && self.failed_names.len() < FAILED_NAMES {
            self.failed_names.push(case.name.chars().take(NAME_LIMIT_CHARS).collect());
        }
    }
}

/// Reads what `testcase` elements there are, whatever stands around them.
fn junit(text: &str) -> Tests {
    let mut tests = Tests::default();
    let mut open: Option<Case> = None;
    for tag in Tags(text) {
        let name =
            tag.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        match (name, tag.starts_with('/')) {
            ("testcase", false) => {
                let class = attribute(tag, "classname").map(|class| format!("{class}: ")).unwrap_or_default();
                let case = Case { name: class + &attribute(tag, "name").unwrap_or_default(), ..Case::default() };
                if tag.ends_with('/') {
                    tests.add(&case);
                } else {
                    open = Some(case);
                }
            }
            ("testcase", true) => open.take().iter().for_each(|case| tests.add(case)),
            ("failure" | "error", false) => open.iter_mut().for_each(|case| case.failed = true),
            ("skipped", false) => open.iter_mut().for_each(|case| case.skipped = true),
            (_other, _) => {}
        }
    }
    tests
}

/// What stands between `<` and `>`, without comments, character data and processing instructions.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let rest = self.0.get(self.0.find('<')? + 1..)?;
            let passed = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>"), ("!", ">")];
            if let Some((_, end)) = passed.iter().find(|(begin, _)| rest.starts_with(begin)) {
                self.0 = rest.find(end).and_then(|at| rest.get(at + end.len()..)).unwrap_or_default();
                continue;
            }
            let mut quote = None;
            let end = rest.find(|c| {
                match (quote, c) {
                    (None, '"' | '\'') => quote = Some(c),
                    (Some(open), c) if open == c => quote = None,
                    (_, _) => {}
                }
                quote.is_none() && c == '>'
            })?;
            let (tag, after) = rest.split_at(end);
            self.0 = after;
            return Some(tag);
        }
    }
}

/// The value of an attribute, with XML's five names replaced.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.find(name)?;
        let (before, found) = rest.split_at(at);
        rest = found.get(name.len()..)?;
        let Some(value) = rest.trim_start().strip_prefix('=').map(str::trim_start) else { continue };
        if !before.ends_with(char::is_whitespace) {
            continue;
        }
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, _) = value.get(1..)?.split_once(quote)?;
        let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
        return Some(names.iter().fold(value.to_owned(), |text, (name, is)| text.replace(name, is)));
    }
}

/// Reads `ok` and `not ok` lines at the beginning of a line; subtests are indented and counted by their parent's line.
fn tap(text: &str) -> Tests {
    let mut tests = Tests::default();
    for line in text.lines() {
        let (rest, passed) = match (line.strip_prefix("not ok"), line.strip_prefix("ok")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => continue,
        };
        if !(rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            continue;
        }
        let (said, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
        let directive = directive.trim().to_ascii_uppercase();
        // "to do": a test that is known to fail.
        let excused = directive.starts_with("SKIP") || directive.starts_with(concat!("TO", "DO"));
        let name = said.trim().trim_start_matches(|c: char| c.is_ascii_digit()).trim().trim_start_matches("- ");
        tests.add(&Case { name: name.to_owned(), failed: !passed && !excused, skipped: excused });
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_of_several_suites() {
        let xml = br#"<?xml version="1.0"?><!-- <testcase name="no"/> --><testsuites><testsuite name="a">
            <testcase classname="shop.Cart" name="adds &lt;one&gt;"/>
            <testcase classname='shop.Cart' name='removes > all'><failure message="x > y"><![CDATA[</testcase><skipped/>]]></failure>
            </testcase><testcase name="waits"><skipped/></testcase><testcase name="breaks"><error/></testcase></testsuite>
            <testsuite/></testsuites>"#;
        let ReportKind::Junit(tests) = kind("report.XML", xml) else { panic!("no JUnit") };
        assert_eq!((tests.total, tests.failed, tests.skipped), (4, 2, 1));
        assert_eq!(tests.failed_names, ["shop.Cart: removes > all", "breaks"]);
        assert_eq!(attribute("testcase classname=\"c\" name=\"a &amp;lt; b\"", "name").as_deref(), Some("a &lt; b"));
    }

    #[test]
    fn tap_with_directives_and_subtests() {
        let text = b"TAP version 13\n1..4\nok 1 - one\n    not ok 1 - inner\nnot ok 2 - two\nnot ok 3 three # todo later\nok 4 # SKIP no network\nokay\n";
        let ReportKind::Tap(tests) = kind("smoke.tap", text) else { panic!("no TAP") };
        assert_eq!((tests.total, tests.failed, tests.skipped), (4, 1, 2));
        assert_eq!(tests.failed_names, ["two"]);
        assert_eq!(tests.to_string(), "4 tests, 1 failed, 2 skipped");
    }

    #[test]
    fn what_is_no_report_is_a_file_and_what_is_cut_off_ends() {
        assert_eq!(kind("pom.xml", b"<project/>"), ReportKind::Other);
        assert_eq!(kind("a/b.PNG", b""), ReportKind::Screenshot);
        assert_eq!(kind("xml", b"<testsuite>"), ReportKind::Other);
        for cut in
            ["<testsuite><testcase name=\"x", "<testsuite><!-- ", "<testsuite><![CDATA[", "<testsuite><testcase>"]
        {
            assert!(matches!(kind("a.xml", cut.as_bytes()), ReportKind::Junit(tests) if tests.total == 0), "{cut}");
        }
    }
}
