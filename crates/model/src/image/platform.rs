//! The machine that an image is for.

use serde::Deserialize;
use std::fmt;

/// Operating system and processor, in the words of Go's compiler, which image formats use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64` …
    #[serde(default)]
    pub architecture: String,
}

impl Platform {
    /// Linux on a processor that Rust calls `arch`.
    #[must_use]
    pub fn linux(arch: &str) -> Self {
        Self { os: "linux".to_owned(), architecture: word(arch).to_owned() }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// What image formats call a processor that Rust calls `arch`.
fn word(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        // arm, riscv64, s390x are called the same.
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_have_the_names_of_image_formats() {
        assert_eq!(["x86_64", "aarch64", "riscv64"].map(word), ["amd64", "arm64", "riscv64"]);
        assert_eq!(Platform::linux("x86_64").to_string(), "linux/amd64");
    }
}
