//! What a test run's programs find in their environment (CI-3, CI-4).
//!
//! Config vars of the pipeline's apps are not in it: tests may run code that nobody has looked at yet.

use crate::app_json::AppJson;
use crate::config_var::ConfigVars;
use crate::test_run::{TestNode, TestRun};

/// What the app needs and nobody gave a value (APPJSON-2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "config var {name} is required: give it a value in app.json (environments.test.env), or set it for the pipeline's tests \
     (`flowline ci:config:set {name}=... -p PIPELINE`)"
)]
pub struct MissingVar {
    /// Its name.
    pub name: String,
}

/// The test environment: what app.json says for `test`, over that the pipeline's test config vars, over that what tells of the
/// run itself and cannot be changed. `secret` makes the values that app.json leaves to the platform.
///
/// # Errors
/// [`MissingVar`].
pub fn environment(
    app: &AppJson,
    config: &ConfigVars,
    run: &TestRun,
    (node, nodes): (&TestNode, usize),
    mut secret: impl FnMut() -> String,
) -> Result<ConfigVars, MissingVar> {
    let mut env = ConfigVars::new();
    for (name, var) in &app.env {
        let value = match &var.value {
            Some(value) => value.clone(),
            None if config.contains_key(name) => continue,
            None if var.secret => secret(),
            None if var.required => return Err(MissingVar { name: name.clone() }),
            None => continue,
        };
        env.insert(name.clone(), value);
    }
    env.extend(config.clone());
    let own = [
        ("CI", "true".to_owned()),
        ("HEROKU_TEST_RUN_ID", run.id.to_string()),
        ("HEROKU_TEST_RUN_NUMBER", run.number.to_string()),
        ("HEROKU_TEST_RUN_BRANCH", run.commit.branch.clone()),
        ("HEROKU_TEST_RUN_COMMIT_VERSION", run.commit.sha.clone()),
        ("CI_NODE_INDEX", node.index.to_string()),
        ("CI_NODE_TOTAL", nodes.to_string()),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    Ok(env)
}

/// What the app asks for in its tests and this server does not give, for whoever reads the output.
#[must_use]
pub fn not_given(app: &AppJson) -> Option<String> {
    let addons = app.addons.iter().flatten().cloned().collect::<Vec<_>>().join(", ");
    let nodes = app.quantities.get("test").copied().unwrap_or(1);
    let mut said = Vec::new();
    if !addons.is_empty() {
        said.push(format!("This server provisions no add-ons: {addons}."));
    }
    if nodes > 1 {
        said.push(format!("app.json asks for {nodes} test nodes; this server runs the tests on one."));
    }
    (!said.is_empty()).then(|| said.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app_json;
    use crate::test_run::{Commit, TestState, TestStep};
    use crate::time::Timestamp;
    use uuid::Uuid;

    const AT: Timestamp = Timestamp(0);

    fn run() -> TestRun {
        TestRun {
            id: Uuid::nil().into(),
            pipeline: Uuid::nil().into(),
            number: 7,
            app: None,
            by: Uuid::nil().into(),
            commit: Commit { branch: "main".into(), message: "m".into(), sha: "abc".into() },
            source_url: String::new(),
            clear_cache: false,
            state: TestState::At(TestStep::Creating),
            warning: None,
            author_email: None,
            created_at: AT,
            begun_at: None,
            updated_at: AT,
        }
    }

    fn made(app: &str, config: &[(&str, &str)]) -> Result<ConfigVars, MissingVar> {
        let app = app_json::parse(app.as_bytes()).unwrap().in_environment("test");
        let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let node = TestNode {
            id: Uuid::nil().into(),
            run: Uuid::nil().into(),
            index: 0,
            secret: String::new(),
            state: TestState::At(TestStep::Creating),
            created_at: AT,
            updated_at: AT,
        };
        environment(&app, &config, &run(), (&node, 1), || "s3cret".to_owned())
    }

    #[test]
    fn ci_3_each_layer_lies_over_the_one_before() {
        let app = r#"{"env":{"A":"base","B":"base","C":"base","CI":"base"},
            "environments":{"test":{"env":{"B":"test","C":"test","HEROKU_TEST_RUN_NUMBER":"1"}}}}"#;
        let env = made(app, &[("C", "pipeline"), ("D", "pipeline"), ("CI_NODE_TOTAL", "9")]).unwrap();
        let got = |name: &str| env[name].as_str();
        assert_eq!([got("A"), got("B"), got("C"), got("D")], ["base", "test", "pipeline", "pipeline"]);
        assert_eq!([got("CI"), got("HEROKU_TEST_RUN_NUMBER"), got("CI_NODE_TOTAL")], ["true", "7", "1"], "immutable");
    }

    #[test]
    fn ci_4_the_run_tells_of_itself() {
        let env = made("{}", &[]).unwrap();
        let said: Vec<_> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "CI=true",
            "CI_NODE_INDEX=0",
            "CI_NODE_TOTAL=1",
            "HEROKU_TEST_RUN_BRANCH=main",
            "HEROKU_TEST_RUN_COMMIT_VERSION=abc",
            "HEROKU_TEST_RUN_ID=00000000-0000-0000-0000-000000000000",
            "HEROKU_TEST_RUN_NUMBER=7",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn appjson_2_and_3_required_ones_need_a_value_and_secrets_get_one() {
        let app = r#"{"env":{"KEY":{"generator":"secret"},"NEED":{"description":"d"},"MAY":{"required":false}}}"#;
        let missing = made(app, &[]).unwrap_err();
        assert!(missing.to_string().starts_with("config var NEED is required"), "{missing}");
        let env = made(app, &[("NEED", "n")]).unwrap();
        assert_eq!((env["KEY"].as_str(), env["NEED"].as_str(), env.get("MAY")), ("s3cret", "n", None));
        assert_eq!(made(app, &[("NEED", "n"), ("KEY", "k")]).unwrap()["KEY"], "k", "a value that is set is no secret");
    }

    #[test]
    fn what_is_asked_for_and_not_given_is_said() {
        let said = |text: &str| not_given(&app_json::parse(text.as_bytes()).unwrap().in_environment("test"));
        assert_eq!(said("{}"), None);
        let both = r#"{"addons":["x"],"environments":{"test":{"addons":[{"plan":"heroku-postgresql:in-dyno"}],
            "formation":{"test":{"quantity":4}}}}}"#;
        let both = said(both).unwrap();
        assert!(both.contains("heroku-postgresql:in-dyno.") && both.contains("4 test nodes"), "{both}");
        assert_eq!(said(r#"{"addons":["x"],"environments":{"test":{"addons":[]}}}"#), None);
    }
}
