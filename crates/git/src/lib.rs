//! Bare repositories through the git binary.
