//! `cargo xtask tidy` as a test: the tree keeps the rules of the house.

#[test]
fn the_tree_is_tidy() {
    let report = xtask::tidy::run(&xtask::repository_root()).expect("the checkout can be read");
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
