//! The one list of exceptions, each with its reason. One that nothing needs any more is a finding itself.

use super::{Finding, Rule};

/// A rule that does not hold in one place.
#[derive(Debug)]
pub struct Exception {
    /// Which rule.
    pub rule: Rule,
    /// The file, or a folder with a slash at its end.
    pub path: &'static str,
    /// The function or name it is about; all of the file where empty.
    pub subject: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// Every exception there is.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: Rule::Layers,
        path: "crates/xtask/src/tidy/layers.rs",
        subject: "",
        reason: "names the words of SQL in order to find them",
    },
    Exception {
        rule: Rule::Layers,
        path: "crates/flowline/tests/e2e/release_tasks.rs",
        subject: "",
        reason: "an app's own migrations of its own database are what its release command runs",
    },
];

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        let here =
            if self.path.ends_with('/') { finding.path.starts_with(self.path) } else { finding.path == self.path };
        let about = self.subject.is_empty() || finding.subject.as_deref() == Some(self.subject);
        here && about && finding.rule == self.rule
    }
}

/// The findings that no exception covers, and one for each exception that covers nothing.
pub(super) fn apply(exceptions: &[Exception], findings: Vec<Finding>) -> Vec<Finding> {
    let unused = exceptions.iter().filter(|exception| !findings.iter().any(|finding| exception.covers(finding)));
    let unused: Vec<_> = unused
        .map(|exception| {
            Finding::new(
                Rule::Exceptions,
                exception.path,
                1,
                format!("the exception from {:?} covers nothing", exception.rule),
                "take it out of the list of exceptions",
            )
        })
        .collect();
    let covered = |finding: &Finding| exceptions.iter().any(|exception| exception.covers(finding));
    findings.into_iter().filter(|finding| !covered(finding)).chain(unused).collect()
}
