//! How long modules and functions are. A ceiling is a place to talk, not a target: exceptions are listed with a reason.

use super::source::{Source, is_word};
use super::{Finding, Rule, Tree};

/// Lines of a product module.
const MODULE_CEILING: usize = 400;
/// Lines of a file that holds tests only: tables of cases are long and simple.
const TEST_FILE_CEILING: usize = 600;
/// Lines of a function, signature and closing brace included.
const FUNCTION_CEILING: usize = 70;

/// A function and its extent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name.
    pub(super) name: String,
    /// 1-based line of `fn`.
    pub(super) line: usize,
    /// Lines from `fn` to the closing brace, both included.
    pub(super) length: usize,
}

/// The functions with a body, in the order of their `fn`; inner ones count in the outer ones too.
pub(super) fn functions(source: &Source) -> Vec<Function> {
    let mut found = Vec::new();
    let mut words = source.words().peekable();
    while let Some((start, word)) = words.next() {
        if word != "fn" {
            continue;
        }
        // `fn(u8) -> u8` is a type: nothing but space may stand between `fn` and a name (`$name` in a macro).
        let Some(&(name_at, name)) = words.peek() else { break };
        let between = &source.code[start + word.len()..name_at];
        if between.is_empty() || !between.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b'$') {
            continue;
        }
        if let Some(end) = body_end(&source.code, name_at + name.len()) {
            let (line, last) = (source.line_of(start), source.line_of(end));
            found.push(Function { name: name.to_owned(), line, length: last - line + 1 });
        }
    }
    found
}

/// The offset of the brace that closes the body of a signature that goes on at `from`; `None` where `;` ends it first.
fn body_end(code: &[u8], from: usize) -> Option<usize> {
    let (mut brackets, mut braces) = (0_usize, 0_usize);
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' if braces == 0 => brackets += 1,
            b')' | b']' if braces == 0 => brackets = brackets.saturating_sub(1),
            b';' if brackets == 0 && braces == 0 => return None,
            // Braces inside brackets of the signature are constants: `[u8; { N + 1 }]`.
            b'{' if brackets == 0 => braces += 1,
            b'}' if brackets == 0 && !is_const_argument_end(code, at, braces) => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return Some(at);
                }
            }
            b'}' if brackets == 0 => braces = braces.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Whether the brace at `at` closes a constant of the signature, as in `-> Buffer<{ SIZE }> {`, and not the body.
fn is_const_argument_end(code: &[u8], at: usize, braces: usize) -> bool {
    let next = code[at + 1..].iter().find(|byte| !byte.is_ascii_whitespace());
    braces == 1
        && matches!(next, Some(b'>' | b','))
        && code[..at].iter().rposition(|byte| *byte == b'{').is_some_and(|open| {
            let before = code[..open].iter().rfind(|byte| !byte.is_ascii_whitespace());
            matches!(before, Some(b'<' | b','))
                && code[open + 1..at].iter().all(|byte| is_word(*byte) || b" +-*:".contains(byte))
        })
}

/// Whether a file holds tests only.
pub(super) fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("_tests.rs") || path.ends_with("/tests.rs")
}

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in tree.files.iter().filter(|file| file.is_program()) {
        let ceiling = if is_test_file(&file.path) { TEST_FILE_CEILING } else { MODULE_CEILING };
        let lines = file.text.lines().count();
        if lines > ceiling {
            let what = format!("{lines} lines, the ceiling is {ceiling}");
            findings.push(Finding::new(Rule::ModuleSize, &file.path, 1, what, "split it by what it is about"));
        }
    }
    for (file, source) in tree.rust() {
        for function in functions(source).into_iter().filter(|function| function.length > FUNCTION_CEILING) {
            let what = format!("`{}` has {} lines, the ceiling is {FUNCTION_CEILING}", function.name, function.length);
            let finding = Finding::new(Rule::FunctionSize, &file.path, function.line, what, "give its steps names");
            findings.push(finding.about(&function.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &str) -> Vec<(String, usize, usize)> {
        functions(&Source::parse(text))
            .into_iter()
            .map(|function| (function.name, function.line, function.length))
            .collect()
    }

    fn one(name: &str, line: usize, length: usize) -> Vec<(String, usize, usize)> {
        vec![(name.to_owned(), line, length)]
    }

    #[test]
    fn counts_from_fn_to_its_brace() {
        assert_eq!(
            lengths("\npub async fn a<T>(\n  x: T,\n) -> u8\nwhere T: Copy,\n{\n  1\n}\nstruct After {}"),
            one("a", 2, 7)
        );
        assert_eq!(lengths("fn a() {}"), one("a", 1, 1));
    }

    #[test]
    fn braces_in_literals_and_comments_do_not_count() {
        let text = "fn a() {\n  let s = \"}\";\n  let r = r#\"}\"}\"#;\n  let c = '}'; // }\n  /* } */\n  b'}';\n}\n";
        assert_eq!(lengths(text), one("a", 1, 7));
        assert_eq!(lengths("fn a() {\n  format!(\"{{ {x} \\\" {{\");\n}\n"), one("a", 1, 3));
    }

    #[test]
    fn types_declarations_and_words_with_fn_in_them_are_no_functions() {
        assert_eq!(
            lengths(
                "type F = fn(u8) -> u8; trait T { fn a(&self); } let fn_b = r#fn; struct S { f: for<'a> fn(&'a u8) }"
            ),
            []
        );
    }

    #[test]
    fn lifetimes_do_not_open_chars() {
        assert_eq!(lengths("fn a<'a>(x: &'a str) -> &'a str {\n  'l: loop { break 'l; }\n  x\n}\n"), one("a", 1, 4));
    }

    #[test]
    fn constants_in_a_signature_are_not_the_body() {
        assert_eq!(lengths("fn a(x: [u8; { 1 + 2 }]) -> [u8; { N }] {\n x\n}\n"), one("a", 1, 3));
        assert_eq!(lengths("fn a() -> Buffer<{ SIZE }> {\n x\n}\n"), one("a", 1, 3));
        assert_eq!(lengths("fn a(x: [u8; 4]);\nfn b() {\n}\n"), one("b", 2, 2));
    }

    #[test]
    fn inner_functions_and_macros_are_found() {
        let found = lengths(
            "fn a() {\n  fn b() {\n  }\n  select! { x => { y } }\n}\nmacro_rules! m { () => { fn $name() {\n } } }\n",
        );
        assert_eq!(found, [("a".to_owned(), 1, 5), ("b".to_owned(), 2, 2), ("name".to_owned(), 6, 2)]);
    }

    #[test]
    fn an_unfinished_body_is_no_function() {
        assert_eq!(lengths("fn a() { { }"), []);
        assert_eq!(lengths("fn"), []);
    }

    #[test]
    fn test_files_are_known_by_their_name() {
        assert!(is_test_file("crates/api/tests/push.rs") && is_test_file("crates/model/src/route_tests.rs"));
        assert!(!is_test_file("crates/testkit/src/lib.rs") && !is_test_file("crates/model/src/test_run.rs"));
    }
}
