//! What a server sends, without what moves a terminal: people choose names and descriptions, and others read them.

use serde_json::Value;

/// The text with control characters, and those that turn the direction of writing, in an escaped form.
pub(crate) fn printable(text: &str) -> String {
    if !text.chars().any(moves_a_terminal) {
        return text.to_owned();
    }
    let letter = |letter: char| {
        if moves_a_terminal(letter) { letter.escape_default().to_string() } else { letter.to_string() }
    };
    text.chars().map(letter).collect()
}

fn moves_a_terminal(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The value with every text in it [`printable`].
pub(crate) fn cleaned(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable(text)),
        Value::Array(list) => Value::Array(list.iter().map(cleaned).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (printable(name), cleaned(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The value as indented JSON, in which such letters are escaped as JSON has it: only texts can hold them.
pub(crate) fn json_text(value: &Value) -> String {
    let text = format!("{value:#}");
    let odd = |letter: char| letter != '\n' && moves_a_terminal(letter);
    if !text.chars().any(odd) {
        return text;
    }
    let letter = |letter: char| if odd(letter) { format!("\\u{:04x}", u32::from(letter)) } else { letter.to_string() };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_moves_the_terminal() {
        assert_eq!(printable("Café ⬢"), "Café ⬢");
        assert_eq!(printable("a\x1b[2Jb\r\n\u{9b}1m\x7f\u{202e}"), r"a\u{1b}[2Jb\r\n\u{9b}1m\u{7f}\u{202e}");
        let value = json!({ "na\u{7}me": ["\u{9b}x", 1, null] });
        assert_eq!(cleaned(&value), json!({ r"na\u{7}me": [r"\u{9b}x", 1, null] }));
        let text = json_text(&value);
        assert!(!text.chars().any(|letter| letter != '\n' && letter.is_control()), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "the same for a script");
    }
}
