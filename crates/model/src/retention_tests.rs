//! What stays and what goes, case by case.

use super::*;
use crate::procfile::ProcessTypes;
use crate::stack::Stack;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_000_000_000_000_000);

fn slug(n: u128) -> SlugId {
    SlugId(Uuid::from_u128(n))
}

fn release(version: i64) -> ReleaseId {
    ReleaseId(Uuid::from_u128(u128::try_from(version).unwrap()))
}

/// A release of the first app.
fn code(version: i64, n: u128, status: ReleaseStatus) -> Code {
    Code { app: AppId(Uuid::from_u128(1)), release: release(version), version, status, slug: slug(n) }
}

fn deploys(versions: std::ops::RangeInclusive<i64>) -> Vec<Code> {
    versions.map(|version| code(version, u128::try_from(version).unwrap(), ReleaseStatus::Succeeded)).collect()
}

fn ids(numbers: impl IntoIterator<Item = u128>) -> BTreeSet<SlugId> {
    numbers.into_iter().map(slug).collect()
}

fn kept_slug(n: u128, created_at: Timestamp) -> Slug {
    Slug {
        id: slug(n),
        app: AppId(Uuid::from_u128(1)),
        checksum: None,
        size_bytes: 0,
        process_types: ProcessTypes::new(),
        commit: None,
        commit_description: None,
        buildpack: None,
        images: std::collections::BTreeMap::new(),
        stack: Stack::default(),
        secret: String::new(),
        created_at,
        expired_at: None,
    }
}

#[test]
fn rls_7_the_newest_ten_slugs_stay() {
    assert_eq!(kept(&deploys(3..=14), &BTreeSet::new(), KEPT_SLUGS), ids(5..=14));
    assert_eq!(kept(&deploys(3..=5), &BTreeSet::new(), KEPT_SLUGS), ids(3..=5));
    assert_eq!(kept(&[], &BTreeSet::new(), KEPT_SLUGS), ids([]));
}

#[test]
fn changes_of_config_push_no_code_out() {
    let mut codes = deploys(3..=6);
    codes.extend((7..=40).map(|version| code(version, 6, ReleaseStatus::Succeeded)));
    assert_eq!(kept(&codes, &BTreeSet::new(), KEPT_SLUGS), ids(3..=6));
}

#[test]
fn what_failed_is_not_counted_and_goes() {
    let mut codes = deploys(3..=12);
    codes.extend((13..=30).map(|version| code(version, u128::try_from(version).unwrap(), ReleaseStatus::Failed)));
    assert_eq!(kept(&codes, &BTreeSet::new(), KEPT_SLUGS), ids(3..=12));
}

#[test]
fn what_runs_or_is_about_to_stays() {
    let mut codes = deploys(3..=14);
    codes.push(code(15, 15, ReleaseStatus::Pending));
    assert_eq!(kept(&codes, &BTreeSet::from([release(3)]), KEPT_SLUGS), ids([3].into_iter().chain(5..=15)));
}

#[test]
fn rls_7_a_rollback_counts_as_the_newest() {
    let mut codes = deploys(3..=14);
    codes.push(code(15, 6, ReleaseStatus::Succeeded));
    assert_eq!(kept(&codes, &BTreeSet::new(), KEPT_SLUGS), ids(5..=14));
    codes.extend(deploys(16..=24));
    assert_eq!(kept(&codes, &BTreeSet::new(), KEPT_SLUGS), ids([6].into_iter().chain(16..=24)));
}

#[test]
fn a_slug_stays_when_another_app_runs_it() {
    let mut codes = deploys(3..=14);
    codes.push(Code { app: AppId(Uuid::from_u128(2)), ..code(3, 4, ReleaseStatus::Succeeded) });
    assert_eq!(kept(&codes, &BTreeSet::new(), KEPT_SLUGS), ids(4..=14));
}

#[test]
fn rls_11_what_expires() {
    let old = Timestamp(NOW.0 - i64::try_from(UNRELEASED_LIFE.as_micros()).unwrap() - 1);
    let slugs: Vec<Slug> =
        (3..=14).map(|n| kept_slug(n, old)).chain([kept_slug(20, old), kept_slug(21, NOW)]).collect();
    let gone = expired(&slugs, &deploys(3..=14), &BTreeSet::new(), KEPT_SLUGS, NOW);
    let gone: BTreeSet<SlugId> = gone.into_iter().map(|slug| slug.id).collect();
    assert_eq!(gone, ids([3, 4, 20]), "3 and 4 are too old, 20 was never released, 21 is new");
}

#[test]
fn versions_are_named() {
    assert_eq!(name_versions(&[3]), "v3");
    assert_eq!(name_versions(&[3, 4, 9]), "v3, v4, v9");
    assert_eq!(name_versions(&[3, 4, 5, 6, 7, 9]), "v3 to v9 (6 releases)");
}

#[test]
fn outputs_stay_for_a_month_or_with_their_release() {
    let (hour, month) = (ORPHAN_AGE, OUTPUT_LIFE);
    let more = Duration::from_secs(1);
    for (of, age, stays) in [
        (OutputOf::Nobody, hour - more, true),
        (OutputOf::Nobody, hour, false),
        (OutputOf::Other, month, true),
        (OutputOf::Other, month + more, false),
        (OutputOf::KeptRelease, month * 100, true),
    ] {
        assert_eq!(output_stays(of, age), stays, "{of:?} {age:?}");
    }
}

#[test]
fn an_operator_may_keep_fewer_but_never_the_current_one_less() {
    assert_eq!(kept(&deploys(3..=14), &BTreeSet::new(), 2), ids(13..=14));
    assert_eq!(kept(&deploys(3..=14), &BTreeSet::new(), 0), ids([14]));
}

#[test]
fn in_use_is_what_runs_what_is_current_and_what_is_about_to_be() {
    let mut codes = deploys(3..=14);
    codes.push(code(15, 15, ReleaseStatus::Failed));
    codes.push(code(16, 16, ReleaseStatus::Pending));
    assert_eq!(in_use(&codes, &BTreeSet::new()), ids([14, 16]));
    assert_eq!(in_use(&codes, &BTreeSet::from([release(5)])), ids([5, 14, 16]));
}
