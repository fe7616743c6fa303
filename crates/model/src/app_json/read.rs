//! From JSON to what app.json says; a wrong type is named by its key.

use super::{AppJson, AppJsonError, EnvVar};
use crate::config_var;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

type Object = Map<String, Value>;

/// The whole file.
pub(super) fn whole(object: &Object) -> Result<AppJson, AppJsonError> {
    let mut all = part(object, "")?;
    for (name, own) in entries(object, "environments", "environments")? {
        let key = format!("environments.{name}");
        let own = own.as_object().ok_or_else(|| wrong(&key, "an object"))?;
        all.environments.insert(name.clone(), part(own, &format!("{key}."))?);
    }
    Ok(all)
}

/// What stands at the top, or in one environment. `above`: the keys that lead there, with a dot at the end.
fn part(object: &Object, above: &str) -> Result<AppJson, AppJsonError> {
    Ok(AppJson {
        buildpacks: list(object, above, "buildpacks", "url", "a list of objects with a `url`")?,
        addons: match list(object, above, "addons", "plan", "a list of plans")? {
            none if none.is_empty() && !object.contains_key("addons") => None,
            addons => Some(addons),
        },
        env: named(object, above, "env", env_var)?,
        scripts: named(object, above, "scripts", script)?,
        quantities: named(object, above, "formation", quantity)?.into_iter().filter_map(said).collect(),
        environments: BTreeMap::new(),
    })
}

fn said((name, quantity): (String, Option<u32>)) -> Option<(String, u32)> {
    Some((name, quantity?))
}

/// The entries of an object below a key; none when the key is not there.
fn entries<'v>(object: &'v Object, name: &str, key: &str) -> Result<Vec<(&'v String, &'v Value)>, AppJsonError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(entries)) => Ok(entries.iter().collect()),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => Err(wrong(key, "an object")),
    }
}

fn named<T>(
    object: &Object,
    above: &str,
    name: &str,
    read: fn(&str, &Value) -> Result<T, AppJsonError>,
) -> Result<BTreeMap<String, T>, AppJsonError> {
    let key = format!("{above}{name}");
    let read = |(name, value): (&String, &Value)| Ok((name.clone(), read(&format!("{key}.{name}"), value)?));
    entries(object, name, &key)?.into_iter().map(read).collect()
}

/// A list of texts, or of objects that hold one under `inner`.
fn list(
    object: &Object,
    above: &str,
    name: &str,
    inner: &str,
    expected: &'static str,
) -> Result<Vec<String>, AppJsonError> {
    let wrong = || wrong(&format!("{above}{name}"), expected);
    let text = |entry: &Value| entry.get(inner).unwrap_or(entry).as_str().map(str::to_owned).ok_or_else(wrong);
    match object.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(entries)) => entries.iter().map(text).collect(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => Err(wrong()),
    }
}

fn env_var(key: &str, value: &Value) -> Result<EnvVar, AppJsonError> {
    let name = key.rsplit('.').next().unwrap_or(key);
    if config_var::check_name(name).is_err() {
        return Err(wrong(key, "named by letters, digits and `_`, not beginning with a digit or `__`"));
    }
    let Some(object) = value.as_object() else {
        let value = Some(text(value).ok_or_else(|| wrong(key, ENV))?);
        return Ok(EnvVar { value, required: true, secret: false });
    };
    let value = match object.get("value") {
        None | Some(Value::Null) => None,
        Some(value) => Some(text(value).ok_or_else(|| wrong(key, ENV))?),
    };
    let required = object.get("required").and_then(Value::as_bool).unwrap_or(true);
    let secret = object.get("generator").and_then(Value::as_str) == Some("secret");
    Ok(EnvVar { value, required, secret })
}

const ENV: &str = "a text or an object with a `value` that is a text";

/// People write numbers and truths without quotes; an environment holds texts only, and none with a NUL byte.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.contains('\0') => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn script(key: &str, value: &Value) -> Result<String, AppJsonError> {
    let command = value.get("command").unwrap_or(value).as_str().filter(|command| !command.contains('\0'));
    command.map(str::to_owned).ok_or_else(|| wrong(key, "a command, or an object with a `command`"))
}

fn quantity(key: &str, value: &Value) -> Result<Option<u32>, AppJsonError> {
    match value.get("quantity") {
        None | Some(Value::Null) => Ok(None),
        Some(quantity) => {
            let number = quantity.as_u64().and_then(|number| u32::try_from(number).ok());
            number.map(Some).ok_or_else(|| wrong(&format!("{key}.quantity"), "a whole number, 0 or more"))
        }
    }
}

fn wrong(key: &str, expected: &'static str) -> AppJsonError {
    AppJsonError::WrongType { key: key.to_owned(), expected }
}
