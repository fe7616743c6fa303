//! Config vars: the names, the limits, and what one change says in the ledger.

use std::collections::{BTreeMap, BTreeSet};

/// Names and values of an app's configuration.
pub type ConfigVars = BTreeMap<String, String>;

/// One change: a value sets, `None` removes (CONF-1).
pub type ConfigPatch = BTreeMap<String, Option<String>>;

/// Names and values together (CONF-4).
pub const CONFIG_LIMIT_BYTES: usize = 64 * 1024;

/// What stands in place of a write-only value. Sent back, it changes nothing: tools write what they read.
pub const HIDDEN: &str = "********";

/// What may be shown: names, and the values that are not write-only.
#[must_use]
pub fn shown(mut vars: ConfigVars, write_only: &BTreeSet<String>) -> ConfigVars {
    for (name, value) in &mut vars {
        if write_only.contains(name) {
            HIDDEN.clone_into(value);
        }
    }
    vars
}

/// A change without what only repeats that a value is hidden.
#[must_use]
pub fn without_hidden(mut patch: ConfigPatch, write_only: &BTreeSet<String>) -> ConfigPatch {
    patch.retain(|name, value| value.as_deref() != Some(HIDDEN) || !write_only.contains(name));
    patch
}

/// Why a change of config vars is refused. Nothing of it is then applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not a name that a shell can hold.
    #[error("`{0}` is not a config var name: use letters, digits and `_`, not beginning with a digit")]
    BadName(String),
    /// The platform's own names (CONF-3).
    #[error("`{0}` is reserved: names beginning with `__` belong to the platform; choose another name")]
    Reserved(String),
    /// A NUL byte cannot stand in an environment.
    #[error("The value of `{0}` contains a NUL byte, which no environment can hold")]
    NulByte(String),
    /// CONF-4.
    #[error(
        "Config vars would take {size_bytes} bytes; an app may have {CONFIG_LIMIT_BYTES}. Keep large values in a file or an object store"
    )]
    TooLarge {
        /// What they would take.
        size_bytes: usize,
    },
}

/// Applies a change to what is there; `None` when nothing changes, so that no release is made (RELPH-11).
///
/// # Errors
/// The first name or value that cannot be, or a result over the limit.
pub fn apply(present: &ConfigVars, patch: &ConfigPatch) -> Result<Option<ConfigVars>, ConfigError> {
    let mut vars = present.clone();
    for (name, value) in patch {
        match value {
            Some(value) => {
                check(name, value)?;
                vars.insert(name.clone(), value.clone());
            }
            None => {
                vars.remove(name);
            }
        }
    }
    let size_bytes = vars.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size_bytes > CONFIG_LIMIT_BYTES {
        return Err(ConfigError::TooLarge { size_bytes });
    }
    Ok((vars != *present).then_some(vars))
}

/// The release's description: `Set A, B config vars`, `Remove C config vars`, or both (CONF-7, RLS-4).
#[must_use]
pub fn describe(present: &ConfigVars, patch: &ConfigPatch) -> String {
    let names = |wanted: fn(&Option<String>) -> bool| {
        let names = patch.iter().filter(|(name, value)| wanted(value) && present.get(*name) != value.as_ref());
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let removed = patch.iter().filter(|(name, value)| value.is_none() && present.contains_key(*name));
    let removed = removed.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    match (names(Option::is_some).as_str(), removed.as_str()) {
        (set, "") => format!("Set {set} config vars"),
        ("", removed) => format!("Remove {removed} config vars"),
        (set, removed) => format!("Set {set} and remove {removed} config vars"),
    }
}

fn check(name: &str, value: &str) -> Result<(), ConfigError> {
    check_name(name)?;
    if value.contains('\0') {
        return Err(ConfigError::NulByte(name.to_owned()));
    }
    Ok(())
}

/// May a config var be called so (CONF-3)?
///
/// # Errors
/// [`ConfigError::BadName`], [`ConfigError::Reserved`].
pub fn check_name(name: &str) -> Result<(), ConfigError> {
    let mut bytes = name.bytes();
    let head = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !head || name.len() > 255 || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(ConfigError::BadName(name.to_owned()));
    }
    if name.starts_with("__") {
        return Err(ConfigError::Reserved(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(list: &[(&str, &str)]) -> ConfigVars {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn patch(list: &[(&str, Option<&str>)]) -> ConfigPatch {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn conf_1_merges_and_null_removes() {
        let after = apply(&vars(&[("A", "1"), ("B", "2")]), &patch(&[("B", None), ("C", Some("3"))]));
        assert_eq!(after.unwrap(), Some(vars(&[("A", "1"), ("C", "3")])));
    }

    #[test]
    fn relph_11_same_values_change_nothing() {
        assert_eq!(apply(&vars(&[("A", "1")]), &patch(&[("A", Some("1")), ("X", None)])).unwrap(), None);
    }

    #[test]
    fn conf_3_and_4_bad_names_and_sizes() {
        for bad in ["", "1A", "A-B", "A B", "A=B", "Ä", "A\n"] {
            let error = apply(&vars(&[]), &patch(&[(bad, Some("x"))])).unwrap_err();
            assert_eq!(error, ConfigError::BadName(bad.into()));
        }
        assert!(matches!(apply(&vars(&[]), &patch(&[("__A", Some("x"))])), Err(ConfigError::Reserved(_))));
        assert!(matches!(apply(&vars(&[]), &patch(&[("A", Some("a\0b"))])), Err(ConfigError::NulByte(_))));
        let big = "x".repeat(CONFIG_LIMIT_BYTES);
        assert!(matches!(apply(&vars(&[]), &patch(&[("A", Some(&big))])), Err(ConfigError::TooLarge { .. })));
    }

    #[test]
    fn conf_7_descriptions() {
        let present = vars(&[("A", "1")]);
        assert_eq!(describe(&present, &patch(&[("B", Some("2")), ("C", Some("3"))])), "Set B, C config vars");
        assert_eq!(describe(&present, &patch(&[("A", None)])), "Remove A config vars");
        assert_eq!(describe(&present, &patch(&[("A", None), ("B", Some("2"))])), "Set B and remove A config vars");
    }
}
