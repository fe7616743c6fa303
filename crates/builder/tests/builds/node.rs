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

/// Another platform's executor: it knows nothing of dependency folders.
#[tokio::test]
async fn the_pack_works_under_the_plain_classic_api() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    for name in ["nodejs", "python"] {
        let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../buildpacks").join(name);
        let to = shop.dir.path().join("plain").join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        assert!(std::process::Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success());
        std::fs::remove_file(to.join("bin/layers")).unwrap();
        std::fs::remove_file(to.join("bin/install")).unwrap();
        shop.packs = std::mem::take(&mut shop.packs).with(&format!("plain-{name}"), &to);
    }
    let package = r#"{"scripts":{"start":"x"},"dependencies":{"ms":"2.1.3"},"cacheDirectories":["kept"]}"#;
    let files = [("package.json", package), ("kept/seed", "1")];
    shop.build(&["plain-nodejs"], &files).await.says("Installing node modules");
    let second = shop.build(&["plain-nodejs"], &files[..1]).await;
    second.says("Restoring node_modules");
    assert!(second.has("node_modules/ms/index.js") && second.has("kept/seed"));
    let files = [("requirements.txt", "six==1.16.0\n")];
    shop.build(&["plain-python"], &files).await.says("Installing dependencies with pip");
    let second = shop.build(&["plain-python"], &files).await;
    second.says("Restoring the installed dependencies");
    assert!(second.has(".heroku/python/bin/python3"));
}

#[tokio::test]
async fn other_package_managers_where_they_are_there() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let fetch = "npm install --silent --no-audit --prefix $PWD/tool yarn@1.22.22 pnpm@9.15.9 >/dev/null || exit 1\n";
    let compile = format!("#!/bin/bash\n{fetch}echo \"export PATH=$PWD/tool/node_modules/.bin:\\$PATH\" >export\n");
    shop.pack("tools", &[("bin/detect", "#!/bin/sh\necho Tools\n"), ("bin/compile", &compile)]);
    let package = r#"{"name":"a","version":"1.0.0","scripts":{"start":"x","build":"node -p 'require(\"semver\").valid(\"1.2.3\")'"},
        "dependencies":{"ms":"2.1.3"},"devDependencies":{"semver":"7.6.3"}}"#;
    let yarn = "# yarn lockfile v1\n\n\nms@2.1.3:\n  version \"2.1.3\"\n  resolved \"https://registry.yarnpkg.com/ms/-/ms-2.1.3.tgz\"\n\n\
        semver@7.6.3:\n  version \"7.6.3\"\n  resolved \"https://registry.yarnpkg.com/semver/-/semver-7.6.3.tgz\"\n";
    let pnpm = "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      ms:\n        specifier: 2.1.3\n        version: 2.1.3\n    \
        devDependencies:\n      semver:\n        specifier: 7.6.3\n        version: 7.6.3\npackages:\n  ms@2.1.3:\n    \
        resolution: {integrity: sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==}\n  semver@7.6.3:\n    \
        resolution: {integrity: sha512-oVekP1cKtI+CTDvHWYFUcMtsK/00wmAEfyqKfNdARm8u1wNVhSgaX7A8d4UuIlUI5e84iEwOhs7ZPYRmzU9U6A==}\n    hasBin: true\n\
        snapshots:\n  ms@2.1.3: {}\n  semver@7.6.3: {}\n";
    for lock in [("yarn.lock", yarn), ("pnpm-lock.yaml", pnpm)] {
        let done = shop.build(&["tools", "nodejs"], &[("package.json", package), lock]).await;
        println!("{}", done.text());
        done.built();
        done.says("       1.2.3");
        assert!(done.has("node_modules/ms") && !done.has("node_modules/semver"), "{}", lock.0);
    }
}
