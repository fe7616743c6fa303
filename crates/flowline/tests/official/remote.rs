//! The official command line and a Flowline that is reached by TLS only, from a home folder that already has an account with
//! the platform: the account, its netrc and git's own settings stay as they are.

use crate::command_line::installed;
use crate::flow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use testkit::{Flow, Front, Identity, search_path, within};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What somebody has who used the platform until today.
const THEIRS: &[(&str, &str)] = &[
    (
        ".netrc",
        "machine api.heroku.com\n  login me@example.org\n  password of-the-platform\n\
         machine git.heroku.com\n  login me@example.org\n  password of-the-platform\n",
    ),
    (
        ".gitconfig",
        "[user]\n\tname = Me Myself\n\temail = me@example.org\n[credential \"https://git.heroku.com\"]\n\thelper = \
         !heroku git:credentials\n",
    ),
    (".config/heroku/accounts/work", "username: me@example.org\npassword: of-the-platform\n"),
    (".config/git/config", "[init]\n\tdefaultBranch = trunk\n"),
    (".local/share/heroku/config.json", "{\"install\":\"1\"}\n"),
    (".cache/heroku/terms-of-service", ""),
    (".ssh/id_ed25519", "no key\n"),
];

/// Below it, what Flowline's own command line keeps.
const OURS: &str = ".config/flowline/";

/// Somebody with a home folder of their own, far from the server.
struct Elsewhere<'f> {
    flow: &'f Flow,
    url: String,
    home: PathBuf,
    folder: PathBuf,
}

impl<'f> Elsewhere<'f> {
    fn new(flow: &'f Flow, url: String) -> Self {
        let (home, folder) = (flow.dir().join("elsewhere"), flow.dir().join("elsewhere/work"));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in THEIRS {
            let path = home.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { flow, url, home, folder }
    }

    fn surrounded(&self, command: &mut Command) {
        command.env("HOME", &self.home).env("NO_PROXY", "*").current_dir(&self.folder);
        command.env("PATH", format!("{}:{}", installed().join("node_modules/.bin").display(), search_path()));
        command.env_remove("FLOWLINE_TOKEN").env_remove("FLOWLINE_URL");
    }

    async fn flowline(&self, words: &[&str], stdin: &str) -> Output {
        let mut command = self.flow.cli_command(words);
        self.surrounded(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // It may end without having read.
        let _unread = input.write_all(stdin.as_bytes()).await.is_err();
        drop(input);
        within(&words.join(" "), child.wait_with_output()).await.unwrap()
    }

    /// `flowline heroku -- WORDS`, which must succeed and say this.
    async fn heroku(&self, words: &[&str], says: &str) -> String {
        self.heroku_ends(words, 0, says).await
    }

    async fn heroku_ends(&self, words: &[&str], code: i32, says: &str) -> String {
        let output = self.flowline(&[&["heroku", "--"], words].concat(), "").await;
        let text = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "heroku {}: {text}", words.join(" "));
        assert!(text.contains(says), "heroku {}: {text}", words.join(" "));
        text
    }

    /// git as in any shell of this person's: with their settings.
    async fn git(&self, words: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(words).env_clear().stdin(Stdio::null());
        self.surrounded(&mut git);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        let output = within("git", git.output()).await.unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "git {}: {text}", words.join(" "));
        text
    }

    /// A login with the CA's file, everything that the way there must carry, and the home folder as it was.
    async fn works(&self, ca: &Path) {
        let before = self.of_the_platform();
        let login = ["login", "--url", &self.url, "--ca", ca.to_str().unwrap()];
        let login = self.flowline(&login, &self.flow.token).await;
        assert!(login.status.success(), "{login:?}");
        self.heroku(&["auth:whoami"], "admin@localhost").await;
        std::fs::write(self.folder.join("Procfile"), "web: python3 -m http.server $PORT\nrelease: echo tables\n")
            .unwrap();
        self.git(&["init", "--quiet"]).await;
        self.git(&["add", "--all"]).await;
        self.git(&["commit", "--quiet", "-m", "files"]).await;
        self.heroku(&["apps:create", "far"], "Creating far... done").await;
        assert_eq!(self.git(&["remote", "get-url", "heroku"]).await.trim(), format!("{}/far.git", self.url));
        let pushed = self.git(&["push", "heroku", "HEAD:main"]).await;
        assert!(pushed.contains("Released v3"), "{pushed}");
        self.heroku(&["ps"], "web.1").await;
        // The rendezvous has the server's own authority, whoever vouches for its name.
        self.heroku_ends(&["run", "--exit-code", "--no-tty", "--", "sh -c 'echo from afar; exit 7'"], 7, "from afar")
            .await;
        self.heroku(&["releases:output", "v3"], "tables").await;
        self.heroku(&["logs", "-n", "100"], "Release v3 command succeeded").await;
        self.heroku(&["config:set", "A=1"], "done, v4").await;
        assert_eq!(self.of_the_platform(), before, "whatever is the platform's stays as it was");
        let config = std::fs::read_to_string(self.folder.join(".git/config")).unwrap();
        assert!(!config.contains(&self.flow.token), "{config}");
        // Everything that was kept is readable by its owner only.
        for path in self.files().keys().filter(|path| path.starts_with(OURS)) {
            use std::os::unix::fs::PermissionsExt;
            let file = std::fs::metadata(self.home.join(path)).unwrap();
            let secret = std::fs::read(self.home.join(path)).unwrap_or_default();
            let has_token = secret.windows(self.flow.token.len()).any(|part| part == self.flow.token.as_bytes());
            assert!(!has_token || file.permissions().mode() & 0o077 == 0, "{path} has the token");
        }
    }

    /// Who is not told whom to believe is told nothing, and tells nothing.
    async fn is_a_stranger_without(&self) {
        let login = self.flowline(&["login", "--url", &self.url], &self.flow.token).await;
        assert_eq!(login.status.code(), Some(5), "{login:?}");
        let said = String::from_utf8_lossy(&login.stderr).into_owned();
        assert!(said.contains("certificate") || said.contains("UnknownIssuer"), "{said}");
        assert!(self.files().keys().all(|path| !path.starts_with(OURS)), "nothing is kept of a login that failed");
    }

    /// Every file of the home folder but those of Flowline's own command line and of the work that is done.
    fn of_the_platform(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.files();
        files.retain(|path, _| !path.starts_with(OURS) && !path.starts_with("work/"));
        files
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.home.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                    let name = path.strip_prefix(&self.home).unwrap().to_string_lossy().into_owned();
                    found.insert(name, std::fs::read(&path).unwrap_or_default());
                }
            }
        }
        found
    }
}

#[tokio::test]
async fn a_server_elsewhere_with_flowlines_own_authority() {
    let flow = flow().await;
    let elsewhere = Elsewhere::new(&flow, format!("https://{}", flow.tls));
    elsewhere.is_a_stranger_without().await;
    // Brought there by hand, as a person would.
    let ca = elsewhere.home.join("work/flowline-ca.pem");
    std::fs::copy(flow.dir().join("ca.pem"), &ca).unwrap();
    elsewhere.works(&ca).await;
}

#[tokio::test]
async fn a_server_elsewhere_behind_a_company_s_certificate() {
    let (flow, identity) = (flow().await, Identity::make());
    let front = Front::start(&identity, flow.api).await;
    let elsewhere = Elsewhere::new(&flow, format!("https://{}", front.addr));
    elsewhere.is_a_stranger_without().await;
    assert_eq!(front.passed(), 0, "nothing is said to who cannot show who it is");
    let ca = elsewhere.home.join("work/company-ca.pem");
    std::fs::write(&ca, &identity.ca_pem).unwrap();
    elsewhere.works(&ca).await;
    assert!(front.passed() > 0, "all of it went through the front");
}
