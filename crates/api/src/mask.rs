//! Secrets out of what is written down: by the names of their keys, and in addresses.

use serde_json::Value;

/// What stands in place of a secret.
pub(crate) const MASK: &str = "[masked]";

/// Keys whose values are secrets wherever they stand; addresses among them have a secret in them.
const SECRET: &[&str] = &[
    "password",
    "new_password",
    "secret",
    "token",
    "private_key",
    "authorization",
    "code",
    "recovery_codes",
    "attach_url",
    "client_user",
    "logplex_url",
    "output_stream_url",
    "event_stream_url",
    "put_url",
    "get_url",
];

/// Keys whose value is a map of names to secrets.
const SECRET_MAPS: &[&str] = &["env", "config", "config_vars", "headers"];

/// The same without secrets. `hides`: it is a map of names to secrets itself, as config vars are.
pub(crate) fn masked(value: Value, hides: bool) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| entry(key, value, hides)).collect()),
        Value::Array(all) => Value::Array(all.into_iter().map(|value| masked(value, hides)).collect()),
        Value::String(_) | Value::Number(_) | Value::Bool(_) if hides => Value::String(MASK.to_owned()),
        Value::String(text) => Value::String(without_password(text)),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

fn entry(key: String, value: Value, hides: bool) -> (String, Value) {
    let lower = key.to_ascii_lowercase();
    let secret = SECRET.contains(&lower.as_str());
    let value = match value {
        // That something was taken away is no secret.
        Value::Null => Value::Null,
        // `authorization: {id}` names one, and is none.
        value @ Value::Object(_) => masked(value, hides || SECRET_MAPS.contains(&lower.as_str())),
        _ if secret => Value::String(MASK.to_owned()),
        value => masked(value, hides),
    };
    (key, value)
}

/// `https://user:password@host` without what stands before the `@`.
fn without_password(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{MASK}@{host}{path}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_go_and_names_stay() {
        let value = json!({
            "url": "https://user:pass@example.org/x?y", "password": "p", "nested": [{ "token": "t", "id": 1 }],
            "env": { "A": "1", "B": null }, "authorization": { "id": "kept" }, "description": "kept", "secret": null,
        });
        let shown = masked(value, false);
        assert_eq!(
            shown,
            json!({
                "url": "https://[masked]@example.org/x?y", "password": MASK, "nested": [{ "token": MASK, "id": 1 }],
                "env": { "A": MASK, "B": null }, "authorization": { "id": "kept" }, "description": "kept", "secret": null,
            })
        );
        let vars = masked(json!({ "DATABASE_URL": "postgres://u:p@h/d", "GONE": null, "N": 1 }), true);
        assert_eq!(vars, json!({ "DATABASE_URL": MASK, "GONE": null, "N": MASK }));
    }
}
