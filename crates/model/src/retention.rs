//! Which code is kept, and which goes to make room (RLS-7, RLS-11).

use crate::id::{AppId, ReleaseId, SlugId};
use crate::release::ReleaseStatus;
use crate::slug::Slug;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So many slugs of an app can be gone back to, unless the operator says otherwise: the rollback of every client looks at the ten newest releases (RLS-7).
/// Slugs are counted, not releases, so that ten changes of config vars do not push out the code of yesterday.
pub const KEPT_SLUGS: usize = 10;

/// A slug that a client announced may wait this long to be released.
pub const UNRELEASED_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a build or a release command printed stays this long, and longer when its release is kept.
pub const OUTPUT_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What belongs to nobody goes when it is this old: by then whoever made it first and noted it second has done both.
pub const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// A release, as far as its code goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Whose.
    pub app: AppId,
    /// The release.
    pub release: ReleaseId,
    /// Its number.
    pub version: i64,
    /// How far it is.
    pub status: ReleaseStatus,
    /// What it runs.
    pub slug: SlugId,
}

/// The slugs that stay: of every app the newest `count` that can be gone back to, the current one first among them, what is
/// about to be released, and what runs.
#[must_use]
pub fn kept(codes: &[Code], running: &BTreeSet<ReleaseId>, count: usize) -> BTreeSet<SlugId> {
    let mut of_app: BTreeMap<AppId, Vec<&Code>> = BTreeMap::new();
    for code in codes {
        of_app.entry(code.app).or_default().push(code);
    }
    let mut kept = BTreeSet::new();
    for codes in of_app.values_mut() {
        codes.sort_by_key(|code| std::cmp::Reverse(code.version));
        let mut newest = BTreeSet::new();
        for code in codes {
            let counts = match code.status {
                ReleaseStatus::Succeeded => newest.len() < count.max(1),
                ReleaseStatus::Pending => true,
                ReleaseStatus::Failed | ReleaseStatus::Expired => false,
            };
            if counts && code.status == ReleaseStatus::Succeeded {
                newest.insert(code.slug);
            }
            if counts || running.contains(&code.release) {
                kept.insert(code.slug);
            }
        }
    }
    kept
}

/// The slugs whose time is over, of those that are still there.
#[must_use]
pub fn expired<'a>(
    slugs: &'a [Slug],
    codes: &[Code],
    running: &BTreeSet<ReleaseId>,
    count: usize,
    now: Timestamp,
) -> Vec<&'a Slug> {
    let kept = kept(codes, running, count);
    let released: BTreeSet<SlugId> = codes.iter().map(|code| code.slug).collect();
    let waits = |slug: &Slug| !released.contains(&slug.id) && now.since(slug.created_at) <= UNRELEASED_LIFE;
    slugs.iter().filter(|slug| !kept.contains(&slug.id) && !waits(slug)).collect()
}

/// The slugs whose unpacked files are in use or will be at the next restart of a dyno: what runs, what is current in any app,
/// and what is about to be released. The others can be unpacked again when somebody goes back to them.
#[must_use]
pub fn in_use(codes: &[Code], running: &BTreeSet<ReleaseId>) -> BTreeSet<SlugId> {
    let mut current: BTreeMap<AppId, &Code> = BTreeMap::new();
    for code in codes.iter().filter(|code| code.status == ReleaseStatus::Succeeded) {
        let newest = current.entry(code.app).or_insert(code);
        if code.version > newest.version {
            *newest = code;
        }
    }
    let waits = |code: &&Code| code.status == ReleaseStatus::Pending || running.contains(&code.release);
    codes.iter().filter(waits).chain(current.into_values()).map(|code| code.slug).collect()
}

/// `v3, v4`, or `v3 to v40 (30 releases)` when they are many; ascending.
#[must_use]
pub fn name_versions(versions: &[i64]) -> String {
    /// More would only make a line of the log unreadable.
    const NAMED: usize = 5;
    match versions {
        [first, .., last] if versions.len() > NAMED => format!("v{first} to v{last} ({} releases)", versions.len()),
        few => few.iter().map(|version| format!("v{version}")).collect::<Vec<_>>().join(", "),
    }
}

/// Whose an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputOf {
    /// Of a build or release that the ledger does not have any more.
    Nobody,
    /// Of a release whose code is kept, or of its build.
    KeptRelease,
    /// Of any other build or release.
    Other,
}

/// Does an output stay that was last written `age` ago?
#[must_use]
pub fn output_stays(of: OutputOf, age: Duration) -> bool {
    match of {
        OutputOf::Nobody => age < ORPHAN_AGE,
        OutputOf::KeptRelease => true,
        OutputOf::Other => age <= OUTPUT_LIFE,
    }
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
