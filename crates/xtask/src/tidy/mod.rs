//! The rules of the house that a machine can check. `ARCHITECTURE.md` says what they are for.

mod exceptions;
mod imports;
mod layers;
mod layout;
mod lock;
mod size;
mod source;
mod toml;
mod tree;
mod words;

use std::fmt;
use std::path::Path;

pub use exceptions::{EXCEPTIONS, Exception};
pub use tree::TreeError;
use tree::{File, Tree};

/// One kind of finding; exceptions are made for a rule in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A module over its ceiling of lines.
    ModuleSize,
    /// A function over its ceiling of lines.
    FunctionSize,
    /// A source file that does not say what it is in its first line.
    Opening,
    /// A crate of ours that uses another one outside the import table.
    Imports,
    /// SQL outside `store`, wire JSON outside the doors, input and output in `model`.
    Layers,
    /// A name that says nothing.
    Names,
    /// A note that something is unfinished.
    Unfinished,
    /// A path of somebody's machine.
    HomePath,
    /// A package that must not be built, or two versions of one stack.
    Lock,
    /// Files that are missing, misnamed or not wanted.
    Layout,
    /// An exception that nothing needs any more.
    Exceptions,
}

/// Something to change, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    rule: Rule,
    path: String,
    line: usize,
    what: String,
    remedy: String,
    subject: Option<String>,
}

impl Finding {
    fn new(rule: Rule, path: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { rule, path: path.to_owned(), line, what: what.into(), remedy: remedy.into(), subject: None }
    }

    /// Names the item it is about, so that an exception can be made for that item alone.
    fn about(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.what, self.remedy)
    }
}

/// What `tidy` saw.
#[derive(Debug)]
pub struct Report {
    /// What to change, ordered by place.
    pub findings: Vec<Finding>,
    /// How many text files were read.
    pub files: usize,
}

/// Checks the checkout at `root`.
///
/// # Errors
/// When its files cannot be listed or read.
pub fn run(root: &Path) -> Result<Report, TreeError> {
    let tree = Tree::read(root)?;
    let findings = check(&tree, EXCEPTIONS);
    Ok(Report { findings, files: tree.files.len() })
}

/// Every finding in a tree that no exception covers.
fn check(tree: &Tree, exceptions: &[Exception]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rules in [size::check, imports::check, layers::check, words::check, lock::check, layout::check] {
        rules(tree, &mut findings);
    }
    let mut findings = exceptions::apply(exceptions, findings);
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    findings
}

#[cfg(test)]
mod tests;
