//! app.json: what an app says about itself. Read strictly as JSON, leniently as to keys (APPJSON-5).

use serde_json::Value;

/// No honest app.json comes near this; it bounds what a push can make us parse.
pub const APP_JSON_LIMIT_BYTES: usize = 256 * 1024;

/// The parts of app.json that a push uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppJson {
    /// Packs to build with, in order, by URL or short name (`heroku/nodejs`).
    pub buildpacks: Vec<String>,
}

/// An app.json that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppJsonError {
    /// Not JSON.
    #[error("app.json is not valid JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("app.json must be a JSON object: {{ … }}")]
    NotAnObject,
    /// A known key has another type than documented.
    #[error("app.json: `{key}` must be {expected}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Larger than [`APP_JSON_LIMIT_BYTES`].
    #[error("app.json is larger than 256 KiB")]
    TooLarge,
}

/// Reads app.json.
///
/// # Errors
/// Text that is no JSON object, or a known key of a wrong type.
pub fn parse(bytes: &[u8]) -> Result<AppJson, AppJsonError> {
    if bytes.len() > APP_JSON_LIMIT_BYTES {
        return Err(AppJsonError::TooLarge);
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| AppJsonError::NotJson(error.to_string()))?;
    let object = value.as_object().ok_or(AppJsonError::NotAnObject)?;
    let buildpacks = match object.get("buildpacks") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().map(buildpack_url).collect::<Result<_, _>>()?,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return Err(BUILDPACKS);
        }
    };
    Ok(AppJson { buildpacks })
}

const BUILDPACKS: AppJsonError =
    AppJsonError::WrongType { key: "buildpacks", expected: "a list of objects with a `url`" };

fn buildpack_url(entry: &Value) -> Result<String, AppJsonError> {
    let url = entry.get("url").or(Some(entry)).and_then(Value::as_str);
    url.map(str::to_owned).ok_or(BUILDPACKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appjson_5_unknown_keys_are_tolerated() {
        let app = br#"{"name":"x","scripts":{"pr-predeploy":"y"},"buildpacks":[{"url":"heroku/nodejs"}]}"#;
        assert_eq!(parse(app).unwrap().buildpacks, ["heroku/nodejs"]);
    }

    #[test]
    fn broken_ones_say_how() {
        assert!(parse(b"{\"a\":}").unwrap_err().to_string().contains("line 1 column"));
        assert_eq!(parse(b"[]").unwrap_err(), AppJsonError::NotAnObject);
        assert!(parse(br#"{"buildpacks":3}"#).unwrap_err().to_string().contains("`buildpacks` must be a list"));
    }
}
