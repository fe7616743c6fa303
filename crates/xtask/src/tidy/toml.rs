//! The little of TOML that manifests and the lock file use: tables, keys, strings and lists of strings.

/// A table header and the lines below it.
#[derive(Debug)]
pub(super) struct Table<'a> {
    /// What stands between the brackets, such as `dependencies` or `package`; empty for the lines before the first header.
    pub name: &'a str,
    /// 1-based line of the header.
    pub line: usize,
    /// The key, the value as written, and the 1-based line of each entry.
    pub entries: Vec<(&'a str, String, usize)>,
}

impl Table<'_> {
    /// A string value without its quotes.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let (_, value, _) = self.entries.iter().find(|(name, ..)| *name == key)?;
        Some(value.trim_matches('"'))
    }
}

/// The tables of a file, in order.
pub(super) fn tables(text: &str) -> Vec<Table<'_>> {
    let mut tables = vec![Table { name: "", line: 1, entries: Vec::new() }];
    let mut open_list = false;
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        let Some(table) = tables.last_mut() else { break };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if open_list {
            if let Some((_, value, _)) = table.entries.last_mut() {
                value.push_str(line);
            }
            open_list = !line.ends_with(']');
        } else if line.starts_with('[') {
            let name = line.trim_start_matches('[').split(']').next().unwrap_or_default();
            tables.push(Table { name, line: at, entries: Vec::new() });
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.trim();
            open_list = value.starts_with('[') && !value.contains(']');
            table.entries.push((key.trim(), value.to_owned(), at));
        }
    }
    tables
}

/// The quoted strings of a list.
pub(super) fn strings(list: &str) -> impl Iterator<Item = &str> {
    list.split('"').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tables_keys_and_lists() {
        let found = tables(
            "version = 4\n\n[[package]]\nname = \"a\"\ndependencies = [\n \"b\",\n \"c 1.0\",\n]\n[dependencies]\nx.workspace = true\n",
        );
        assert_eq!(
            found.iter().map(|table| (table.name, table.line)).collect::<Vec<_>>(),
            [("", 1), ("package", 3), ("dependencies", 9)]
        );
        assert_eq!(found[1].text("name"), Some("a"));
        assert_eq!(strings(&found[1].entries[1].1).collect::<Vec<_>>(), ["b", "c 1.0"]);
        assert_eq!(found[2].entries[0].0, "x.workspace");
    }
}
