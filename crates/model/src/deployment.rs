//! A deployment: new code going live in an app, the way it came, and whether it had to be mended. Made of what the ledger holds;
//! docs/metrics.md defines every word of it.

use crate::commit::is_hotfix;
use crate::id::{AppId, ReleaseId, SlugId};
use crate::release::ROLLBACK;
use crate::time::Timestamp;
use std::time::Duration;

/// A deployment that says of itself that it mends the one before counts against that one within this time, unless asked otherwise.
pub const HOTFIX_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// What follows a deployment later than this says nothing about it any more: the ledger is not read without an end.
pub const LOOK_AHEAD: Duration = Duration::from_secs(7 * 24 * 3600);

/// How the code of a release was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// When it was committed, by the committer's clock; only a git push tells.
    pub committed_at: Option<Timestamp>,
    /// What the commit says of itself.
    pub subject: Option<String>,
    /// The tests that its source went through first.
    pub tested: Option<Tested>,
    /// When the build was asked for: the push was accepted, or its tests were green.
    pub asked_at: Timestamp,
    /// When it had its turn.
    pub begun_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Timestamp,
}

/// The green test run of what was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tested {
    /// When it was asked for: the push was accepted.
    pub asked_at: Timestamp,
    /// When it had its turn.
    pub begun_at: Timestamp,
    /// When it was over.
    pub ended_at: Timestamp,
}

impl Made {
    /// When the code came here.
    fn came_at(&self) -> Timestamp {
        self.tested.map_or(self.asked_at, |tested| tested.asked_at.min(self.asked_at))
    }
}

/// A release that went live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRelease {
    /// Its id.
    pub id: ReleaseId,
    /// The app.
    pub app: AppId,
    /// Its number.
    pub version: i64,
    /// Why it was made ([`crate::release::ReleaseCause::word`]).
    pub cause: String,
    /// Its code.
    pub slug: SlugId,
    /// Was this code never live in this app before?
    pub is_new_code: bool,
    /// How the code was made; `None` for a slug that somebody uploaded.
    pub made: Option<Made>,
    /// When the release was made: deployed, promoted.
    pub released_at: Timestamp,
    /// When its command began, if it has one.
    pub begun_at: Option<Timestamp>,
    /// When it was decided: its command succeeded.
    pub decided_at: Timestamp,
    /// When it went live.
    pub live_at: Timestamp,
    /// Did the check on the running server fail?
    pub is_rejected: bool,
}

/// A step on the way from a commit to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// From the commit until it was pushed.
    Push,
    /// Until its tests are green, where it is tested before it is built.
    Test,
    /// Until it is a slug.
    Build,
    /// Until it is released where it goes live: what comes before on other stages.
    Promote,
    /// The release command.
    Release,
    /// Until requests reach it.
    Start,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [Self::Push, Self::Test, Self::Build, Self::Promote, Self::Release, Self::Start];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Test => "test",
            Self::Build => "build",
            Self::Promote => "promote",
            Self::Release => "release",
            Self::Start => "start",
        }
    }
}

/// How long a step took: nothing happened, then something did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Took {
    /// Which.
    pub step: Step,
    /// Nothing happened.
    pub wait: Duration,
    /// Something did.
    pub work: Duration,
}

/// Why a deployment counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The check on the running server said no.
    Rejected,
    /// The app went back to code that had been live before.
    RolledBack,
    /// The next one says that it mends this one, and came soon.
    Hotfixed,
}

impl Failure {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rejected => "verify",
            Self::RolledBack => "rollback",
            Self::Hotfixed => "hotfix",
        }
    }
}

/// New code that went live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The release.
    pub release: LiveRelease,
    /// From the commit until it was live; `None` where nobody knows when it was committed.
    pub lead: Option<Duration>,
    /// The steps whose times are known, in their order. Together they are the lead time.
    pub steps: Vec<Took>,
    /// It had to be mended, and why.
    pub failure: Option<Failure>,
    /// Until the app was mended; `None` while it is not, or nothing had to be.
    pub restored: Option<Duration>,
}

/// The deployments among an app's live releases, which are ordered by when they went live, and all of one app.
#[must_use]
pub fn deployments(live: &[LiveRelease], hotfix_within: Duration) -> Vec<Deployment> {
    let failures: Vec<Option<Failure>> = (0..live.len()).map(|at| failure(live, at, hotfix_within)).collect();
    let each = live.iter().enumerate().filter(|(_, release)| is_deployment(release));
    each.map(|(at, release)| {
        // What mends: anything else that is not broken itself. A change of config alone leaves the code as it was.
        let mends = |other: &usize| {
            live.get(*other).is_some_and(|next| next.slug != release.slug) && failures.get(*other) == Some(&None)
        };
        let failed = failures.get(at).copied().flatten();
        let restored_at = failed.and_then(|_| (at + 1..live.len()).find(mends)).and_then(|next| live.get(next));
        Deployment {
            lead: lead(release),
            steps: steps(release),
            failure: failed,
            restored: restored_at.map(|next| next.live_at.since(release.live_at)),
            release: release.clone(),
        }
    })
    .collect()
}

fn is_deployment(release: &LiveRelease) -> bool {
    release.is_new_code && release.cause != ROLLBACK
}

fn failure(live: &[LiveRelease], at: usize, hotfix_within: Duration) -> Option<Failure> {
    let release = live.get(at).filter(|release| is_deployment(release))?;
    if release.is_rejected {
        return Some(Failure::Rejected);
    }
    let soon = |next: &&LiveRelease| next.live_at.since(release.live_at) <= LOOK_AHEAD;
    // Changes of the config leave the question open.
    let next = live.get(at + 1..)?.iter().find(|next| next.slug != release.slug).filter(soon)?;
    if !is_deployment(next) {
        return Some(Failure::RolledBack);
    }
    let says_so = next.made.as_ref().and_then(|made| made.subject.as_deref()).is_some_and(is_hotfix);
    (says_so && next.live_at.since(release.live_at) <= hotfix_within).then_some(Failure::Hotfixed)
}

fn lead(release: &LiveRelease) -> Option<Duration> {
    let made = release.made.as_ref()?;
    Some(release.live_at.since(made.committed_at?.min(made.came_at())))
}

fn steps(release: &LiveRelease) -> Vec<Took> {
    let mut steps = Vec::new();
    let mut add = |step, wait, work| steps.push(Took { step, wait, work });
    if let Some(made) = &release.made {
        if let Some(committed) = made.committed_at {
            add(Step::Push, made.came_at().since(committed), Duration::ZERO);
        }
        let mut ready = made.asked_at;
        if let Some(tested) = made.tested {
            add(Step::Test, tested.begun_at.since(made.came_at()), tested.ended_at.since(tested.begun_at));
            ready = tested.ended_at;
        }
        let begun = made.begun_at.unwrap_or(ready);
        add(Step::Build, begun.since(ready), made.ended_at.since(begun));
        add(Step::Promote, release.released_at.since(made.ended_at), Duration::ZERO);
    }
    let begun = release.begun_at.unwrap_or(release.decided_at);
    add(Step::Release, begun.since(release.released_at), release.decided_at.since(begun));
    add(Step::Start, Duration::ZERO, release.live_at.since(release.decided_at));
    steps
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use uuid::Uuid;

    /// Seconds as a moment.
    pub(crate) fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    /// Committed 100 s before it is live, pushed after 40, built from 45 to 75, released, 5 s of a command, 20 s to start.
    pub(crate) fn deploy(version: i64, live_s: i64, subject: &str) -> LiveRelease {
        let slug = SlugId(Uuid::from_u128(u128::try_from(version).unwrap()));
        LiveRelease {
            id: ReleaseId(Uuid::nil()),
            app: AppId(Uuid::nil()),
            version,
            cause: "deploy".into(),
            slug,
            is_new_code: true,
            made: Some(Made {
                committed_at: Some(at(live_s - 100)),
                subject: Some(subject.into()),
                tested: None,
                asked_at: at(live_s - 60),
                begun_at: Some(at(live_s - 55)),
                ended_at: at(live_s - 25),
            }),
            released_at: at(live_s - 25),
            begun_at: Some(at(live_s - 24)),
            decided_at: at(live_s - 19),
            live_at: at(live_s),
            is_rejected: false,
        }
    }

    fn again(of: &LiveRelease, version: i64, live_s: i64, cause: &str) -> LiveRelease {
        LiveRelease { version, cause: cause.into(), is_new_code: false, live_at: at(live_s), ..of.clone() }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_steps_are_the_lead_time() {
        let (lead, steps) = took(deploy(1, 1000, "Basket"));
        let told = [
            (Step::Push, 40, 0),
            (Step::Build, 5, 30),
            (Step::Promote, 0, 0),
            (Step::Release, 1, 5),
            (Step::Start, 0, 19),
        ];
        assert_eq!((lead, &steps[..]), (100, &told[..]));
        assert_eq!(steps.iter().map(|(_, wait, work)| wait + work).sum::<u64>(), 100);
        let mut promoted = deploy(1, 1000, "Basket");
        (promoted.released_at, promoted.begun_at, promoted.decided_at) = (at(1500), None, at(1500));
        promoted.live_at = at(1510);
        let one = deployments(&[promoted], HOTFIX_WITHIN).remove(0);
        assert_eq!((one.steps[2].wait, one.lead), (seconds(525), Some(seconds(610))));
        let mut uploaded = deploy(1, 1000, "");
        uploaded.made = None;
        let one = deployments(&[uploaded], HOTFIX_WITHIN).remove(0);
        assert_eq!((one.lead, one.steps.len()), (None, 2));
        let mut ahead = deploy(1, 1000, "");
        ahead.made.as_mut().unwrap().committed_at = Some(at(5000));
        let one = deployments(&[ahead], HOTFIX_WITHIN).remove(0);
        assert_eq!(one.lead, Some(seconds(60)), "a committer's clock that is ahead adds nothing and takes nothing");
    }

    fn took(release: LiveRelease) -> (u64, Vec<(Step, u64, u64)>) {
        let one = deployments(&[release], HOTFIX_WITHIN).remove(0);
        let took = |took: &Took| (took.step, took.wait.as_secs(), took.work.as_secs());
        (one.lead.map_or(0, |lead| lead.as_secs()), one.steps.iter().map(took).collect())
    }

    #[test]
    fn tests_before_the_build_are_a_step_between_push_and_build() {
        let mut pushed = deploy(1, 1000, "Basket");
        let tested = Tested { asked_at: at(910), begun_at: at(917), ended_at: at(938) };
        pushed.made.as_mut().unwrap().tested = Some(tested);
        let (lead, steps) = took(pushed.clone());
        assert_eq!(steps[..3], [(Step::Push, 10, 0), (Step::Test, 7, 21), (Step::Build, 7, 30)]);
        assert_eq!((lead, steps.iter().map(|(_, wait, work)| wait + work).sum()), (100, 100));
        let mut ahead = pushed.clone();
        ahead.made.as_mut().unwrap().committed_at = Some(at(5000));
        assert_eq!(took(ahead).0, 90, "a committer's clock that is ahead counts from the push, not from its build");
        let mut unnoted = pushed.clone();
        unnoted.made.as_mut().unwrap().begun_at = None;
        assert_eq!(took(unnoted).1[2], (Step::Build, 0, 37), "what was tested meanwhile is not built");
        // A build by API is there before its tests, and fetches its source first.
        let mut by_api = pushed;
        let made = by_api.made.as_mut().unwrap();
        (made.committed_at, made.asked_at) = (None, at(905));
        let (lead, steps) = took(by_api);
        assert_eq!((lead, &steps[..2]), (0, &[(Step::Test, 12, 21), (Step::Build, 7, 30)][..]));
    }

    fn failures(live: &[LiveRelease]) -> Vec<(i64, Option<&'static str>, Option<u64>)> {
        let all = deployments(live, seconds(3600));
        let read = |one: &Deployment| {
            (one.release.version, one.failure.map(Failure::word), one.restored.map(|restored| restored.as_secs()))
        };
        all.iter().map(read).collect()
    }

    #[test]
    fn a_rollback_a_failed_check_and_a_hotfix_are_failures_and_what_follows_mends_them() {
        let (one, two, three) = (deploy(1, 1000, "One"), deploy(2, 2000, "Two"), deploy(3, 4000, "Three"));
        let back = again(&one, 3, 2600, ROLLBACK);
        assert_eq!(failures(&[one.clone(), two.clone(), back]), [(1, None, None), (2, Some("rollback"), Some(600))]);
        let config = again(&two, 3, 2100, "config");
        let config_back = again(&two, 4, 2200, ROLLBACK);
        assert_eq!(failures(&[one.clone(), two.clone(), config, config_back, three.clone()])[1], (2, None, None));
        let hotfix = deploy(3, 4000, "Hotfix: two");
        assert_eq!(failures(&[two.clone(), hotfix])[0], (2, Some("hotfix"), Some(2000)));
        let late = deploy(3, 6000, "Revert \"Two\"");
        assert_eq!(failures(&[two.clone(), late])[0], (2, None, None), "after the set time");
        let rejected = LiveRelease { is_rejected: true, ..two.clone() };
        assert_eq!(failures(std::slice::from_ref(&rejected)), [(2, Some("verify"), None)], "not mended yet");
        assert_eq!(failures(&[rejected.clone(), three.clone()])[0], (2, Some("verify"), Some(2000)));
        let worse = LiveRelease { is_rejected: true, ..three };
        let mended = deploy(4, 5000, "Four");
        let all = failures(&[rejected, worse, mended]);
        assert_eq!(all[..2], [(2, Some("verify"), Some(3000)), (3, Some("verify"), Some(1000))], "by what works");
    }

    #[test]
    fn what_brings_no_new_code_is_no_deployment() {
        let one = deploy(1, 1000, "One");
        let all = [one.clone(), again(&one, 2, 1100, "config"), again(&one, 3, 1200, "custom")];
        assert_eq!(failures(&all), [(1, None, None)]);
        let far = again(&deploy(9, 0, ""), 4, 1000 + 8 * 86_400, ROLLBACK);
        assert_eq!(failures(&[one, far]), [(1, None, None)], "so late a rollback says nothing about it");
    }
}
