//! Rust source with its comments and literals taken out, so that the rest can be counted safely.

/// A string literal and where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// 1-based line of the opening quote.
    pub(super) line: usize,
    /// What stands between the quotes, escapes as written.
    pub(super) text: String,
}

/// Rust source in which comments and literals are blank.
#[derive(Debug)]
pub(super) struct Source {
    /// The code: as long as the original, with the same line breaks.
    pub(super) code: Vec<u8>,
    /// Its string literals, in order.
    pub(super) literals: Vec<Literal>,
}

/// One piece of source text.
enum Piece {
    Code,
    Blank,
    /// A string literal: how many bytes before and after the text belong to its quotes.
    Literal {
        open: usize,
        close: usize,
    },
}

impl Source {
    /// Reads Rust source. Text that is not Rust gives nonsense, but never a panic.
    pub(super) fn parse(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut source = Self { code: Vec::with_capacity(bytes.len()), literals: Vec::new() };
        let (mut at, mut line) = (0, 1);
        while at < bytes.len() {
            let (length, piece) = piece_at(bytes, at);
            let part = &bytes[at..at + length];
            match piece {
                Piece::Code => source.code.extend_from_slice(part),
                Piece::Blank => source.blank(part),
                Piece::Literal { open, close } => {
                    let inner = &part[open..length - close];
                    source.literals.push(Literal { line, text: String::from_utf8_lossy(inner).into_owned() });
                    source.blank(part);
                }
            }
            line += part.iter().filter(|byte| **byte == b'\n').count();
            at += length;
        }
        source
    }

    fn blank(&mut self, part: &[u8]) {
        self.code.extend(part.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
    }

    /// The identifiers of the code, with their offsets.
    pub(super) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < self.code.len() && !is_word(self.code[at]) {
                at += 1;
            }
            let start = at;
            while at < self.code.len() && is_word(self.code[at]) {
                at += 1;
            }
            (start < at).then(|| (start, std::str::from_utf8(&self.code[start..at]).unwrap_or_default()))
        })
    }

    /// The 1-based line of an offset.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        1 + self.code[..offset].iter().filter(|byte| **byte == b'\n').count()
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The length and kind of the piece that begins at `at`; the length is at least 1.
fn piece_at(bytes: &[u8], at: usize) -> (usize, Piece) {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => (rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()), Piece::Blank),
        [b'/', b'*', ..] => (block_comment(rest), Piece::Blank),
        [b'"', ..] => string(rest),
        [b'\'', ..] => match char_literal(rest) {
            Some(length) => (length, Piece::Blank),
            None => (1, Piece::Code),
        },
        [byte, ..] if is_word(*byte) => word(rest),
        _ => (1, Piece::Code),
    }
}

/// Block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        match rest[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[u8]) -> (usize, Piece) {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return (at + 1, Piece::Literal { open: 1, close: 1 }),
            _ => at += 1,
        }
    }
    (rest.len(), Piece::Blank)
}

/// `'a'` and `'\n'` are literals, `'a` alone is a lifetime or a label.
fn char_literal(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).position(|byte| *byte == b'\'')?;
        return Some(close + 4);
    }
    let width = 1 + rest.iter().skip(2).take_while(|byte| **byte & 0xc0 == 0x80).count();
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// An identifier, a raw identifier (`r#fn`), or the prefix of a raw string (`br##"`).
fn word(rest: &[u8]) -> (usize, Piece) {
    let length = rest.iter().take_while(|byte| is_word(**byte)).count();
    if !matches!(&rest[..length], b"r" | b"br" | b"cr") {
        return (length, Piece::Code);
    }
    let hashes = rest[length..].iter().take_while(|byte| **byte == b'#').count();
    let open = length + hashes + 1;
    if rest.get(open - 1) != Some(&b'"') {
        let name = rest[length + hashes..].iter().take_while(|byte| is_word(**byte)).count();
        return if hashes == 1 { (length + 1 + name, Piece::Blank) } else { (length, Piece::Code) };
    }
    let close = hashes + 1;
    let ends =
        |at: usize| rest[at] == b'"' && rest[at + 1..].iter().take_while(|byte| **byte == b'#').count() >= hashes;
    match (open..rest.len()).find(|at| ends(*at)) {
        Some(quote) => (quote + close, Piece::Literal { open, close }),
        None => (rest.len(), Piece::Blank),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        String::from_utf8(Source::parse(text).code).unwrap()
    }

    fn literals(text: &str) -> Vec<String> {
        Source::parse(text).literals.into_iter().map(|literal| literal.text).collect()
    }

    #[test]
    fn comments_go_and_lines_stay() {
        assert_eq!(code("a // {\nb /* { /* } */ \n*/ c"), "a     \nb              \n   c");
        assert_eq!(code("/* never closed {"), " ".repeat(17));
    }

    #[test]
    fn strings_of_every_kind_are_literals() {
        assert_eq!(literals(r#"f("a{", b"b\"}", c"c")"#), ["a{", "b\\\"}", "c"]);
        assert_eq!(literals("(r\"d\\\", r#\"e\"}\"#, br##\"f\"#\"##, cr\"g\")"), ["d\\", "e\"}", "f\"#", "g"]);
        assert_eq!(literals("\"one\ntwo\" \"three\""), ["one\ntwo", "three"]);
        assert_eq!(literals("\"never closed"), Vec::<String>::new());
    }

    #[test]
    fn a_comment_in_a_string_is_no_comment() {
        assert_eq!(code(r#"a("//", '"', '/') }"#), "a(    ,    ,    ) }");
        assert_eq!(
            literals(
                r#"// "no"
            "yes""#
            ),
            ["yes"]
        );
    }

    #[test]
    fn chars_are_blank_and_lifetimes_are_code() {
        assert_eq!(
            code(r"<'a, '_>('{', b'}', '\'', '\u{7d}', 'é', '\\') 'outer: loop {"),
            "<'a, '_>(   , b   ,     ,         ,     ,     ) 'outer: loop {"
        );
    }

    #[test]
    fn raw_identifiers_are_not_keywords() {
        let source = Source::parse("let r#fn = r#type; xr\"s\"; r; br");
        let words: Vec<_> = source.words().map(|(_, word)| word.to_owned()).collect();
        assert_eq!(words, ["let", "xr", "r", "br"]);
        assert_eq!(source.literals[0].text, "s");
    }

    #[test]
    fn literals_know_their_line() {
        let source = Source::parse("\n\"a\n\"\n/*\n*/ \"b\"");
        assert_eq!(source.literals.iter().map(|literal| literal.line).collect::<Vec<_>>(), [2, 5]);
    }
}
