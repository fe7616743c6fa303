//! Tests of apps: what their packs compile, what the programs after it find, whose end counts.

use crate::sandbox::{Workshop, cannot_mount};
use builder::BuildFailure;
use model::dyno::Exit;

const DETECT: (&str, &str) = ("bin/detect", "#!/bin/sh\necho Fixture\n");
const COMPILE: (&str, &str) = ("bin/compile", "#!/bin/sh\necho compiled for a slug\n");
const TEST_COMPILE: &str = r#"#!/usr/bin/env bash
echo "args=$* test=$FLOWLINE_TEST"
mkdir -p "$1/.profile.d" && echo 'export PROFILED=yes' >"$1/.profile.d/a.sh"
echo made >"$1/made"; echo cached >"$2/cached"
"#;
const TEST: &str = r#"#!/usr/bin/env bash
echo "test args=$* cwd=$PWD profiled=$PROFILED own=$OWN home=$HOME"
cat "$1/made" && cat "$2/OWN" && ls "$2"/../cache 2>/dev/null
exit 3
"#;

#[tokio::test]
async fn ci_a_pack_with_test_compile_and_test_gets_its_arguments_and_its_exit_counts() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    shop.config.insert("OWN".into(), "mine".into());
    shop.pack("first", &[DETECT, COMPILE]);
    shop.pack("fixture", &[DETECT, COMPILE, ("bin/test-compile", TEST_COMPILE), ("bin/test", TEST)]);
    let files = [("app.txt", "x"), (".slugignore", "spec\n"), ("spec/one", "a test")];
    let (exits, said) = shop
        .test(&["first", "fixture"], &files, |place| {
            assert_eq!(place.buildpacks, ["first", "fixture"]);
            vec![place.own_tests().unwrap(), place.command("cat spec/one; echo \"$PWD $PROFILED $OWN\"; exit 4")]
        })
        .await;
    assert_eq!(exits.unwrap(), [Exit::Code(3), Exit::Code(4)]);
    for text in [
        "compiled for a slug",
        "args=/app /tmp/cache /tmp/environment test=1",
        "test args=/app /tmp/environment cwd=/tmp/buildpacks/1 profiled=yes own=mine home=/app",
        "made\nmine",
        "a test/app yes mine",
    ] {
        assert!(said.contains(text), "expected `{text}` in:\n{said}");
    }
    assert!(!said.contains("cached") && !said.contains("Push"), "{said}");
    let (kept, said) = shop.test(&["first", "fixture"], &files, |_| Vec::new()).await;
    assert!(kept.is_ok(), "{said}");
}

#[tokio::test]
async fn ci_a_pack_that_cannot_test_leaves_it_to_the_app_and_one_that_fails_is_no_place() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    shop.pack("silent", &[DETECT, COMPILE]);
    shop.pack("broken", &[DETECT, COMPILE, ("bin/test-compile", "#!/bin/sh\necho no; exit 6\n")]);
    let (exits, said) = shop
        .test(&["silent"], &[("a", "b")], |place| {
            assert!(place.own_tests().is_none());
            vec![place.command("true")]
        })
        .await;
    assert_eq!(exits.unwrap(), [Exit::Code(0)], "{said}");
    let (broken, said) = shop.test(&["broken"], &[("a", "b")], |_| Vec::new()).await;
    let broken = broken.unwrap_err();
    assert_eq!(
        (broken.to_string().as_str(), broken.exit_code()),
        ("failed to compile Fixture app (exit status 6)", Some(6))
    );
    let (nothing, said_nothing) = shop.test(&[], &[("a", "b")], |_| Vec::new()).await;
    assert!(matches!(nothing, Err(BuildFailure::NothingDetected { empty: false })), "{said_nothing}");
    assert!(
        said_nothing.contains("package.json (Node.js)") && !format!("{said}{said_nothing}").contains("Push failed")
    );
}

#[tokio::test]
async fn ci_node_tests_have_development_dependencies_and_their_own_environment() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let package = r#"{ "name": "x", "scripts": { "test": "node test.js" }, "devDependencies": { "dev": "file:dev" } }"#;
    let files = [
        ("package.json", package),
        ("dev/package.json", r#"{ "name": "dev", "version": "1.0.0" }"#),
        ("dev/index.js", "module.exports = 'a development dependency'"),
        ("test.js", "console.log(require('dev'), process.env.NODE_ENV)"),
    ];
    for _ in 0..2 {
        let (exits, said) = shop.test(&[], &files, |place| vec![place.own_tests().unwrap()]).await;
        assert_eq!(exits.unwrap(), [Exit::Code(0)], "{said}");
        assert!(said.contains("a development dependency test"), "{said}");
    }
}

#[tokio::test]
async fn ci_python_tests_are_found_and_none_is_no_success() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let test =
        "import unittest\nclass One(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(1, 1)\n";
    let files = [("requirements.txt", ""), ("test_one.py", test)];
    let (exits, said) = shop.test(&[], &files, |place| vec![place.own_tests().unwrap()]).await;
    assert_eq!(exits.unwrap(), [Exit::Code(0)], "{said}");
    assert!(said.contains("Ran 1 test"), "{said}");
    let (exits, said) = shop.test(&[], &files[..1], |place| vec![place.own_tests().unwrap()]).await;
    assert_eq!(exits.unwrap(), [Exit::Code(5)], "{said}");
    assert!(said.contains("There are no tests to run"), "{said}");
}
