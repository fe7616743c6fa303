//! Gates: may this be deployed to that stage now, and if not, which rule says so and who or what can lift it.

use crate::author::Authors;
use crate::commit_check::{CheckState, CommitCheck};
use crate::id::AccountId;
use crate::pipeline::Stage;
use crate::stage_policy::{StagePolicy, in_words};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// A rule that a stage may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Somebody locked the stage.
    Lock,
    /// It is a freeze window.
    Freeze,
    /// Checks on the commit.
    RequiredChecks,
    /// The green light of the stage before.
    GreenLight,
    /// People other than the author.
    Approvals,
    /// The minimum time on the stage before.
    Soak,
}

impl Rule {
    /// Its word in the API and in `flowline.yml`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Freeze => "freeze",
            Self::RequiredChecks => "required_checks",
            Self::GreenLight => "green_light",
            Self::Approvals => "approvals",
            Self::Soak => "soak",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The light of a release on the stage before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Light {
    /// It was not checked, and nothing says that it will be.
    None,
    /// It is being checked.
    Open,
    /// Green.
    Green,
    /// Anything else, in words.
    Other(String),
}

/// A lock on a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Who locked it, as people know them.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Who approved, and what they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// Who.
    pub account: AccountId,
    /// Their e-mail.
    pub email: String,
}

/// A release on the stage before, which is to be promoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `shop-staging v12`.
    pub name: String,
    /// The app and version as arguments of a command: `-a shop-staging`.
    pub app: String,
    /// The people behind it.
    pub authors: Authors,
    /// The e-mail of who had it built, for those who look for somebody else.
    pub author: Option<String>,
    /// Its light there.
    pub light: Light,
    /// Since when it is, or was first, live there.
    pub live_since: Option<Timestamp>,
    /// Who approved it for the stage.
    pub approvals: Vec<Approver>,
}

/// Everything that a decision is made of.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// Where it is to go.
    pub stage: Stage,
    /// What must hold there.
    pub policy: &'a StagePolicy,
    /// Is the stage locked?
    pub lock: Option<&'a Lock>,
    /// The commit, if it is known.
    pub commit: Option<&'a str>,
    /// Since when Flowline knows the commit.
    pub known_since: Timestamp,
    /// What checks said of it.
    pub checks: &'a [CommitCheck],
    /// Names of checks that ever reported to the pipeline.
    pub known_checks: &'a [String],
    /// The release that it comes from; `None`: it is pushed to the stage.
    pub from: Option<&'a Origin>,
    /// Now.
    pub now: Timestamp,
}

/// A rule that holds, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub rule: Rule,
    /// How it stands, in words.
    pub says: String,
    /// What lifts it; `None`: it is open.
    pub lift: Option<String>,
    /// When it opens by itself, if that is known.
    pub opens_at: Option<Timestamp>,
    /// Nobody has to do anything: time or a machine opens it.
    pub by_itself: bool,
}

impl Finding {
    fn open(rule: Rule, says: impl Into<String>) -> Self {
        Self { rule, says: says.into(), lift: None, opens_at: None, by_itself: false }
    }

    fn shut(rule: Rule, says: impl Into<String>, lift: impl Into<String>) -> Self {
        Self { rule, says: says.into(), lift: Some(lift.into()), opens_at: None, by_itself: false }
    }

    fn until(self, at: Timestamp) -> Self {
        Self { opens_at: Some(at), by_itself: true, ..self }
    }

    fn by_itself(self) -> Self {
        Self { by_itself: true, ..self }
    }

    /// May it pass?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lift.is_none()
    }

    /// Does it stay shut until somebody does something?
    #[must_use]
    pub fn waits_for_people(&self) -> bool {
        !self.is_open() && !self.by_itself
    }
}

/// What people read who promote.
const OVERRIDE: &str =
    " Whoever manages the target may override this with a reason (`flowline pipelines:promote --override REASON`)";

/// Why something is not deployed to a stage: every rule that is shut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct Refused {
    /// The stage.
    pub stage: Stage,
    /// The pipeline's name.
    pub pipeline: String,
    /// The rules, with what lifts each.
    pub findings: Vec<Finding>,
    /// It was pushed, not promoted.
    pub pushed: bool,
}

impl Refused {
    fn text(&self) -> String {
        let one = |finding: &Finding| {
            let lift = finding.lift.as_deref().unwrap_or_default();
            format!("[{}] {}. {lift}.", finding.rule, finding.says)
        };
        let all: Vec<String> = self.findings.iter().map(one).collect();
        format!(
            "The gates to {} of {} are shut: {}{}",
            self.stage.word(),
            self.pipeline,
            all.join(" "),
            if self.pushed { "" } else { OVERRIDE },
        )
    }
}

/// Looks at every rule that the stage has; in the order in which people want to hear of them.
#[must_use]
pub fn look(asked: &Asked<'_>) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(asked.lock.map(|lock| locked(asked, lock)));
    all.extend(frozen(asked));
    all.extend(asked.policy.required_checks.iter().map(|name| check(asked, name)));
    if asked.policy.green_light {
        all.push(promoted_only(asked, Rule::GreenLight).unwrap_or_else(light));
    }
    if asked.policy.approvals > 0 {
        all.push(promoted_only(asked, Rule::Approvals).unwrap_or_else(|from| approved(asked, from)));
    }
    if let Some(soak) = asked.policy.soak {
        all.push(promoted_only(asked, Rule::Soak).unwrap_or_else(|from| soaked(asked, from, soak)));
    }
    all
}

/// May it be deployed?
///
/// # Errors
/// Every rule that is shut.
pub fn decide(asked: &Asked<'_>) -> Result<Vec<Finding>, Refused> {
    let all = look(asked);
    if all.iter().all(Finding::is_open) {
        return Ok(all);
    }
    let findings = all.into_iter().filter(|finding| !finding.is_open()).collect();
    Err(Refused { stage: asked.stage, pipeline: asked.pipeline.to_owned(), findings, pushed: asked.from.is_none() })
}

fn locked(asked: &Asked<'_>, lock: &Lock) -> Finding {
    let ago = in_words(asked.now.since(lock.at));
    let says = format!("{} is locked by {} for {ago}: {}", asked.stage.word(), lock.by, lock.reason);
    let lift = format!("Lift it with `flowline pipelines:unlock {} {}`", asked.pipeline, asked.stage.word());
    Finding::shut(Rule::Lock, says, lift)
}

/// The window that holds longest, or that none does.
fn frozen(asked: &Asked<'_>) -> Option<Finding> {
    let held = asked.policy.freezes.iter().filter_map(|freeze| Some((freeze.holds_until(asked.now)?, freeze)));
    match held.max_by_key(|(until, _)| *until) {
        Some((until, freeze)) => {
            let reason = freeze.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let says = format!("{} is frozen until {until}{reason}", asked.stage.word());
            let lift = format!("It opens by itself in {}", in_words(until.since(asked.now)));
            Some(Finding::shut(Rule::Freeze, says, lift).until(until))
        }
        None if asked.policy.freezes.is_empty() => None,
        None => Some(Finding::open(Rule::Freeze, "no freeze window now")),
    }
}

fn short(commit: Option<&str>) -> String {
    commit.map_or_else(|| "this code".to_owned(), |commit| commit.chars().take(8).collect())
}

fn check(asked: &Asked<'_>, name: &str) -> Finding {
    let commit = short(asked.commit);
    let newest = asked.checks.iter().filter(|check| check.name == name).max_by_key(|check| check.updated_at);
    let Some(check) = newest else { return unheard(asked, name, &commit) };
    let ago = in_words(asked.now.since(check.updated_at));
    match check.state {
        CheckState::Success => Finding::open(Rule::RequiredChecks, format!("`{name}` succeeded on {commit}")),
        CheckState::Pending => Finding::shut(
            Rule::RequiredChecks,
            format!("`{name}` has been pending on {commit} for {ago}"),
            "It opens when that check reports success",
        )
        .by_itself(),
        CheckState::Failure | CheckState::Error => Finding::shut(
            Rule::RequiredChecks,
            format!("`{name}` reported {} on {commit} {ago} ago", check.state.word()),
            "Mend it and push again, or run the check again",
        ),
    }
}

/// A check that never reported: perhaps it never will.
fn unheard(asked: &Asked<'_>, name: &str, commit: &str) -> Finding {
    let age = in_words(asked.now.since(asked.known_since));
    let says = format!("`{name}` has not reported on {commit}, which is here for {age}");
    let lift = if asked.known_checks.iter().any(|known| known == name) {
        let lift = "It opens when that check reports success";
        return Finding::shut(Rule::RequiredChecks, says, lift).by_itself();
    } else if asked.known_checks.is_empty() {
        "No check ever reported to this pipeline: connect one, or take the name out of required_checks".to_owned()
    } else {
        let known = asked.known_checks.join(", ");
        format!("No check of this name ever reported to this pipeline; those that did are {known}")
    };
    Finding::shut(Rule::RequiredChecks, says, lift)
}

/// The release that it comes from; a rule that asks for one refuses what is pushed.
fn promoted_only<'a>(asked: &Asked<'a>, rule: Rule) -> Result<Finding, &'a Origin> {
    match asked.from {
        Some(from) => Err(from),
        None => {
            let says = format!("{} takes what was on the stage before it", asked.stage.word());
            Ok(Finding::shut(rule, says, "Push to that stage and promote it from there (`flowline pipelines:promote`)"))
        }
    }
}

fn light(from: &Origin) -> Finding {
    let name = &from.name;
    match &from.light {
        Light::Green => Finding::open(Rule::GreenLight, format!("{name} has its green light")),
        Light::Open => Finding::shut(
            Rule::GreenLight,
            format!("{name} is still being verified"),
            "It opens when the check on the server passes",
        )
        .by_itself(),
        Light::None => Finding::shut(
            Rule::GreenLight,
            format!("{name} was never verified on its server"),
            format!("Give it a `verify:` process, or run the check with `flowline verify:run {}`", from.app),
        ),
        Light::Other(why) => Finding::shut(
            Rule::GreenLight,
            format!("{name} has no green light: {why}"),
            format!("Mend it, or run the check again with `flowline verify:run {}`", from.app),
        ),
    }
}

/// Everybody's own yes counts once, and the author's not at all.
fn approved(asked: &Asked<'_>, from: &Origin) -> Finding {
    let mut counted: Vec<&Approver> = Vec::new();
    for approver in &from.approvals {
        if from.authors.are(approver.account, &approver.email) {
            continue;
        }
        if !counted.iter().any(|known| known.account == approver.account) {
            counted.push(approver);
        }
    }
    let who: Vec<&str> = counted.iter().map(|approver| approver.email.as_str()).collect();
    let wanted = usize::from(asked.policy.approvals);
    if counted.len() >= wanted {
        return Finding::open(Rule::Approvals, format!("{} approved by {}", from.name, who.join(", ")));
    }
    let has = if who.is_empty() { "nobody".to_owned() } else { who.join(", ") };
    let author = from.author.as_deref().unwrap_or("its author");
    let missing = match wanted - counted.len() {
        1 => "one more person".to_owned(),
        more => format!("{more} more people"),
    };
    Finding::shut(
        Rule::Approvals,
        format!("{} was approved by {has}, and needs {missing}", from.name),
        format!(
            "Anybody who may deploy to {} but {author} approves with `flowline pipelines:approve {} {}`",
            asked.stage.word(),
            from.app,
            asked.stage.word()
        ),
    )
}

fn soaked(asked: &Asked<'_>, from: &Origin, soak: Duration) -> Finding {
    let wanted = in_words(soak);
    let Some(since) = from.live_since else {
        let says = format!("{} was never live, and has to be for {wanted}", from.name);
        return Finding::shut(Rule::Soak, says, "It opens that long after it is live").by_itself();
    };
    let ripe = since.plus(soak);
    if ripe <= asked.now {
        return Finding::open(Rule::Soak, format!("{} live for {wanted} or longer", from.name));
    }
    let says = format!("{} has been live for {} of {wanted}", from.name, in_words(asked.now.since(since)));
    let lift = format!("It opens by itself in {}", in_words(ripe.since(asked.now)));
    Finding::shut(Rule::Soak, says, lift).until(ripe)
}

#[cfg(test)]
#[path = "stage_gate_tests.rs"]
mod tests;
