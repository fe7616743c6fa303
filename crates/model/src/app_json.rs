//! app.json: what an app says about itself. Read strictly as JSON, leniently as to keys (APPJSON-5).

mod read;

use std::collections::BTreeMap;

/// No honest app.json comes near this; it bounds what a push can make us parse.
pub const APP_JSON_LIMIT_BYTES: usize = 256 * 1024;

/// What app.json says, or what it says for one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppJson {
    /// Packs to build with, in order, by URL or short name (`heroku/nodejs`).
    pub buildpacks: Vec<String>,
    /// Config vars, by name.
    pub env: BTreeMap<String, EnvVar>,
    /// Commands by name: `test`, `test-setup`, `postdeploy`.
    pub scripts: BTreeMap<String, String>,
    /// The plans of its add-ons, as they are written, where it says so; none is also an answer.
    pub addons: Option<Vec<String>>,
    /// How many of which process type, where it says so.
    pub quantities: BTreeMap<String, u32>,
    /// What is said otherwise for `test`, `review` and so on.
    pub environments: BTreeMap<String, AppJson>,
}

/// A config var that app.json names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    /// What it is when nobody says otherwise.
    pub value: Option<String>,
    /// Without a value nothing can be set up (APPJSON-2).
    pub required: bool,
    /// Without a value it becomes a secret (APPJSON-3).
    pub secret: bool,
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
        /// The key, with those above it.
        key: String,
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
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| AppJsonError::NotJson(error.to_string()))?;
    read::whole(value.as_object().ok_or(AppJsonError::NotAnObject)?)
}

impl AppJson {
    /// What it says for an environment (APPJSON-4): config vars and scripts one by one over those for all, lists as a whole.
    #[must_use]
    pub fn in_environment(&self, name: &str) -> Self {
        let mut all = Self { environments: BTreeMap::new(), ..self.clone() };
        let Some(own) = self.environments.get(name) else { return all };
        all.env.extend(own.env.clone());
        all.scripts.extend(own.scripts.clone());
        if !own.buildpacks.is_empty() {
            all.buildpacks.clone_from(&own.buildpacks);
        }
        if own.addons.is_some() {
            all.addons.clone_from(&own.addons);
        }
        if !own.quantities.is_empty() {
            all.quantities.clone_from(&own.quantities);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appjson_5_unknown_keys_are_tolerated() {
        let app = br#"{"name":"x","scripts":{"pr-predeploy":"y"},"buildpacks":[{"url":"heroku/nodejs"}],"logo":[]}"#;
        assert_eq!(parse(app).unwrap().buildpacks, ["heroku/nodejs"]);
    }

    #[test]
    fn appjson_4_an_environment_merges_variables_and_scripts_and_replaces_lists() {
        let app = parse(
            br#"{"env":{"A":"1","B":{"value":"2"},"C":{"generator":"secret"}},"buildpacks":["heroku/nodejs"],
                "scripts":{"postdeploy":"p","test":"all"},"addons":["heroku-redis:mini"],
                "formation":{"web":{"quantity":2}},
                "environments":{"test":{"env":{"B":"two","D":{"required":false}},"buildpacks":[{"url":"heroku/python"}],
                "scripts":{"test":"own","test-setup":{"command":"s"}},"formation":{"test":{"quantity":3}}}}}"#,
        )
        .unwrap();
        let test = app.in_environment("test");
        let values: Vec<_> = test.env.iter().map(|(name, var)| (name.as_str(), var.value.as_deref())).collect();
        assert_eq!(values, [("A", Some("1")), ("B", Some("two")), ("C", None), ("D", None)]);
        assert!(test.env["C"].secret && test.env["C"].required && !test.env["D"].required);
        assert_eq!(test.buildpacks, ["heroku/python"]);
        assert_eq!(test.addons, Some(vec!["heroku-redis:mini".to_owned()]));
        let scripts: Vec<_> = test.scripts.iter().map(|(name, command)| (name.as_str(), command.as_str())).collect();
        assert_eq!(scripts, [("postdeploy", "p"), ("test", "own"), ("test-setup", "s")]);
        assert_eq!(test.quantities, BTreeMap::from([("test".to_owned(), 3)]));
        assert_eq!(app.in_environment("review").scripts["test"], "all", "what is not said otherwise holds everywhere");
    }

    #[test]
    fn broken_ones_say_how() {
        assert!(parse(b"{\"a\":}").unwrap_err().to_string().contains("line 1 column"));
        assert_eq!(parse(b"[]").unwrap_err(), AppJsonError::NotAnObject);
        let said = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert!(said(r#"{"buildpacks":3}"#).contains("`buildpacks` must be a list"));
        assert!(said(r#"{"env":["A"]}"#).contains("`env` must be an object"));
        assert!(said(r#"{"env":{"A-B":"1"}}"#).contains("`env.A-B` must be"));
        assert!(said(r#"{"env":{"A":{"value":[]}}}"#).contains("`env.A` must be"));
        assert!(said(r#"{"scripts":{"test":7}}"#).contains("`scripts.test` must be"));
        assert!(said(r#"{"formation":{"test":{"quantity":-1}}}"#).contains("`formation.test.quantity` must be"));
        let test = said(r#"{"environments":{"test":{"scripts":{"test":[]}}}}"#);
        assert!(test.contains("`environments.test.scripts.test` must be"), "{test}");
        assert!(said(r#"{"environments":{"test":1}}"#).contains("`environments.test` must be"));
    }
}
