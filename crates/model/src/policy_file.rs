//! `flowline.yml`: what must hold before something is deployed to a stage, kept with the code.
//!
//! The format is published as `docs/flowline-yml.schema.json`. A key that is not known is refused with its line and the key that was
//! probably meant: a gate that is misspelled must not be one that is open.

use crate::freeze::{BadFreeze, Freeze, When, Written};
use crate::pipeline::Stage;
use crate::stage_policy::{BadPolicy, Promote, StagePolicy, in_words_short, length_of_time};
use crate::yaml::{self, BadYaml, Node};
use chrono::NaiveDateTime;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Its name, at the top of the repository.
pub const POLICY_FILE: &str = "flowline.yml";

/// Its size in bytes: a hundred times what a long one takes.
pub const POLICY_FILE_LIMIT_BYTES: usize = 64 * 1024;

/// How many letters may be wrong in a key for it to be named as the one that was meant.
const TYPOS: usize = 3;

const STAGE_KEYS: [&str; 6] = ["required_checks", "green_light", "approvals", "soak", "freeze", "promote"];
const FREEZE_KEYS: [&str; 5] = ["days", "from", "to", "time_zone", "reason"];
const STAGES: [Stage; 3] = [Stage::Development, Stage::Staging, Stage::Production];

/// The gates of each stage that the file names.
pub type Policies = BTreeMap<Stage, StagePolicy>;

/// Reads a file.
///
/// # Errors
/// What is wrong with it, with its line.
pub fn read(text: &str) -> Result<Policies, BadYaml> {
    if text.len() > POLICY_FILE_LIMIT_BYTES {
        let why = format!("the file is larger than {} KiB", POLICY_FILE_LIMIT_BYTES / 1024);
        return Err(BadYaml { line: 1, why });
    }
    let Some(root) = yaml::read(text)? else { return Ok(Policies::new()) };
    let mut all = Policies::new();
    for (_, stages) in keys(&root, "flowline.yml is a mapping", &["stages"])? {
        for (key, node) in keys(stages, "stages is a mapping of stages", &STAGES.map(Stage::word))? {
            let stage = STAGES.into_iter().find(|stage| stage.word() == key);
            all.extend(stage.map(|stage| Ok((stage, stage_policy(node)?))).transpose()?);
        }
    }
    Ok(all)
}

/// Reads the gates of one stage alone, as JSON or YAML.
///
/// # Errors
/// What is wrong with it, with its line.
pub fn read_stage(text: &str) -> Result<StagePolicy, BadYaml> {
    if text.len() > POLICY_FILE_LIMIT_BYTES {
        return Err(BadYaml { line: 1, why: format!("it is larger than {} KiB", POLICY_FILE_LIMIT_BYTES / 1024) });
    }
    yaml::read(text)?.map_or_else(|| Ok(StagePolicy::default()), |node| stage_policy(&node))
}

/// The members of a mapping that has only these keys, each once.
fn keys<'n>(node: &'n Node, what: &str, known: &[&'static str]) -> Result<Vec<(&'static str, &'n Node)>, BadYaml> {
    let mut all: Vec<(&'static str, &Node)> = Vec::new();
    if is_nothing(node) {
        return Ok(all);
    }
    for (key, value) in node.map(what)? {
        let text = key.text("a key")?;
        let Some(name) = known.iter().find(|name| **name == text) else {
            return Err(BadYaml::at(key, unknown(text, known)));
        };
        if all.iter().any(|(before, _)| before == name) {
            return Err(BadYaml::at(key, format!("`{name}` is there twice")));
        }
        all.push((name, value));
    }
    Ok(all)
}

fn is_nothing(node: &Node) -> bool {
    matches!(&node.value, yaml::Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
}

fn unknown(text: &str, known: &[&str]) -> String {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    let nearest = known.iter().map(|name| (strsim::damerau_levenshtein(name, &text.to_lowercase()), name)).min();
    match nearest {
        Some((typos, name)) if typos <= TYPOS && typos < name.len() => {
            format!("`{shown}` is no key here; did you mean `{name}`?")
        }
        Some(_) | None => format!("`{shown}` is no key here; there are {}", known.join(", ")),
    }
}

fn stage_policy(node: &Node) -> Result<StagePolicy, BadYaml> {
    let mut policy = StagePolicy::default();
    let bad = |node: &Node, error: BadPolicy| BadYaml::at(node, error.to_string());
    for (key, value) in keys(node, "the gates of a stage are a mapping", &STAGE_KEYS)? {
        if is_nothing(value) {
            continue;
        }
        match key {
            "required_checks" => {
                let names = value.list("required_checks is a list of names")?;
                let names = names.iter().map(|name| name.text("a check's name").map(ToOwned::to_owned));
                policy.required_checks = names.collect::<Result<_, _>>()?;
            }
            "green_light" => policy.green_light = value.flag("green_light")?,
            "approvals" => {
                let number = value.text("a number")?.parse().map_err(|_| bad(value, BadPolicy::Approvals))?;
                policy.approvals = number;
            }
            "soak" => {
                let text = value.text("a length of time")?;
                policy.soak = Some(length_of_time(text).map_err(|error| bad(value, error))?);
            }
            "promote" => {
                let word = Promote::from_word(value.text("manual or auto")?);
                policy.promote = Some(word.ok_or_else(|| bad(value, BadPolicy::Promote))?);
            }
            _ => {
                let windows = value.list("freeze is a list of windows")?;
                policy.freezes = windows.iter().map(freeze).collect::<Result<_, _>>()?;
            }
        }
        policy = policy.checked().map_err(|error| bad(value, error))?;
    }
    Ok(policy)
}

fn freeze(node: &Node) -> Result<Freeze, BadYaml> {
    let mut written = Written::default();
    for (key, value) in keys(node, "a freeze window is a mapping", &FREEZE_KEYS)? {
        match key {
            "days" => {
                let days = value.list("days is a list such as [sat, sun]")?;
                written.days = days.iter().map(|day| day.text("a day")).collect::<Result<_, _>>()?;
            }
            "from" => written.from = Some(value.text("a time")?),
            "to" => written.to = Some(value.text("a time")?),
            "time_zone" => written.zone = Some(value.text("a time zone")?),
            _ => written.reason = Some(value.text("a reason")?),
        }
    }
    Freeze::read(&written).map_err(|error: BadFreeze| BadYaml::at(node, error.to_string()))
}

/// The gates of a stage as the file has them.
#[derive(Debug, Clone, Serialize)]
struct WrittenStage<'a> {
    required_checks: &'a [String],
    green_light: bool,
    approvals: u8,
    soak: Option<String>,
    freeze: Vec<WrittenFreeze<'a>>,
    promote: Option<&'static str>,
}

/// A freeze window as the file has it.
#[derive(Debug, Clone, Serialize)]
struct WrittenFreeze<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<String>>,
    from: String,
    to: String,
    time_zone: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The gates of a stage as the file has them: what [`read_stage`] reads back.
#[must_use]
pub fn write_stage(policy: &StagePolicy) -> Value {
    let written = WrittenStage {
        required_checks: &policy.required_checks,
        green_light: policy.green_light,
        approvals: policy.approvals,
        soak: policy.soak.map(in_words_short),
        freeze: policy.freezes.iter().map(write_freeze).collect(),
        promote: policy.promote.map(Promote::word),
    };
    // Text and numbers alone are always JSON.
    serde_json::to_value(written).unwrap_or_default()
}

/// What is changed of the gates of a stage: keys of the file with their new values.
pub type GateChange = serde_json::Map<String, Value>;

/// The gates with some of them changed; null takes one away.
///
/// # Errors
/// What is wrong with the change, as [`read_stage`] says it.
pub fn change_stage(present: &StagePolicy, change: GateChange) -> Result<StagePolicy, BadYaml> {
    let mut written = write_stage(present);
    if let Value::Object(known) = &mut written {
        known.extend(change);
    }
    read_stage(&written.to_string())
}

fn write_freeze(freeze: &Freeze) -> WrittenFreeze<'_> {
    let (days, from, to) = match &freeze.when {
        When::Weekly { days, from, to } => {
            let days = days.iter().map(|day| day.to_string().to_lowercase()).collect();
            (Some(days), from.format("%H:%M").to_string(), to.format("%H:%M").to_string())
        }
        When::Once { from, to } => {
            let text = |at: &NaiveDateTime| at.format("%Y-%m-%dT%H:%M").to_string();
            (None, text(from), text(to))
        }
    };
    WrittenFreeze { days, from, to, time_zone: freeze.zone.name(), reason: freeze.reason.as_deref() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const FILE: &str = r#"# who may deploy what when
stages:
  staging:
    promote: auto
  production:
    required_checks: [flowline/test, ci/build]
    green_light: true
    approvals: 1
    soak: 30m
    freeze:
      - days: [fri, sat, sun]
        from: "16:00"
        to: "08:00"
        time_zone: Europe/Berlin
        reason: weekend
      - { from: 2026-12-20T00:00, to: 2027-01-04T08:00 }
"#;

    #[test]
    fn a_whole_file_and_back() {
        let all = read(FILE).unwrap();
        assert!(all[&Stage::Staging].is_auto());
        let production = &all[&Stage::Production];
        assert_eq!(production.required_checks, ["flowline/test", "ci/build"]);
        assert_eq!((production.approvals, production.soak), (1, Some(Duration::from_secs(1800))));
        assert_eq!(production.freezes.len(), 2);
        for policy in all.values() {
            assert_eq!(read_stage(&write_stage(policy).to_string()).as_ref(), Ok(policy));
        }
        assert_eq!(read_stage(&write_stage(&StagePolicy::default()).to_string()), Ok(StagePolicy::default()));
        assert_eq!(read("# nothing yet\n"), Ok(Policies::new()));
        assert_eq!(read("stages:\n"), Ok(Policies::new()));
    }

    #[test]
    fn what_is_not_named_in_a_change_stays_and_null_takes_a_gate_away() {
        let present = read_stage("approvals: 2\nsoak: 30m\n").unwrap();
        let change = |text: &str| change_stage(&present, serde_json::from_str(text).unwrap());
        let next = change(r#"{"approvals": null, "green_light": true}"#).unwrap();
        assert_eq!((next.approvals, next.green_light, next.soak), (0, true, present.soak));
        assert!(change(r#"{"aprovals": 1}"#).unwrap_err().why.contains("did you mean `approvals`?"));
    }

    #[test]
    fn a_typo_is_refused_with_its_line_and_the_nearest_key() {
        let wrong = |from: &str, to: &str| read(&FILE.replace(from, to)).unwrap_err().to_string();
        assert_eq!(
            wrong("green_light", "green_ligth"),
            "line 7: `green_ligth` is no key here; did you mean `green_light`?"
        );
        assert_eq!(
            wrong("  production:", "  prodcution:"),
            "line 5: `prodcution` is no key here; did you mean `production`?"
        );
        assert_eq!(wrong("stages:", "Stages:"), "line 2: `Stages` is no key here; did you mean `stages`?");
        assert_eq!(wrong("time_zone", "timezone"), "line 14: `timezone` is no key here; did you mean `time_zone`?");
        assert!(wrong("soak", "colour").starts_with("line 9: `colour` is no key here; there are required_checks,"));
    }

    #[test]
    fn values_that_cannot_be_are_refused_with_their_line() {
        let wrong = |from: &str, to: &str| read(&FILE.replace(from, to)).unwrap_err().to_string();
        assert_eq!(
            wrong("30m", "half an hour"),
            "line 9: soak is a length of time such as 45s, 30m, 2h or 1d, at most 30d"
        );
        assert_eq!(wrong("approvals: 1", "approvals: 3"), "line 8: approvals is 0, 1 or 2");
        assert_eq!(wrong("true", "yes"), "line 7: green_light is true or false");
        assert_eq!(wrong("promote: auto", "promote: automatic"), "line 4: promote is manual or auto");
        assert!(wrong("Europe/Berlin", "Berlin").starts_with("line 11: `Berlin` is no time zone"));
        assert_eq!(wrong("    soak: 30m", "    approvals: 2"), "line 9: `approvals` is there twice");
        assert!(wrong("[flowline/test, ci/build]", "flowline/test").starts_with("line 6: required_checks is a list"));
        assert!(read(&"x".repeat(POLICY_FILE_LIMIT_BYTES + 1)).is_err());
    }
}
