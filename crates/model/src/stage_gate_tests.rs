//! Which gates are open, and what they say when they are not.

use super::*;
use crate::commit::Commit;
use crate::freeze::{Freeze, Written};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn account(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

fn approver(number: u128, email: &str) -> Approver {
    Approver { account: account(number), email: email.to_owned() }
}

fn before(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 - i64::try_from(seconds).unwrap() * 1_000_000)
}

fn from() -> Origin {
    Origin {
        name: "shop-staging v12".into(),
        app: "-a shop-staging".into(),
        authors: Authors {
            released_by: account(1),
            built_by: Some(account(1)),
            commit: Some(Commit {
                at: before(900),
                author: "Ann".into(),
                email: "ann@home.example".into(),
                subject: "Basket".into(),
            }),
        },
        author: Some("ann@example.com".into()),
        light: Light::Green,
        live_since: Some(before(600)),
        approvals: Vec::new(),
    }
}

fn asked<'a>(policy: &'a StagePolicy, from: Option<&'a Origin>) -> Asked<'a> {
    Asked {
        pipeline: "shop",
        stage: Stage::Production,
        policy,
        lock: None,
        commit: Some("0123456789abcdef"),
        known_since: before(11_520),
        checks: &[],
        known_checks: &[],
        from,
        now: NOW,
    }
}

#[test]
fn a_stage_without_rules_takes_everything() {
    let policy = StagePolicy::default();
    assert_eq!(decide(&asked(&policy, None)), Ok(Vec::new()));
}

#[test]
fn a_lock_names_who_and_why_and_how_to_lift_it() {
    let policy = StagePolicy::default();
    let lock = Lock { by: "bob@example.com".into(), reason: "launch".into(), at: before(120) };
    let from = from();
    let refused = decide(&Asked { lock: Some(&lock), ..asked(&policy, Some(&from)) }).unwrap_err();
    let text = refused.to_string();
    for words in
        ["[lock]", "bob@example.com", "launch", "2 min", "flowline pipelines:unlock shop production", "--override"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_check_that_never_reports_is_said_with_its_age() {
    let policy = StagePolicy { required_checks: vec!["ci/bulid".into()], ..StagePolicy::default() };
    let known = ["ci/build".to_owned()];
    let refused = decide(&Asked { known_checks: &known, ..asked(&policy, None) }).unwrap_err().to_string();
    assert!(refused.contains("`ci/bulid` has not reported on 01234567, which is here for 3 h 12 min"), "{refused}");
    assert!(refused.contains("those that did are ci/build"), "{refused}");
}

#[test]
fn the_newest_word_of_a_check_counts() {
    let policy = StagePolicy { required_checks: vec!["ci".into()], ..StagePolicy::default() };
    let said = |state, ago| CommitCheck {
        commit: "0123456789abcdef".into(),
        name: "ci".into(),
        state,
        description: None,
        url: None,
        by: "ci@example.com".into(),
        created_at: before(ago),
        updated_at: before(ago),
    };
    let checks = [said(CheckState::Failure, 60), said(CheckState::Success, 30)];
    assert!(decide(&Asked { checks: &checks, ..asked(&policy, None) }).is_ok());
    let checks = [said(CheckState::Success, 60), said(CheckState::Pending, 30)];
    let refused = decide(&Asked { checks: &checks, ..asked(&policy, None) }).unwrap_err();
    assert!(refused.to_string().contains("pending on 01234567 for 30 s"), "{refused}");
}

#[test]
fn only_green_is_green() {
    let policy = StagePolicy { green_light: true, ..StagePolicy::default() };
    assert!(decide(&asked(&policy, Some(&from()))).is_ok());
    for light in [Light::None, Light::Open, Light::Other("it timed out".into())] {
        let from = Origin { light, ..from() };
        let refused = decide(&asked(&policy, Some(&from))).unwrap_err();
        assert_eq!(refused.findings[0].rule, Rule::GreenLight);
    }
    let pushed = decide(&asked(&policy, None)).unwrap_err().to_string();
    assert!(pushed.contains("production takes what was on the stage before it"), "{pushed}");
}

#[test]
fn an_author_and_a_second_yes_of_one_person_do_not_count() {
    let policy = StagePolicy { approvals: 2, ..StagePolicy::default() };
    let with = |approvals: Vec<Approver>| {
        let from = Origin { approvals, ..from() };
        decide(&asked(&policy, Some(&from)))
    };
    let (bob, eve) = (approver(2, "bob@example.com"), approver(3, "eve@example.com"));
    // The author's account, and another account of theirs by the commit's address.
    let (ann, home) = (approver(1, "ann@example.com"), approver(4, "Ann@Home.example"));
    let refused = with(vec![ann.clone(), home, bob.clone(), bob.clone()]).unwrap_err().to_string();
    assert!(refused.contains("approved by bob@example.com, and needs one more person"), "{refused}");
    assert!(with(Vec::new()).unwrap_err().to_string().contains("approved by nobody, and needs 2 more people"));
    assert!(with(vec![ann, bob, eve]).is_ok());
}

#[test]
fn time_on_the_stage_before() {
    let policy = StagePolicy { soak: Some(Duration::from_secs(601)), ..StagePolicy::default() };
    let from = from();
    let refused = decide(&asked(&policy, Some(&from))).unwrap_err();
    assert_eq!(refused.findings[0].opens_at, Some(NOW.plus(Duration::from_secs(1))));
    assert!(refused.to_string().contains("live for 10 min of 10 min 1 s"), "{refused}");
    let ripe = StagePolicy { soak: Some(Duration::from_secs(600)), ..StagePolicy::default() };
    assert!(decide(&asked(&ripe, Some(&from))).is_ok());
}

#[test]
fn what_opens_by_itself_is_told_apart_from_what_people_open() {
    let policy = StagePolicy {
        required_checks: vec!["ci".into(), "never".into()],
        green_light: true,
        approvals: 1,
        soak: Some(Duration::from_secs(3600)),
        ..StagePolicy::default()
    };
    let (from, known) = (Origin { light: Light::Open, ..from() }, ["ci".to_owned()]);
    let all = look(&Asked { known_checks: &known, ..asked(&policy, Some(&from)) });
    let people: Vec<bool> = all.iter().map(Finding::waits_for_people).collect();
    assert_eq!(people, [false, true, false, true, false], "{all:?}");
}

#[test]
fn every_shut_rule_is_named_and_open_ones_are_kept_for_the_receipt() {
    let freeze = Freeze::read(&Written {
        from: Some("2000-01-01T00:00"),
        to: Some("2999-01-01T00:00"),
        reason: Some("holidays"),
        ..Written::default()
    });
    let policy =
        StagePolicy { green_light: true, approvals: 1, freezes: vec![freeze.unwrap()], ..StagePolicy::default() };
    let from = from();
    let refused = decide(&asked(&policy, Some(&from))).unwrap_err();
    let rules: Vec<Rule> = refused.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::Freeze, Rule::Approvals]);
    assert!(refused.to_string().contains("frozen until 2999-01-01T00:00:00Z: holidays"), "{refused}");
    assert_eq!(look(&asked(&policy, Some(&from))).len(), 3);
}
