//! The Node.js pack on real packages from the registry.

use crate::sandbox::{Workshop, cannot_mount};

const SERVER: &str = "require('http').createServer((_, answer) => answer.end('hi')).listen(process.env.PORT)";

#[tokio::test]
async fn installs_once_and_reuses_while_nothing_changes() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let package = r#"{"name":"a","scripts":{"start":"node server.js"},"dependencies":{"ms":"2.1.3"}}"#;
    let files = [("package.json", package), ("server.js", SERVER)];
    let first = shop.build(&[], &files).await;
    println!("{}", first.text());
    first.says("-----> Node.js app detected");
    first.says("Installing node modules");
    assert_eq!(first.types(), [("web".to_owned(), "npm start".to_owned())]);
    assert!(first.has("node_modules/ms/package.json") && first.has(".profile.d/nodejs.sh"));

    let second = shop.build(&[], &files).await;
    println!("{}", second.text());
    second.says("Reusing node_modules");
    second.never_says("Installing node modules");
    assert!(second.file("node_modules/ms/package.json").contains("2.1.3"));
}

#[tokio::test]
async fn development_packages_build_the_app_and_are_gone_from_the_slug() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    shop.config.insert("MESSAGE".into(), "from config".into());
    let package = r#"{"name":"a","engines":{"node":">=99"},
        "scripts":{"build":"made && esbuild --version && node -p 'process.env.MESSAGE' >message","postinstall":"echo post >>post","test":"true"},
        "dependencies":{"ms":"2.1.3"},"devDependencies":{"semver":"7.6.3","esbuild":"0.21.5"}}"#;
    let package = package.replace("made &&", "semver 1.2.3 && echo spoilt >node_modules/ms/index.js &&");
    let files = [("package.json", package.as_str()), ("Procfile", "worker: node x.js\n")];
    for round in ["Installing node modules", "Reusing node_modules"] {
        let done = shop.build(&[], &files).await;
        println!("{}", done.text());
        done.says(round);
        done.says("(asked >=99: not available)");
        done.says("Running postinstall");
        done.says("-----> Pruning devDependencies\n       removed 3 development packages");
        assert_eq!((done.file("message"), done.file("post")), ("from config\n".into(), "post\n".into()));
        assert_eq!(done.file("node_modules/ms/index.js"), "spoilt\n");
        for gone in ["node_modules/semver", "node_modules/.bin/semver", "node_modules/esbuild", "node_modules/@esbuild"]
        {
            assert!(!done.has(gone), "{gone}");
        }
    }
    // What a build did to its own copy is not in the kept one.
    let kept = std::fs::read_dir(shop.cache_dir()).unwrap().find_map(|child| {
        let path = child.unwrap().path();
        path.join("ms/index.js").is_file().then_some(path)
    });
    let kept = kept.unwrap();
    assert!(std::fs::read_to_string(kept.join("ms/index.js")).unwrap().contains("module.exports"));
    assert!(kept.join("semver/package.json").is_file());
    // A config var that npm reads makes another installation.
    shop.config.insert("NPM_CONFIG_LEGACY_PEER_DEPS".into(), "true".into());
    shop.build(&[], &files).await.says("Installing node modules");
}

#[tokio::test]
async fn what_is_wrong_with_an_app_is_said() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    shop.build(&[], &[("package.json", "{,}")]).await.says(" !     package.json is not valid JSON");
    shop.build(&[], &[("package.json", "[]")]).await.says(" !     package.json must be a JSON object.");
    let both = [("package.json", "{}"), ("yarn.lock", ""), ("package-lock.json", "{}")];
    shop.build(&[], &both).await.says("The app has both package-lock.json and yarn.lock.");
    let done = shop.build(&[], &[("package.json", "{}"), ("yarn.lock", "")]).await;
    done.says("The app has a yarn.lock, but yarn is not installed on this server.");
    done.says("failed to compile Node.js app.");
    let broken = r#"{"scripts":{"build":"exit 7"}}"#;
    let done = shop.build(&[], &[("package.json", broken)]).await;
    done.says(" !     The script build failed");
    let done = shop.build(&[], &[("package.json", r#"{"dependencies":{"ms":"99.99.99"}}"#)]).await;
    done.says("The dependencies could not be installed; npm's reason is above.");
    // An app without dependencies, start script or server.js: it builds, and says what is missing.
    let done = shop.build(&[], &[("package.json", "{}"), ("x.js", "")]).await;
    done.says("nothing says how to run the app");
    assert!(done.types().is_empty());
    let done = shop.build(&[], &[("package.json", "{}"), ("server.js", ""), ("Procfile", "worker: x\n")]).await;
    assert_eq!(done.types()[0], ("web".into(), "node server.js".into()));
}

#[tokio::test]
async fn static_sites_and_procfile_apps() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let done = shop.build(&[], &[("index.html", "hi"), ("Procfile", "release: true\n")]).await;
    done.says("-----> Static site app detected");
    assert_eq!(done.types()[1], ("web".into(), "/opt/flowline/bin/flowline static".into()));
    let rooted = [("static.json", "{\n \"root\": \"dist/\"\n}"), ("dist/index.html", "hi")];
    shop.build(&[], &rooted).await.says("Serving the files of \"dist/\"");
    let done = shop.build(&[], &[("static.json", r#"{"root":"nowhere"}"#)]).await;
    done.says("static.json names the root \"nowhere\", but the app has no such folder.");
    let done = shop.build(&[], &[("Procfile", "web: ./run\n"), ("run", "")]).await;
    done.says("-----> Procfile app detected");
    assert_eq!(done.built().buildpack, "Procfile");
}
