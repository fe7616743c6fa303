//! The Python pack on real packages from the index.

use crate::sandbox::{Workshop, cannot_mount};

const MANAGE: &str = r#"
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"#;

const SETTINGS: &str = r#"
import os
SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_ROOT = "collected"
STATIC_URL = "/static/"
STATICFILES_DIRS = ["assets"]
"#;

#[tokio::test]
async fn django_with_static_files_and_reused_dependencies() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    shop.config.insert("SECRET_KEY".into(), "k".into());
    let files = [
        ("manage.py", MANAGE),
        ("settings.py", SETTINGS),
        ("assets/site.css", "a{}"),
        ("requirements.txt", "-r base.txt\n"),
        ("base.txt", "Django==4.2.16\n"),
        (".python-version", "3.99\n"),
        ("Procfile", "web: python -m http.server $PORT\nrelease: python manage.py migrate\n"),
    ];
    let first = shop.build(&[], &files).await;
    println!("{}", first.text());
    first.says("-----> Python app detected");
    first.says("(asked 3.99: not available)");
    first.says("Installing dependencies with pip, from requirements.txt");
    first.says("1 static file copied");
    assert_eq!(first.file("collected/site.css"), "a{}");
    // All paths in it are those of a dyno.
    assert!(first.file(".heroku/python/bin/django-admin").starts_with("#!/app/.heroku/python/bin/python"));

    let second = shop.build(&[], &files).await;
    println!("{}", second.text());
    second.says("Reusing the installed dependencies");
    second.says("1 static file copied");
    second.never_says("Installing dependencies");
    // The build wrote nothing into the dependencies, so they need not be packed again either.
    let (slugs, _) = crate::slugs::open(shop.dir.path());
    slugs.pack(second.built()).await.unwrap();
    let kept = std::fs::read_dir(shop.cache_dir()).unwrap();
    assert!(kept.flatten().any(|child| child.file_name().to_string_lossy().ends_with(".frame")));
}

#[tokio::test]
async fn other_files_that_name_dependencies() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let lock = r#"{"default":{"six":{"version":"==1.16.0","markers":"python_version >= '3'"}}}"#;
    let done = shop.build(&[], &[("Pipfile", ""), ("Pipfile.lock", lock)]).await;
    done.says("Installing dependencies with pip, from Pipfile.lock");
    assert!(done.has(".heroku/python/bin/pip"));
    let project = "[project]\nname='a'\nversion='1'\ndependencies=['six==1.16.0']\n";
    let done = shop.build(&[], &[("pyproject.toml", project), ("main.py", "")]).await;
    done.says("Installing dependencies with pip, from pyproject.toml");
    let done = shop.build(&[], &[("requirements.txt", "-r base.txt\n"), ("base.txt", "six==1.16.0\n")]).await;
    done.says("Installing dependencies with pip, from requirements.txt");
    let done =
        shop.build(&[], &[("requirements.txt", "-r base.txt\n"), ("base.txt", "six==1.16.0\n"), ("x", "")]).await;
    done.says("Reusing the installed dependencies");
    let done = shop.build(&[], &[("requirements.txt", "-r base.txt\n"), ("base.txt", "six==1.17.0\n")]).await;
    done.says("six-1.17.0");
    shop.build(&[], &[("pyproject.toml", "[tool.poetry]\n")]).await.says("written for Poetry");
    shop.build(&[], &[("Pipfile", "")]).await.says("no Pipfile.lock");
    shop.build(&[], &[("uv.lock", ""), ("pyproject.toml", project)]).await.says("uv is not installed on this server");
    shop.build(&[], &[("pyproject.toml", "[")]).await.says("not valid TOML");
    shop.build(&[], &[("manage.py", "")]).await.says("add a requirements.txt");
}

#[tokio::test]
async fn uv_where_it_is_there() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let fetch = "python3 -m venv $PWD/tool && tool/bin/pip install --quiet uv==0.8.0 || exit 1\n";
    let compile = format!("#!/bin/bash\n{fetch}echo \"export PATH=$PWD/tool/bin:\\$PATH\" >export\n");
    shop.pack("tools", &[("bin/detect", "#!/bin/sh\necho Tools\n"), ("bin/compile", &compile)]);
    let project = "[project]\nname='a'\nversion='1'\nrequires-python='>=3.9'\ndependencies=[]\n";
    let lock = "version = 1\nrequires-python = \">=3.9\"\n\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { virtual = \".\" }\n";
    let files = [("pyproject.toml", project), ("uv.lock", lock), ("Procfile", "web: python x.py\n")];
    let done = shop.build(&["tools", "python"], &files).await;
    println!("{}", done.text());
    done.says("Installing dependencies with uv, from uv.lock");
    let python = std::fs::canonicalize(done.dir.join("app/.heroku/python/bin/python")).unwrap();
    assert!(python.starts_with("/usr"), "{}", python.display());
}
