//! Output bytes into lines of at most [`LINE_LIMIT_BYTES`] (LOG-3).

use model::log::LINE_LIMIT_BYTES;

/// Holds the beginning of a line until its end comes.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    partial: Vec<u8>,
}

impl Splitter {
    /// Hands every line that is complete now to `line`, without its line break.
    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (text, behind) = rest.split_at(end);
            if self.partial.is_empty() {
                pieces(text, &mut line);
            } else {
                self.partial.extend_from_slice(text);
                pieces(&self.partial, &mut line);
                self.partial.clear();
            }
            rest = behind.get(1..).unwrap_or_default();
        }
        self.partial.extend_from_slice(rest);
        while is_too_long(&self.partial) {
            let cut = cut(&self.partial);
            line(&self.partial[..cut]);
            self.partial.drain(..cut);
        }
    }

    /// The end of the output also ends a line.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            pieces(&self.partial, &mut line);
            self.partial = Vec::new();
        }
    }
}

/// With a CR at its very limit it may yet be a line that fits, of which only the LF has not come.
fn is_too_long(partial: &[u8]) -> bool {
    let whole = partial.len() == LINE_LIMIT_BYTES + 1 && partial.ends_with(b"\r");
    partial.len() > LINE_LIMIT_BYTES && !whole
}

fn pieces(text: &[u8], line: &mut impl FnMut(&[u8])) {
    let mut rest = text.strip_suffix(b"\r").unwrap_or(text);
    while rest.len() > LINE_LIMIT_BYTES {
        let (piece, behind) = rest.split_at(cut(rest));
        line(piece);
        rest = behind;
    }
    line(rest);
}

/// Where to cut a text that is too long: not inside a UTF-8 character, if it is UTF-8.
fn cut(text: &[u8]) -> usize {
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    (LINE_LIMIT_BYTES - 3..=LINE_LIMIT_BYTES).rev().find(|at| !is_inside(*at)).unwrap_or(LINE_LIMIT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
        parts.iter().for_each(|part| splitter.push(part, |line| lines.push(line.to_vec())));
        splitter.finish(|line| lines.push(line.to_vec()));
        lines
    }

    #[test]
    fn lines_over_reads_and_without_an_end() {
        assert_eq!(lines(&[b"a\nb", b"c\r\n\nd"]), [&b"a"[..], b"bc", b"", b"d"]);
        assert!(lines(&[b""]).is_empty());
    }

    #[test]
    fn log_3_a_full_line_whose_end_comes_in_two_parts_is_one_line() {
        let full = [b'x'; LINE_LIMIT_BYTES];
        assert_eq!(lines(&[&full, b"\r", b"\nnext"]), [&full[..], b"next"]);
        assert_eq!(lines(&[&full, b"\r", b"y\n"]), [&full[..], b"\ry"]);
        assert_eq!(lines(&[&full, b"\r"]), [&full[..]]);
    }

    #[test]
    fn log_3_long_lines_in_pieces_of_whole_characters() {
        let sizes = |text: &[u8]| lines(&[text]).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&[b'x'; 20_000]), [10_000, 10_000]);
        assert_eq!(sizes(&[b'x'; 20_001]), [10_000, 10_000, 1]);
        assert_eq!(sizes("€".repeat(4000).as_bytes()), [9_999, 2_001]);
        assert_eq!(sizes(&[0x80; 10_001]), [10_000, 1]);
    }
}
