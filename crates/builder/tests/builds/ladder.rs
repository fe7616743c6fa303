//! The classic buildpack API, step by step, on packs made for it.

use crate::sandbox::{OWNER, Workshop, cannot_mount};
use builder::BuildFailure;
use model::dyno::Exit;

const DETECT: (&str, &str) = ("bin/detect", "#!/bin/sh\necho Fixture\n");
const APP: &[(&str, &str)] = &[("app.txt", "x")];

/// A pack whose compile is this script.
fn compile(script: &str) -> Vec<(&'static str, String)> {
    vec![("bin/detect", DETECT.1.to_owned()), ("bin/compile", format!("#!/usr/bin/env bash\n{script}\n"))]
}

fn add(shop: &mut Workshop, name: &str, files: &[(&str, String)]) {
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    shop.pack(name, &files);
}

#[tokio::test]
async fn cwd_arguments_environment_and_who_it_runs_as() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    shop.config.insert("SECRET".into(), "two\nlines\n".into());
    shop.config.insert("PATH".into(), "/nowhere".into());
    shop.site.insert("GIT_DIR".into(), "/leak".into());
    shop.site.insert("HTTPS_PROXY_OF_SITE".into(), "here".into());
    let script = r#"
        { echo "cwd=$PWD"; echo "args=$*"; id -u; ls "$3"; env | sort; } >"$1/seen"
        cmp "$3/SECRET" <(printf 'two\nlines\n') && echo raw-value-ok
        echo mine >note && echo written-to-own-folder
        touch /app/x /tmp/x "$2/x" && echo all-writable
        touch "$3/x" 2>/dev/null || echo env-dir-is-read-only
        [ -w bin/compile ] && echo own-programs-writable
        echo to-stderr >&2"#;
    add(&mut shop, "fixture", &compile(script));
    let done = shop.build(&["fixture"], APP).await;
    for word in ["raw-value-ok", "written-to-own-folder", "all-writable", "env-dir-is-read-only", "to-stderr"] {
        done.says(word);
    }
    done.says("-----> Building on the heroku-24 stack\n-----> Using buildpack: fixture\n-----> Fixture app detected");
    let seen = done.file("seen");
    let expect = [
        "cwd=/tmp/buildpacks/0\nargs=/tmp/build_abcd0001 /tmp/cache /tmp/environment\n",
        &OWNER.0.to_string(),
        "PATH\nSECRET\n",
        "\nHOME=/app\n",
        "\nSTACK=heroku-24\n",
        "\nSOURCE_VERSION=c0ffee\n",
        "\nREQUEST_ID=abcd0001-",
        "\nDYNO=build.1\n",
        "\nHTTPS_PROXY_OF_SITE=here\n",
        "\nPATH=/usr/local/sbin:",
    ];
    for text in expect {
        assert!(seen.contains(text), "expected `{text}` in:\n{seen}");
    }
    assert!(!seen.contains("GIT_DIR") && !seen.contains("SECRET=") && !seen.contains("CARGO"), "{seen}");
    assert!(shop.build(&["fixture"], APP).await.file("seen").contains("/tmp/build_abcd0002 "));
}

#[tokio::test]
async fn exports_reach_the_next_packs_compile_and_nothing_else() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    add(&mut shop, "one", &compile("echo 'export TOOL=one LIST=\"1 $LIST\"' >export"));
    let mut two = compile("echo \"two-sees $TOOL\"; echo 'export LIST=\"2 $LIST\"' >export");
    two.push(("bin/release", "#!/bin/sh\n[ -z \"$TOOL\" ] && echo '--- {}'\n".to_owned()));
    add(&mut shop, "two", &two);
    add(&mut shop, "three", &compile("echo \"three-sees $TOOL $LIST in $PWD\""));
    let done = shop.build(&["one", "two", "three"], APP).await;
    done.says("-----> Using buildpacks:\n       1. one\n       2. two\n       3. three");
    done.says("two-sees one");
    done.says("three-sees one 2 1  in /tmp/buildpacks/2");
    assert_eq!(done.built().buildpacks, ["one", "two", "three"]);
    shop.build(&["one", "two"], APP).await.built();
}

#[tokio::test]
async fn bld_9_the_last_pack_and_the_procfile_say_the_process_types() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let release = |web: &str| {
        let yaml = format!("default_process_types:\n  web: {web}\n  console: irb\n");
        ("bin/release", format!("#!/bin/sh\necho noise >&2\ncat <<'EOF'\n---\naddons: []\n{yaml}EOF\n"))
    };
    for name in ["one", "two"] {
        let mut files = compile(":");
        files.push(release(name));
        add(&mut shop, name, &files);
    }
    let done = shop.build(&["one", "two"], APP).await;
    assert_eq!(done.types(), [("console".into(), "irb".into()), ("web".into(), "two".into())]);
    done.says("-----> Discovering process types\n       Procfile declares types     -> (none)");
    done.says("       Default types for buildpack -> console, web");
    let done = shop.build(&["one", "two"], &[("Procfile", "web: mine\nrelease: migrate\n")]).await;
    let web = done.types().into_iter().find(|(name, _)| name == "web");
    assert_eq!(web.unwrap().1, "mine");
    done.says("       Procfile declares types     -> release, web\n       Default types for buildpack -> console");
    let done = shop.build(&["procfile"], &[("Procfile", "worker: run\n")]).await;
    done.says("There is no `web` process type");
    let done = shop.build(&["one"], &[("Procfile", "web: a\nweb: b\n")]).await;
    done.says(" !     Procfile line 2: `web` is declared twice; keep one of them.");
    add(
        &mut shop,
        "odd",
        &[compile(":"), vec![("bin/release", "#!/bin/sh\necho default_process_types:\necho '  web'".into())]].concat(),
    );
    shop.build(&["odd"], APP).await.says("Buildpack odd: its bin/release printed the line `web`");
}

#[tokio::test]
async fn failures_end_in_the_words_that_users_know() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    add(&mut shop, "breaks", &compile("echo half; exit 3"));
    let done = shop.build(&["breaks"], APP).await;
    done.says("half\n !     Push rejected, failed to compile Fixture app.\n\n !     Push failed");
    assert!(matches!(done.failure(), BuildFailure::Compile { exit: Exit::Code(3), .. }));
    add(&mut shop, "killed", &compile("kill -9 $$"));
    shop.build(&["killed"], APP).await.says("failed to compile Fixture app.");
    add(&mut shop, "declines", &[("bin/detect", "#!/bin/sh\necho why >&2\nexit 1\n".to_owned())]);
    let done = shop.build(&["declines"], APP).await;
    done.says("-----> App not compatible with buildpack: declines");
    let done = shop.build(&["https://example.com/x.git"], APP).await;
    done.says("There is no buildpack `https://example.com/x.git` on this server; it has heroku/nodejs");
    let done = shop.build(&[], APP).await;
    done.says("-----> Determining which buildpack to use for this app");
    done.says(" !     No default language could be detected for this app.");
    done.says("package.json (Node.js)");
    shop.build(&[], &[]).await.says("HINT: The repository is empty");
}

#[tokio::test]
async fn the_cache_is_kept_on_success_only_and_belongs_to_its_packs() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let script = r#"
        echo "before: $(cat "$2"/* 2>/dev/null | tr '\n' ' ')"
        rm -f "$2/old"; echo "$SOURCE" >"$2/old"; . "$1/do" "$2""#;
    for name in ["pack", "other"] {
        add(&mut shop, name, &compile(script));
    }
    shop.build(&["pack"], &[("do", "echo first >$1/a")]).await.says("before: \n");
    shop.build(&["pack"], &[("do", "echo broken >$1/a; rm $1/old; exit 1")]).await.says("before: first");
    shop.build(&["pack"], &[("do", ":")]).await.says("before: first");
    shop.build(&["other"], &[("do", ":")]).await.says("before: \n");
    shop.build(&["pack"], &[("do", "mkdir $1/d; echo deep >$1/d/x")]).await.says("before: \n");
    // More builds than layers: they become one, and nothing of them is lost.
    for round in 0..12 {
        let act = format!("echo {round} >$1/r{round}; rm -f $1/r{}", round - 3);
        shop.build(&["pack"], &[("do", &act)]).await.built();
    }
    let done = shop.build(&["pack"], &[("do", "cat $1/d/x")]).await;
    done.says("before:  10 11 9");
    done.says("deep");
    let index = std::fs::read_to_string(shop.cache_dir().join("index.json")).unwrap();
    assert!(index.matches(".changes").count() <= 8, "{index}");
    // A failed build leaves nothing behind.
    let before = index;
    shop.build(&["pack"], &[("do", "echo x >$1/x; exit 1")]).await.failure();
    let left = || {
        std::fs::read_dir(shop.cache_dir()).unwrap().filter(|child| {
            let name = child.as_ref().unwrap().file_name().into_string().unwrap();
            !["index.json", "empty"].contains(&name.as_str()) && !before.contains(&name)
        })
    };
    let swept = async {
        while left().count() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(90), swept).await.expect("leftovers were not removed");
    builder::purge(&shop.cache_dir()).unwrap();
    shop.build(&["pack"], &[("do", ":")]).await.says("before: \n");
}

#[tokio::test]
async fn dependency_folders_are_made_once_and_safe_from_later_steps() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let mut files = compile(
        r#"echo "layers: $FLOWLINE_LAYERS"
        echo "sees: $(cat "$1/deps/lib")"
        echo spoilt >"$1/deps/lib"; rm -f "$1/deps/gone"; echo new >"$1/deps/added"
        . "$1/do" "$1""#,
    );
    files.push(("bin/layers", "#!/bin/sh\necho asked >&2\necho \"deps $(cat $1/key)\"\n".into()));
    let install = "#!/bin/sh\necho installing\nmkdir $1/deps\necho good >$1/deps/lib\necho y >$1/deps/gone\n";
    files.push(("bin/install", install.into()));
    add(&mut shop, "pack", &files);
    let app = |key: &'static str, act: &'static str| [("key", key), ("do", act)];
    let done = shop.build(&["pack"], &app("k1", ":")).await;
    done.says("installing\nlayers: deps=fresh\nsees: good");
    assert_eq!((done.file("deps/lib"), done.file("deps/added")), ("spoilt\n".into(), "new\n".into()));
    assert!(!done.has("deps/gone"));
    let done = shop.build(&["pack"], &app("k1", ":")).await;
    done.says("layers: deps=kept\nsees: good");
    done.never_says("installing");
    shop.build(&["pack"], &app("k2", "exit 1")).await.says("installing");
    shop.build(&["pack"], &app("k2", ":")).await.says("installing");
    shop.build(&["pack"], &app("k1", ":")).await.says("deps=kept");
    // A source with a folder of that name keeps its own.
    let own = [("key", "k1"), ("do", ":"), ("deps/lib", "own\n")];
    shop.build(&["pack"], &own).await.says("layers: \nsees: own");
}

#[tokio::test]
async fn a_link_in_the_place_of_a_dependency_folder_leads_nowhere() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().display();
    // The folder itself is a mount point; the one above it is the app's to move.
    let mut files = compile(&format!("mv $1/vendor $1/moved && ln -s {out} $1/vendor && echo swapped"));
    files.push(("bin/layers", "#!/bin/sh\necho vendor/deps k1\n".into()));
    files.push(("bin/install", "#!/bin/sh\nmkdir -p $1/vendor/deps\necho x >$1/vendor/deps/x\n".into()));
    add(&mut shop, "pack", &files);
    let done = shop.build(&["pack"], APP).await;
    done.says("swapped\n !     A folder of dependencies was replaced by a link");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn bld_6_slugignore_before_any_pack_looks() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    add(&mut shop, "pack", &compile("ls $1"));
    let app = [(".slugignore", "*.psd\ndocs\n"), ("a.psd", ""), ("docs/x", ""), ("src", "")];
    let done = shop.build(&["pack"], &app).await;
    done.says("-----> Deleting 2 files matching .slugignore patterns.");
    done.says("app detected\nsrc\n");
}
