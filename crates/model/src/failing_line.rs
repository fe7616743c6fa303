//! The first line of an output that says what failed: what people would scroll back for.

/// A line is cut to this: it stands in a mail's text.
const LINE_LIMIT_CHARS: usize = 300;

/// Words with which compilers, package managers and test runners begin what went wrong, in lower case.
const SAYS: [&str; 16] = [
    "error:",
    "error[",
    "error ",
    "err!",
    "fatal:",
    "failed:",
    "failure:",
    "exception",
    "traceback",
    "panicked at",
    "cannot find",
    "not found",
    "no such file",
    "undefined",
    "unable to",
    "could not",
];

/// Words of lines that only look like it: counts, flags, names of packages.
const SAYS_NOT: [&str; 5] = ["0 error", "no error", "error-", "-error", "errors: 0"];

/// The first line that says what failed; else the last one that says anything.
pub fn first_failing<'l>(lines: impl Iterator<Item = &'l str>) -> Option<String> {
    let mut last = None;
    for line in lines.map(str::trim).filter(|line| !line.is_empty() && !is_passed_over(line)) {
        if says_failure(line) {
            return Some(cut(line));
        }
        last = Some(line);
    }
    last.map(cut)
}

/// What the platform says itself, and commands that are printed before they run.
fn is_passed_over(line: &str) -> bool {
    ["!", "> ", "$ ", "+ "].iter().any(|start| line.starts_with(start))
}

fn says_failure(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let line = line.trim_start_matches("remote: ");
    SAYS.iter().any(|words| line.contains(words)) && !SAYS_NOT.iter().any(|words| line.contains(words))
        || line.starts_with("not ok ")
        || line.starts_with("fail ")
}

/// Without what moves a terminal or breaks a mail's line.
fn cut(line: &str) -> String {
    let mut text = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            // A colour: up to its last letter.
            '\u{1b}' => drop(chars.by_ref().find(char::is_ascii_alphabetic)),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
        if text.chars().count() >= LINE_LIMIT_CHARS {
            break;
        }
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        first_failing(text.lines())
    }

    #[test]
    fn real_outputs_and_the_line_that_people_look_for() {
        for (output, line) in [
            (
                "-----> Node.js\n       npm ci\nnpm ERR! missing script: build\nnpm ERR! A complete log",
                "npm ERR! missing script: build",
            ),
            (
                "Compiling a v0.1.0\nerror[E0308]: mismatched types\n --> src/main.rs:1",
                "error[E0308]: mismatched types",
            ),
            (
                "0 errors so far\nTraceback (most recent call last):\n  File \"a.py\"",
                "Traceback (most recent call last):",
            ),
            ("> sh -c 'echo error: x'\n+ false\nlinking\nld: undefined symbol", "ld: undefined symbol"),
            ("TAP version 13\nok 1 - a\nnot ok 2 - basket\n", "not ok 2 - basket"),
            ("PASS a.test.js\nFAIL b.test.js\n  ● adds\n", "FAIL b.test.js"),
            ("installing error-stack\n\u{1b}[31mfatal:\u{1b}[0m no\ttable\n", "fatal: no table"),
            ("one\ntwo\n\n !     Push rejected: it ended with 1.\n", "two"),
        ] {
            assert_eq!(of(output).as_deref(), Some(line));
        }
        assert_eq!(of("\n  \n !     Push failed\n"), None);
    }

    #[test]
    fn a_line_is_bounded_and_moves_no_cursor() {
        let long = of(&format!("error: {}\u{7}", "ä".repeat(1000))).unwrap();
        assert_eq!(long.chars().count(), LINE_LIMIT_CHARS);
        assert_eq!(of("error: \u{1b}[2Jgone\r").as_deref(), Some("error: gone"));
    }
}
