//! TAP, the Test Anything Protocol (version 12 to 14): lines of a test's output that tell of each case.

use std::fmt::Write;

/// Cases that are kept of one run: more are a table for machines, and the exit code counts all of them.
pub const CASES_LIMIT: usize = 10_000;

/// Of a case's name so much is kept.
const DESCRIPTION_LIMIT_BYTES: usize = 1024;

/// Of what is said about a case so much is kept: an assertion with its values, not a dump.
const DIAGNOSTIC_LIMIT_BYTES: usize = 4096;

/// Of all cases together so much is kept: a run's row is read as a whole.
const KEPT_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// Its number.
    pub number: i64,
    /// What it is called.
    pub description: String,
    /// What was said about it.
    pub diagnostic: String,
    /// `SKIP reason` or `todo reason`, else empty.
    pub directive: String,
    /// Did it pass? One to be done yet passes whatever it does, as does one that is skipped.
    pub passed: bool,
}

/// Reads lines one by one.
#[derive(Debug, Clone, Default)]
pub struct Tap {
    cases: Vec<TestCase>,
    /// A version or a plan was seen: it is TAP indeed.
    certain: bool,
    /// Inside of a block of YAML that belongs to the last case.
    block: bool,
    numbered: i64,
    kept_bytes: usize,
}

impl Tap {
    /// Takes the next line of output.
    pub fn line(&mut self, line: &str) {
        let line = line.trim_end();
        // A block that nobody closed ends where its indentation does.
        self.block &= line.is_empty() || line.starts_with("  ");
        if self.block {
            self.block = line.trim() != "...";
            if self.block {
                self.note(line.strip_prefix("  ").unwrap_or(line));
            }
        } else if line == "  ---" {
            self.block = !self.cases.is_empty();
        } else if let Some(case) = self.case(line) {
            let bytes = case.description.len() + case.directive.len();
            if self.cases.len() < CASES_LIMIT && self.kept_bytes + bytes <= KEPT_LIMIT_BYTES {
                self.kept_bytes += bytes;
                self.cases.push(case);
            }
        } else if let Some(said) = line.strip_prefix('#') {
            self.note(said.trim_start());
        } else if is_plan(line) || line.strip_prefix("TAP version ").is_some_and(|rest| rest.parse::<u8>().is_ok()) {
            self.certain = true;
        }
    }

    /// The cases; none when the output only looked like TAP here and there.
    #[must_use]
    pub fn cases(self) -> Vec<TestCase> {
        if self.certain { self.cases } else { Vec::new() }
    }

    /// Subtests are indented: their parent tells what they come to.
    fn case(&mut self, line: &str) -> Option<TestCase> {
        let (ok, rest) = match line.strip_prefix("not ok") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("ok")?),
        };
        if !(rest.is_empty() || rest.starts_with(' ')) {
            return None;
        }
        let rest = rest.trim_start();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse().unwrap_or(self.numbered + 1);
        self.numbered = number;
        let (description, directive) = directive(rest[digits..].trim_start());
        let description = description.strip_prefix("- ").unwrap_or(description).trim();
        Some(TestCase {
            number,
            description: cut(&description.replace("\\#", "#"), DESCRIPTION_LIMIT_BYTES).to_owned(),
            diagnostic: String::new(),
            directive: cut(directive, DESCRIPTION_LIMIT_BYTES).to_owned(),
            passed: ok || !directive.is_empty(),
        })
    }

    fn note(&mut self, text: &str) {
        let Some(case) = self.cases.last_mut() else { return };
        let room = DIAGNOSTIC_LIMIT_BYTES.saturating_sub(case.diagnostic.len() + 1);
        let room = room.min(KEPT_LIMIT_BYTES.saturating_sub(self.kept_bytes));
        if room > 0 && !text.is_empty() {
            let before_bytes = case.diagnostic.len();
            // Writing into a text cannot fail.
            let _written = writeln!(case.diagnostic, "{}", cut(text, room));
            self.kept_bytes += case.diagnostic.len() - before_bytes;
        }
    }
}

/// `1..4`, with a reason after it where all are skipped.
fn is_plan(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("1..") else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && (rest[digits..].is_empty() || rest[digits..].trim_start().starts_with('#'))
}

/// `name # SKIP why` is a name and a directive; other comments belong to the name.
fn directive(text: &str) -> (&str, &str) {
    for (at, _) in text.match_indices('#') {
        let escaped = text[..at].ends_with('\\');
        let said = text[at + 1..].trim();
        let word = said.get(..4).unwrap_or_default();
        if !escaped && (word.eq_ignore_ascii_case("skip") || word.eq_ignore_ascii_case("todo")) {
            return (text[..at].trim_end(), said);
        }
    }
    (text, "")
}

fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<TestCase> {
        let mut tap = Tap::default();
        text.lines().for_each(|line| tap.line(line));
        tap.cases()
    }

    #[test]
    fn cases_with_directives_diagnostics_and_blocks() {
        let cases = read(
            "TAP version 13\n1..5\nok 1 - adds\nnot ok 2 - takes away\n# expected 1\n  ---\n  at: sum.js:3\n  ...\n\
             ok 3 # SKIP no network\nnot ok 4 later # todo soon\nok 5 issue \\#7 # not a directive\nhello\n",
        );
        let short: Vec<_> = cases.iter().map(|c| (c.number, c.description.as_str(), c.passed)).collect();
        let expected = [
            (1, "adds", true),
            (2, "takes away", false),
            (3, "", true),
            (4, "later", true),
            (5, "issue #7 # not a directive", true),
        ];
        assert_eq!(short, expected);
        assert_eq!(cases[1].diagnostic, "expected 1\nat: sum.js:3\n");
        assert_eq!((cases[2].directive.as_str(), cases[3].directive.as_str()), ("SKIP no network", "todo soon"));
    }

    #[test]
    fn subtests_are_left_to_their_parent_and_numbers_may_be_missing() {
        let cases = read("# Subtest: a\n    ok 1 - inner\n    1..1\nok - a\nnot ok\n1..2\n");
        let short: Vec<_> = cases.iter().map(|c| (c.number, c.description.as_str(), c.passed)).collect();
        assert_eq!(short, [(1, "a", true), (2, "", false)]);
    }

    #[test]
    fn a_block_that_nobody_closed_swallows_no_case() {
        let cases = read("1..2\nnot ok 1 a\n  ---\n  at: x\n\n  more\nok 2 b\n");
        assert_eq!((cases[0].diagnostic.as_str(), cases[1].description.as_str()), ("at: x\nmore\n", "b"));
    }

    #[test]
    fn other_output_is_not_taken_for_tap() {
        assert!(read("ok  \tgithub.com/x/y\t0.1s\nnot ok at all\nok then\n").is_empty());
        assert!(read("okay 1\n1..x\nTAP version\n").is_empty());
        assert!(read("").is_empty());
        assert_eq!(read("1..0 # SKIP nothing to do\n"), []);
    }

    #[test]
    fn more_than_the_limits_is_cut() {
        let mut tap = Tap::default();
        tap.line("1..99999");
        for number in 0..CASES_LIMIT {
            tap.line(&format!("not ok {number} {}", "é".repeat(2000)));
            tap.line(&format!("# {}", "é".repeat(9000)));
            tap.line(&format!("# {}", "é".repeat(9000)));
        }
        let cases = tap.cases();
        let kept_bytes: usize = cases.iter().map(|case| case.description.len() + case.diagnostic.len()).sum();
        assert!(kept_bytes <= KEPT_LIMIT_BYTES + 1, "{kept_bytes}");
        assert!(cases.len() > 500 && cases.len() < CASES_LIMIT, "{}", cases.len());
        let mut short = Tap::default();
        short.line("1..99999");
        (0..=CASES_LIMIT).for_each(|_| short.line("ok"));
        assert_eq!(short.cases().len(), CASES_LIMIT);
        let longest = |of: fn(&TestCase) -> usize| cases.iter().map(of).max().unwrap_or_default();
        assert!(longest(|case| case.description.len()) <= DESCRIPTION_LIMIT_BYTES);
        assert!(longest(|case| case.diagnostic.len()) <= DIAGNOSTIC_LIMIT_BYTES + 1);
    }
}
