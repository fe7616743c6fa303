//! LOG-3: a long line becomes several.

use model::log::{LINE_LIMIT_BYTES, LogLine};

/// The line itself, or what it is cut into: at line breaks, and at 10,000 bytes between characters.
pub(crate) fn pieces(line: LogLine) -> impl Iterator<Item = LogLine> {
    let whole = line.text.len() <= LINE_LIMIT_BYTES && !line.text.contains('\n');
    let texts = if whole { Vec::new() } else { line.text.split('\n').flat_map(cut).map(str::to_owned).collect() };
    let (at, source, ps) = (line.at, line.source, line.ps.clone());
    let cut = texts.into_iter().map(move |text| LogLine { at, source, ps: ps.clone(), text });
    whole.then_some(line).into_iter().chain(cut)
}

fn cut(mut rest: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while rest.len() > LINE_LIMIT_BYTES {
        let (part, later) = rest.split_at(rest.floor_char_boundary(LINE_LIMIT_BYTES));
        parts.push(part);
        rest = later;
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::log::LogSource;
    use model::time::Timestamp;

    fn texts(text: &str) -> Vec<String> {
        let line = LogLine { at: Timestamp(0), source: LogSource::App, ps: "web.1".into(), text: text.into() };
        pieces(line).map(|line| line.text).collect()
    }

    #[test]
    fn log_3_long_lines_are_split() {
        assert_eq!(texts(""), [""]);
        assert_eq!(texts("one\ntwo"), ["one", "two"]);
        let lengths: Vec<_> = texts(&"x".repeat(25_000)).iter().map(String::len).collect();
        assert_eq!(lengths, [10_000, 10_000, 5_000]);
        assert_eq!(texts(&"x".repeat(10_000)).len(), 1);
        // Between characters, never inside one.
        let lengths: Vec<_> = texts(&format!("x{}", "ü".repeat(5_000))).iter().map(String::len).collect();
        assert_eq!(lengths, [9_999, 2]);
    }
}
