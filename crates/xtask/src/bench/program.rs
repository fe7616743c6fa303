//! Building and running the programs under measurement, as they are shipped.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{BenchError, Checkout, Figure};

/// What is measured is what is shipped.
const PROFILE: &str = "dist";

impl Checkout {
    /// Builds and runs the example of a crate; its figures.
    ///
    /// # Errors
    /// When it cannot be built, fails, or prints something else than figures.
    pub(super) fn example(&self, package: &str, example: &str, arguments: &[&str]) -> Result<Vec<Figure>, BenchError> {
        figures(&output(Command::new(self.example_binary(package, example)?).args(arguments))?)
    }

    /// Builds the example of a crate; its path.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(super) fn example_binary(&self, package: &str, example: &str) -> Result<PathBuf, BenchError> {
        let arguments = ["build", "--quiet", "--profile", PROFILE, "--package", package, "--example", example];
        output(self.cargo().args(arguments))?;
        Ok(self.built().join("examples").join(example))
    }

    /// Builds the `flowline` binary; its path.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(super) fn binary(&self) -> Result<PathBuf, BenchError> {
        let arguments = ["build", "--quiet", "--profile", PROFILE, "--package", "flowline", "--bin", "flowline"];
        output(self.cargo().args(arguments))?;
        Ok(self.built().join("flowline"))
    }

    fn built(&self) -> PathBuf {
        setting("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from).join(PROFILE)
    }

    fn cargo(&self) -> Command {
        let mut command = Command::new(setting("CARGO").unwrap_or_else(|| "cargo".to_owned()));
        command.current_dir(&self.root);
        command
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this tool has no configuration to read once: cargo's settings are cargo's"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs a program to its end; what it printed. Its errors go to the terminal.
pub(super) fn output(command: &mut Command) -> Result<String, BenchError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| BenchError::NotStarted(name.clone(), error))?;
    if !output.status.success() {
        return Err(BenchError::Ended(name, output.status.to_string()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a measured program printed: figures, and remarks for the terminal.
pub(super) fn figures(text: &str) -> Result<Vec<Figure>, BenchError> {
    for remark in text.lines().filter_map(|line| line.strip_prefix('#')) {
        super::remark(remark.trim());
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(Figure::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_no_figures() {
        assert_eq!(figures("# warm\n\na 1 ms\n").unwrap(), [Figure::new("a", 1.0, "ms")]);
        assert!(figures("a 1 ms\nwarning: x\n").is_err());
    }

    #[test]
    fn a_program_that_fails_gives_no_figures() {
        assert!(matches!(output(&mut Command::new("false")), Err(BenchError::Ended(..))));
        assert!(matches!(output(&mut Command::new("/nowhere/at-all")), Err(BenchError::NotStarted(..))));
    }
}
