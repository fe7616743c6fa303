//! The git remotes of a folder: which app it belongs to, and setting that up.

use crate::error::CliError;
use crate::server::Server;
use model::app::AppName;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The remote that `apps:create` and `git:remote` make.
pub(crate) const DEFAULT_REMOTE: &str = "flowline";

/// One remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) name: String,
    pub(crate) url: String,
}

/// What became of a remote that should be added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// The folder is in no git repository.
    NoRepository,
    /// It is there now.
    New,
    /// It was there with this address.
    Already,
    /// It is there with another address, which stays.
    Elsewhere(String),
}

/// All remotes; none outside a repository or without git.
pub(crate) fn list(cwd: &Path) -> Vec<Remote> {
    let Ok(output) = git(cwd, &["config", "-z", "--get-regexp", r"^remote\..*\.url$"]) else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let entries = text.split('\0').filter_map(|entry| {
        let (key, url) = entry.split_once('\n')?;
        let name = key.strip_prefix("remote.")?.strip_suffix(".url")?;
        Some(Remote { name: name.to_owned(), url: url.to_owned() })
    });
    entries.collect()
}

/// The app these remotes belong to: the remote asked for; else those at this server; else `flowline`; else `heroku`.
pub(crate) fn app_of(remotes: &[Remote], server: &str, wanted: Option<&str>) -> Result<String, CliError> {
    if let Some(wanted) = wanted {
        let found = remotes.iter().find(|remote| remote.name == wanted);
        return found.and_then(|remote| app_in(&remote.url)).ok_or_else(|| {
            let message = format!("There is no git remote `{wanted}` of an app in this folder.");
            CliError::usage(message, "`git remote -v` lists the remotes; -a APP names the app itself.")
        });
    }
    let mut here: Vec<(String, &str)> = remotes
        .iter()
        .filter(|remote| at(&remote.url, server))
        .filter_map(|remote| Some((app_in(&remote.url)?, remote.name.as_str())))
        .collect();
    here.sort();
    here.dedup_by(|a, b| a.0 == b.0);
    match here.as_slice() {
        [(app, _)] => return Ok(app.clone()),
        [] => {}
        [_, _, ..] => {
            let list = here.iter().map(|(app, remote)| format!("{app} (-r {remote})")).collect::<Vec<_>>().join(", ");
            let message = format!("This folder has git remotes of several apps: {list}.");
            return Err(CliError::usage(message, "Say which with -r REMOTE or -a APP."));
        }
    }
    let named = |name| remotes.iter().find(|remote| remote.name == name).and_then(|remote| app_in(&remote.url));
    named(DEFAULT_REMOTE).or_else(|| named("heroku")).ok_or_else(|| {
        CliError::usage(
            "Which app? None is named, and this folder has no git remote of one.",
            "Name it with -a APP or FLOWLINE_APP; `flowline apps` lists yours, `flowline git:remote -a APP` ties this folder to one.",
        )
    })
}

/// Adds a remote where there is a repository and none of that name yet.
pub(crate) fn add(cwd: &Path, name: &str, url: &str) -> Result<Added, CliError> {
    if !in_repository(cwd) {
        return Ok(Added::NoRepository);
    }
    match list(cwd).into_iter().find(|remote| remote.name == name) {
        Some(remote) if remote.url == url => Ok(Added::Already),
        Some(remote) => Ok(Added::Elsewhere(remote.url)),
        None => run(cwd, &["remote", "add", "--", name, url]).map(|()| Added::New),
    }
}

/// Adds a remote or changes its address.
pub(crate) fn set(cwd: &Path, name: &str, url: &str) -> Result<(), CliError> {
    match add(cwd, name, url)? {
        Added::New | Added::Already => Ok(()),
        Added::Elsewhere(_) => run(cwd, &["remote", "set-url", "--", name, url]),
        Added::NoRepository => Err(CliError::usage(
            "This folder is in no git repository.",
            "Type `git init` first, or change into the repository.",
        )),
    }
}

/// The names of the remotes with exactly this address.
pub(crate) fn named_at(cwd: &Path, url: &str) -> Vec<String> {
    list(cwd).into_iter().filter(|remote| remote.url == url).map(|remote| remote.name).collect()
}

/// Takes a remote away.
pub(crate) fn remove(cwd: &Path, name: &str) -> Result<(), CliError> {
    run(cwd, &["remote", "remove", "--", name])
}

/// Lets git ask this program for the server's token, in this repository only.
pub(crate) fn use_our_credentials(cwd: &Path, server: &Server, exe: &Path) -> Result<(), CliError> {
    set_helper(cwd, &server.url, &format!("!{} git:credentials", quoted(exe)))?;
    trust(cwd, &server.url, server.ca.as_deref())
}

/// The same for another address of that server, and which authority to trust there.
pub(crate) fn use_our_credentials_at(
    cwd: &Path,
    address: &str,
    server: &str,
    exe: &Path,
    authority: Option<&Path>,
) -> Result<(), CliError> {
    set_helper(cwd, address, &format!("!{} git:credentials --server {}", quoted(exe), quoted(Path::new(server))))?;
    trust(cwd, address, authority)
}

/// Which authorities git believes there, in this repository only.
fn trust(cwd: &Path, address: &str, authority: Option<&Path>) -> Result<(), CliError> {
    let Some(authority) = authority else { return Ok(()) };
    let authority = authority.display().to_string();
    run(cwd, &["config", "--local", "--replace-all", &format!("http.{address}/.sslCAInfo"), &authority])
}

fn set_helper(cwd: &Path, address: &str, helper: &str) -> Result<(), CliError> {
    run(cwd, &["config", "--local", "--replace-all", &format!("credential.{address}.helper"), helper])
}

/// git gives a helper that begins with `!` to a shell: the path is quoted for it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn in_repository(cwd: &Path) -> bool {
    git(cwd, &["rev-parse", "--git-dir"]).is_ok_and(|output| output.status.success())
}

fn run(cwd: &Path, args: &[&str]) -> Result<(), CliError> {
    let output = git(cwd, args).map_err(|error| CliError::local("start git", error))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(CliError::failed(
        format!("git {} failed: {why}", args.join(" ")),
        "Repair that in git, then type the command again.",
    ))
}

pub(crate) fn git(cwd: &Path, args: &[&str]) -> std::io::Result<Output> {
    Command::new("git").args(args).current_dir(cwd).stdin(Stdio::null()).output()
}

/// Is this commit in the folder's repository?
pub(crate) fn has_commit(cwd: &Path, sha: &str) -> bool {
    git(cwd, &["cat-file", "-e", &format!("{sha}^{{commit}}")]).is_ok_and(|output| output.status.success())
}

/// What git says.
pub(crate) fn said(cwd: &Path, args: &[&str]) -> Result<String, CliError> {
    let output = git(cwd, args).map_err(|error| CliError::local("start git", error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(CliError::failed(format!("git {} failed: {why}", args.join(" ")), "Repair that in git, then try again."))
}

/// Does this remote lead to this server? A user and a token in the address do not matter.
fn at(url: &str, server: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}").eq_ignore_ascii_case(server)
}

/// `shop` of `http://host/shop.git`, `ssh://git@host/shop.git` or `git@host:shop.git`.
fn app_in(url: &str) -> Option<String> {
    let path = url.trim_end_matches('/');
    let last = path.rsplit(['/', ':']).next()?;
    let name = last.strip_suffix(".git").unwrap_or(last);
    name.parse::<AppName>().ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "http://127.0.0.1:7700";

    fn remotes(list: &[(&str, &str)]) -> Vec<Remote> {
        list.iter().map(|(name, url)| Remote { name: (*name).into(), url: (*url).into() }).collect()
    }

    fn inferred(list: &[(&str, &str)], wanted: Option<&str>) -> Option<String> {
        app_of(&remotes(list), SERVER, wanted).ok()
    }

    #[test]
    fn the_app_of_a_folder() {
        let github = ("origin", "https://github.com/me/repo.git");
        let ours = ("live", "http://127.0.0.1:7700/shop.git");
        let token = ("live", "http://me:secret@127.0.0.1:7700/shop.git");
        let flowline = ("flowline", "https://flow.example.com/blog.git");
        let heroku = ("heroku", "https://git.heroku.com/old.git");
        let ssh = ("heroku", "git@heroku.com:older.git");
        for (list, app) in [
            (vec![github], None),
            (vec![github, ours], Some("shop")),
            (vec![github, token], Some("shop")),
            (vec![flowline, ours, heroku], Some("shop")),
            (vec![heroku, flowline], Some("blog")),
            (vec![heroku], Some("old")),
            (vec![ssh], Some("older")),
            (vec![("near", "http://127.0.0.1:77001/shop.git")], None),
        ] {
            assert_eq!(inferred(&list, None).as_deref(), app, "{list:?}");
        }
        assert_eq!(inferred(&[ours, heroku], Some("heroku")).as_deref(), Some("old"));
        assert_eq!(inferred(&[ours], Some("gone")), None);
    }

    #[test]
    fn several_apps_are_asked_about() {
        let list = remotes(&[
            ("staging", "http://127.0.0.1:7700/shop-staging.git"),
            ("prod", "http://127.0.0.1:7700/shop.git"),
        ]);
        let error = app_of(&list, SERVER, None).unwrap_err().to_string();
        assert!(error.contains("shop (-r prod), shop-staging (-r staging)"), "{error}");
    }

    #[test]
    fn remotes_of_a_real_repository() {
        let folder = tempfile::tempdir().unwrap();
        let cwd = folder.path();
        assert_eq!(add(cwd, "flowline", "http://h/shop.git").unwrap(), Added::NoRepository);
        run(cwd, &["init", "--quiet"]).unwrap();
        assert_eq!(list(cwd), []);
        assert_eq!(add(cwd, "flowline", "http://h/shop.git").unwrap(), Added::New);
        assert_eq!(add(cwd, "flowline", "http://h/shop.git").unwrap(), Added::Already);
        assert_eq!(add(cwd, "flowline", "http://h/b.git").unwrap(), Added::Elsewhere("http://h/shop.git".into()));
        set(cwd, "flowline", "http://h/blog.git").unwrap();
        assert_eq!(list(cwd), remotes(&[("flowline", "http://h/blog.git")]));
        assert!(set(cwd, "a b", "http://h/blog.git").is_err());
        remove(cwd, &named_at(cwd, "http://h/blog.git")[0]).unwrap();
        assert_eq!(list(cwd), []);
    }
}
