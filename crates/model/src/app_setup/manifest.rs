//! From app.json and what the client wants otherwise to what is done.

use super::{Overrides, Plan, Postdeploy, Scale};
use crate::app_json::{self, AppJson};
use crate::buildpack::{BUILDPACKS_LIMIT, BadBuildpack, Buildpack};
use crate::config_var::{self, ConfigVars};
use crate::dyno::DynoSize;
use crate::stack::Stack;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is set before the build, and what is done after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The app's config vars.
    pub env: ConfigVars,
    /// The packs that build it; none: the build finds out.
    pub buildpacks: Vec<String>,
    /// What comes after the build.
    pub plan: Plan,
}

/// Reads app.json for a setup. `secret` makes a new secret at each call (APPJSON-3).
///
/// # Errors
/// Everything that is wrong with it, so that one try tells all.
pub fn read(bytes: &[u8], overrides: &Overrides, secret: impl FnMut() -> String) -> Result<Manifest, Vec<String>> {
    let said = app_json::parse(bytes).map_err(|error| vec![error.to_string()])?;
    let raw: Value = serde_json::from_slice(bytes).map_err(|error| vec![error.to_string()])?;
    let mut wrong = Vec::new();
    let env = env(&said, overrides, secret, &mut wrong);
    let buildpacks = if overrides.buildpacks.is_empty() { said.buildpacks } else { overrides.buildpacks.clone() };
    if buildpacks.len() > BUILDPACKS_LIMIT {
        wrong.push(format!("more than {BUILDPACKS_LIMIT} buildpacks"));
    }
    wrong.extend(
        buildpacks
            .iter()
            .filter_map(|pack| pack.parse::<Buildpack>().err())
            .map(|BadBuildpack| BadBuildpack.to_string()),
    );
    for addon in said.addons.iter().flatten() {
        let next = "remove it from `addons`, and give the config vars that it would set as overrides";
        wrong.push(format!("add-on {addon} is not available on this server: {next}"));
    }
    match text(&raw, "stack") {
        Ok(stack) => wrong.extend(stack.and_then(|name| Stack::named(&name).err()).map(|error| error.to_string())),
        Err(error) => wrong.push(error),
    }
    let success_url = text(&raw, "success_url").unwrap_or_else(|error| {
        wrong.push(error);
        None
    });
    let formation = formation(&raw, &mut wrong);
    let postdeploy = said.scripts.get("postdeploy").filter(|command| !command.trim().is_empty());
    let postdeploy = postdeploy.map(|command| postdeploy_of(command, &raw["scripts"]["postdeploy"], &mut wrong));
    if wrong.is_empty() {
        Ok(Manifest { env, buildpacks, plan: Plan { formation, postdeploy, success_url } })
    } else {
        Err(wrong)
    }
}

/// A value that the client gives, else app.json's, else a new secret, else none (APPJSON-2, APPJSON-3).
fn env(
    said: &AppJson,
    overrides: &Overrides,
    mut secret: impl FnMut() -> String,
    wrong: &mut Vec<String>,
) -> ConfigVars {
    let mut vars = overrides.env.clone();
    for (name, var) in said.env.iter().filter(|(name, _)| !overrides.env.contains_key(*name)) {
        match &var.value {
            Some(value) => drop(vars.insert(name.clone(), value.clone())),
            None if var.secret => drop(vars.insert(name.clone(), secret())),
            None if var.required => wrong.push(format!("config var {name} is required")),
            None => {}
        }
    }
    wrong.extend(refused(&vars));
    vars
}

fn refused(vars: &BTreeMap<String, String>) -> Option<String> {
    let patch = vars.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    config_var::apply(&ConfigVars::new(), &patch).err().map(|error| error.to_string())
}

/// Numbers and shapes were checked with the rest of app.json; sizes are a setup's own.
fn formation(raw: &Value, wrong: &mut Vec<String>) -> Vec<Scale> {
    let types = raw.get("formation").and_then(Value::as_object).into_iter().flatten();
    types
        .map(|(process_type, wanted)| {
            let quantity = wanted.get("quantity").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
            let size = size(wanted, &format!("formation.{process_type}"), wrong);
            Scale { process_type: process_type.clone(), quantity, size }
        })
        .collect()
}

fn size(of: &Value, key: &str, wrong: &mut Vec<String>) -> Option<String> {
    let size = text(of, "size").map_err(|error| format!("{key}: {error}"));
    let known = size.and_then(|size| match size.as_deref().map(str::parse::<DynoSize>) {
        None | Some(Ok(_)) => Ok(size),
        Some(Err(error)) => Err(format!("{key}.size: {error}")),
    });
    known.unwrap_or_else(|error| {
        wrong.push(error);
        None
    })
}

fn postdeploy_of(command: &str, raw: &Value, wrong: &mut Vec<String>) -> Postdeploy {
    let mut env = BTreeMap::new();
    match raw.get("env") {
        None | Some(Value::Null) => {}
        Some(Value::Object(vars)) => {
            for (name, value) in vars {
                match value.get("value").unwrap_or(value).as_str() {
                    Some(value) => drop(env.insert(name.clone(), value.to_owned())),
                    None => wrong.push(format!("app.json: `scripts.postdeploy.env.{name}` must be a text")),
                }
            }
        }
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            wrong.push("app.json: `scripts.postdeploy.env` must be an object".to_owned());
        }
    }
    wrong.extend(refused(&env));
    Postdeploy { command: command.to_owned(), env, size: size(raw, "scripts.postdeploy", wrong) }
}

fn text(of: &Value, key: &str) -> Result<Option<String>, String> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(format!("app.json: `{key}` must be a text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(text: &str, overrides: &Overrides) -> Result<Manifest, Vec<String>> {
        let mut count = 0;
        read(text.as_bytes(), overrides, || {
            count += 1;
            format!("secret-{count}")
        })
    }

    fn read_plain(text: &str) -> Result<Manifest, Vec<String>> {
        read_with(text, &Overrides::default())
    }

    fn vars(pairs: &[(&str, &str)]) -> ConfigVars {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn appjson_2_what_is_required_needs_a_value() {
        let text = r#"{"env":{"A":{"required":true},"B":{"description":"b"},"C":{"required":false},"D":"d"}}"#;
        assert_eq!(read_plain(text).unwrap_err(), ["config var A is required", "config var B is required"]);
        let given =
            Overrides { env: vars(&[("A", "1"), ("B", ""), ("D", "own"), ("E", "more")]), ..Overrides::default() };
        let env = read_with(text, &given).unwrap().env;
        assert_eq!(env, vars(&[("A", "1"), ("B", ""), ("D", "own"), ("E", "more")]));
    }

    #[test]
    fn appjson_3_a_secret_is_made_when_there_is_no_value() {
        let text =
            r#"{"env":{"A":{"generator":"secret"},"B":{"generator":"secret","value":"b"},"C":{"generator":"secret"}}}"#;
        let given = Overrides { env: vars(&[("C", "own")]), ..Overrides::default() };
        assert_eq!(read_with(text, &given).unwrap().env, vars(&[("A", "secret-1"), ("B", "b"), ("C", "own")]));
    }

    #[test]
    fn appjson_8_buildpacks_can_be_overridden_and_the_rest_is_a_plan() {
        let text = r#"{"buildpacks":[{"url":"heroku/nodejs"}],"success_url":"/welcome",
            "formation":{"web":{"quantity":2,"size":"standard-1x"},"worker":{"quantity":0}},
            "scripts":{"postdeploy":{"command":"rake seed","env":{"SEED":"1"},"size":"basic"}}}"#;
        let read = read_plain(text).unwrap();
        assert_eq!(read.buildpacks, ["heroku/nodejs"]);
        assert_eq!(read.plan.success_url.as_deref(), Some("/welcome"));
        let formation: Vec<_> = read
            .plan
            .formation
            .iter()
            .map(|one| (one.process_type.as_str(), one.quantity, one.size.as_deref()))
            .collect();
        assert_eq!(formation, [("web", Some(2), Some("standard-1x")), ("worker", Some(0), None)]);
        let command = read.plan.postdeploy.unwrap();
        assert_eq!((command.command.as_str(), command.size.as_deref()), ("rake seed", Some("basic")));
        assert_eq!(command.env, vars(&[("SEED", "1")]));
        let given = Overrides { buildpacks: vec!["heroku/python".into()], ..Overrides::default() };
        assert_eq!(read_with(text, &given).unwrap().buildpacks, ["heroku/python"]);
        let short = read_plain(r#"{"scripts":{"postdeploy":"echo hi"}}"#).unwrap().plan.postdeploy.unwrap();
        assert_eq!((short.command.as_str(), short.env.len()), ("echo hi", 0));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let text = r#"{"env":{"A":{}},"addons":["heroku-postgresql:mini",{"plan":"heroku-redis"}],"stack":"cobol-60",
            "success_url":7,"formation":{"web":{"quantity":1,"size":"huge"}},
            "scripts":{"postdeploy":{"command":"x","env":{"B":[]},"size":"tiny"}}}"#;
        let wrong = read_plain(text).unwrap_err();
        for words in [
            "config var A is required",
            "add-on heroku-postgresql:mini is not available on this server",
            "add-on heroku-redis is not",
            "Stack `cobol-60`",
            "`success_url` must be a text",
            "formation.web.size",
            "`scripts.postdeploy.env.B` must be a text",
            "scripts.postdeploy.size",
        ] {
            assert!(wrong.iter().any(|error| error.contains(words)), "{words}: {wrong:#?}");
        }
        assert_eq!(wrong.len(), 8);
        assert!(read_plain("{").unwrap_err()[0].contains("not valid JSON"));
        let reserved = Overrides { env: vars(&[("__X", "1")]), ..Overrides::default() };
        assert!(read_with("{}", &reserved).unwrap_err()[0].contains("reserved"));
        let spaced = Overrides { buildpacks: vec!["a b".into()], ..Overrides::default() };
        assert!(read_with("{}", &spaced).unwrap_err()[0].contains("without spaces"));
    }
}
