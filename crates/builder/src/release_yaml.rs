//! What `bin/release` prints: a small piece of YAML, of which only `default_process_types` counts.
//!
//! Packs print it by hand or with a library: nothing at all, `---`, `--- {}`, block mappings with plain or quoted
//! scalars, or JSON. That subset is read here; anything else is an error that names the line.

use model::procfile::ProcessTypes;

const KEY: &str = "default_process_types";

/// The process types in it. The error completes `its bin/release printed …`.
pub(crate) fn default_process_types(text: &str) -> Result<ProcessTypes, String> {
    let body = text.trim_start_matches('\u{feff}').trim();
    let body = body.strip_prefix("---").unwrap_or(body).trim_start();
    if body.starts_with('{') {
        return flow(body);
    }
    let mut lines = text.lines().filter(|line| !is_filler(line)).peekable();
    let mut types = ProcessTypes::new();
    while let Some(line) = lines.next() {
        let Some(rest) = top_key(line) else { continue };
        if rest.starts_with('{') {
            return flow(&format!("{{\"{KEY}\": {rest}}}"));
        }
        while let Some(line) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            let (name, command) = pair(line)?;
            let name = name.parse().map_err(|error| format!("a line that is wrong: {error}"))?;
            types.insert(name, command);
        }
    }
    Ok(types)
}

fn is_filler(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
}

/// What follows `default_process_types:` at the line's start.
fn top_key(line: &str) -> Option<&str> {
    let key = line.trim_start_matches(['"', '\'']);
    let rest = key.strip_prefix(KEY)?.trim_start_matches(['"', '\'']);
    rest.trim_start().strip_prefix(':').map(str::trim)
}

/// `  web: npm start`
fn pair(line: &str) -> Result<(String, String), String> {
    let wrong = || format!("the line `{}`, which is not `<process type>: <command>`", line.trim());
    let (name, value) = line.trim().split_once(':').ok_or_else(wrong)?;
    let (name, value) = (scalar(name.trim()), scalar(value.trim()));
    match (name, value) {
        (Some(name), Some(value)) if !value.is_empty() => Ok((name, value)),
        (_, _) => Err(wrong()),
    }
}

/// A plain, 'single' or "double" quoted value; `None` for the forms that are not read (`|`, `>`, `&`, `*`).
fn scalar(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('\'') {
        return rest.strip_suffix('\'').map(|inner| inner.replace("''", "'"));
    }
    if text.starts_with('"') {
        return serde_json::from_str(text).ok();
    }
    if text.starts_with(['|', '>', '&', '*', '[', '{']) {
        return None;
    }
    // A comment in YAML needs a space before it.
    let end = text.find(" #").unwrap_or(text.len());
    Some(text[..end].trim().to_owned())
}

/// JSON, or `{}`.
fn flow(text: &str) -> Result<ProcessTypes, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("no YAML or JSON: {error}"))?;
    match value.get(KEY) {
        None => Ok(ProcessTypes::new()),
        Some(types) => serde_json::from_value(types.clone()).map_err(|error| format!("wrong process types: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let types = default_process_types(text).unwrap();
        types.into_iter().map(|(name, command)| (name.into(), command)).collect()
    }

    #[test]
    fn variants_that_packs_print() {
        for nothing in ["", "\n", "---", "---\n", "--- {}", "--- {}\n", "---\naddons: []\n", "{}"] {
            assert!(read(nothing).is_empty(), "{nothing:?}");
        }
        let web = [("web".to_owned(), "npm start".to_owned())];
        for text in [
            "addons: []\ndefault_process_types:\n  web: npm start\n",
            "---\nconfig_vars:\n  LANG: en_US.UTF-8\ndefault_process_types:\n    web: 'npm start'\naddons:\n  - x\n",
            "default_process_types:\n  # the site\n  web: \"npm start\"\n",
            "--- {\"default_process_types\": {\"web\": \"npm start\"}}",
            "default_process_types: {\"web\": \"npm start\"}",
            "\"default_process_types\":\r\n  \"web\": npm start # yes\r\n",
        ] {
            assert_eq!(read(text), web, "{text:?}");
        }
    }

    #[test]
    fn commands_with_colons_and_quotes_stay_whole() {
        let rails = "default_process_types:\n  web: bin/rails server -b 0.0.0.0:${PORT:-5000} -e 'x'\n  rake: a''b\n";
        assert_eq!(read(rails)[1].1, "bin/rails server -b 0.0.0.0:${PORT:-5000} -e 'x'");
        assert_eq!(read("default_process_types:\n  web: 'it''s'\n")[0].1, "it's");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for bad in [
            "default_process_types:\n  web\n",
            "default_process_types:\n  web: |\n    x\n",
            "{bad",
            "default_process_types:\n  a b: c",
        ] {
            assert!(default_process_types(bad).is_err(), "{bad:?}");
        }
    }
}
