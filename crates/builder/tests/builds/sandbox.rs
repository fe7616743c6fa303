//! A real sandbox for the builder's tests, out of the machine's own tools: unshare, mount, chroot.

use async_trait::async_trait;
use builder::{BuildFailure, Built, Job, Packs, Purpose, RunError, Runner, Step, TestPlace, compile, test_compile};
use model::dyno::{DynoSize, Exit};
use model::id::BuildId;
use model::mount::Mount;
use model::stack::Stack;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc::{Sender, channel};

/// An identity that nobody on the machine has.
pub(crate) const OWNER: (u32, u32) = (2_000_000_001, 2_000_000_001);

/// Runs each step in a mount namespace of its own, as an identity without rights.
pub(crate) struct Tools;

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

fn mount(mount: &Mount, root: &str) -> String {
    match mount {
        Mount::Bind { from, to, writable } => {
            let (from, to) = (path(from), path(to));
            let again = if *writable { String::new() } else { format!(" && mount -o remount,ro,bind {root}{to}") };
            format!("mkdir -p {root}{to} && mount --bind {from} {root}{to}{again}\n")
        }
        Mount::Overlay { lowers, upper, work, to } => {
            let lowers = lowers.iter().map(|lower| lower.display().to_string()).collect::<Vec<_>>().join(":");
            let options = format!("lowerdir={lowers},upperdir={},workdir={}", upper.display(), work.display());
            let to = path(to);
            format!("mkdir -p {root}{to} && mount -t overlay overlay -o {} {root}{to}\n", quoted(&options))
        }
        Mount::Tmpfs { to, .. } => format!("mkdir -p {root}{0} && mount -t tmpfs tmpfs {root}{0}\n", path(to)),
        Mount::File { to, contents } => {
            let to = path(to);
            format!("mkdir -p $(dirname {root}{to}) && printf %s {} >{root}{to}\n", quoted(contents))
        }
    }
}

fn script(step: &Step, root: &Path) -> String {
    let root = path(root);
    let mut script = format!(
        "set -e; mount -t tmpfs -o mode=755 tmpfs {root}; cd {root}; mkdir usr etc proc dev tmp app; chmod 1777 tmp\n\
         mount --bind /usr usr; mount --bind /etc etc; mount --rbind /proc proc; mount --rbind /dev dev\n\
         for name in bin sbin lib lib64; do ln -s usr/$name $name; done\n"
    );
    step.mounts.iter().for_each(|each| script.push_str(&mount(each, &root)));
    let env = step.env.iter().map(|(name, value)| quoted(&format!("{name}={value}"))).collect::<Vec<_>>().join(" ");
    let argv = step.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let inner = format!("cd {} && exec {argv}", path(&step.cwd));
    let who = format!("--userspec=+{}:+{}", OWNER.0, OWNER.1);
    script.push_str(&format!("exec chroot {who} {root} env -i {env} bash -c {}\n", quoted(&inner)));
    script
}

#[async_trait]
impl Runner for Tools {
    async fn run(&self, step: Step, lines: Sender<String>) -> Result<Exit, RunError> {
        let failed = |error: std::io::Error| RunError(error.to_string());
        let root = tempfile::tempdir().map_err(failed)?;
        let script = format!("exec 2>&1\n{}", script(&step, root.path()));
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "bash", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = output.next_line().await.map_err(failed)? {
            let _ = lines.send(line).await;
        }
        let status = child.wait().await.map_err(failed)?;
        Ok(status.code().map_or_else(|| Exit::Signal(status.signal().unwrap_or(0)), Exit::Code))
    }
}

/// Mounting needs root; without it these tests say so and pass.
pub(crate) fn cannot_mount() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: building in a sandbox of plain tools needs root");
    }
    !root
}

/// One app on a server of its own.
pub(crate) struct Workshop {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) packs: Packs,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) site: BTreeMap<String, String>,
    pub(crate) stack: Stack,
    count: u128,
}

/// What a build came to, and all it said.
pub(crate) struct Outcome {
    pub(crate) built: Result<Built, BuildFailure>,
    pub(crate) lines: Vec<String>,
    pub(crate) dir: PathBuf,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let packs = Packs::install(&dir.path().join("buildpacks")).unwrap();
        // What the operator of this machine would pass on: its registries and certificates.
        let wanted = |name: &str| {
            ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"].contains(&name)
                || [
                    "NPM_CONFIG_",
                    "npm_config_",
                    "PIP_CERT",
                    "PIP_INDEX",
                    "HTTP_PROXY",
                    "HTTPS_PROXY",
                    "http_proxy",
                    "https_proxy",
                ]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        };
        let site = std::env::vars().filter(|(name, _)| wanted(name)).collect();
        let config = BTreeMap::new();
        Self { dir, packs, config, site, stack: Stack::default(), count: 0 }
    }

    /// Adds a pack of these files; those in `bin` become programs.
    pub(crate) fn pack(&mut self, name: &str, files: &[(&str, &str)]) {
        let dir = self.dir.path().join("own").join(name);
        write(&dir, files);
        self.packs = std::mem::take(&mut self.packs).with(name, &dir);
    }

    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    pub(crate) async fn build(&mut self, buildpacks: &[&str], files: &[(&str, &str)]) -> Outcome {
        let job = self.job(Purpose::Slug, buildpacks, files);
        let dir = job.dir.clone();
        let (lines, said) = listen();
        let built = compile(job, &Tools, lines).await;
        Outcome { built, lines: said.await.unwrap(), dir }
    }

    /// Compiles for tests, then runs each of the programs that `steps` makes of the place.
    pub(crate) async fn test(
        &mut self,
        buildpacks: &[&str],
        files: &[(&str, &str)],
        steps: impl FnOnce(&TestPlace) -> Vec<Step>,
    ) -> (Result<Vec<Exit>, BuildFailure>, String) {
        let job = self.job(Purpose::Tests, buildpacks, files);
        let (lines, said) = listen();
        let exits = match test_compile(&job, &Tools, lines.clone()).await {
            Ok(place) => {
                let mut exits = Vec::new();
                for step in steps(&place) {
                    exits.push(Tools.run(step, lines.clone()).await.unwrap());
                }
                Ok(exits)
            }
            Err(failure) => Err(failure),
        };
        drop(lines);
        (exits, said.await.unwrap().join("\n"))
    }

    fn job(&mut self, purpose: Purpose, buildpacks: &[&str], files: &[(&str, &str)]) -> Job<'_> {
        self.count += 1;
        let build = BuildId(uuid::Uuid::from_u128((0xabcd_0000_u128 + self.count) << 96));
        let dir = self.dir.path().join("builds").join(build.to_string());
        write(&dir.join("app"), files);
        give(&dir.join("app"));
        Job {
            purpose,
            build,
            dir,
            cache_dir: self.cache_dir(),
            packs: &self.packs,
            buildpacks: buildpacks.iter().map(ToString::to_string).collect(),
            stack: self.stack.clone(),
            source_version: Some("c0ffee".into()),
            config_vars: &self.config,
            site_env: &self.site,
            owner: Some(OWNER),
            limits: DynoSize::Standard2X.limits(),
        }
    }
}

/// Collects lines until nobody sends any more.
fn listen() -> (Sender<String>, tokio::task::JoinHandle<Vec<String>>) {
    let (lines, mut seen) = channel(64);
    let watch = tokio::spawn(async move {
        let mut lines = Vec::new();
        while let Some(line) = seen.recv().await {
            lines.push(line);
        }
        lines
    });
    (lines, watch)
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }

    pub(crate) fn built(&self) -> &Built {
        self.built.as_ref().unwrap_or_else(|error| panic!("{error}\n{}", self.text()))
    }

    pub(crate) fn failure(&self) -> &BuildFailure {
        self.built.as_ref().err().unwrap_or_else(|| panic!("it built:\n{}", self.text()))
    }

    pub(crate) fn says(&self, text: &str) {
        assert!(self.text().contains(text), "expected `{text}` in:\n{}", self.text());
    }

    pub(crate) fn never_says(&self, text: &str) {
        assert!(!self.text().contains(text), "did not expect `{text}` in:\n{}", self.text());
    }

    /// A file of the built app.
    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join("app").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.dir.join("app").join(name)).is_ok()
    }

    pub(crate) fn types(&self) -> Vec<(String, String)> {
        self.built().process_types.iter().map(|(name, command)| (name.to_string(), command.clone())).collect()
    }
}

pub(crate) fn write(root: &Path, files: &[(&str, &str)]) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(root).unwrap();
    for (name, contents) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        let mode = if path.parent().unwrap().ends_with("bin") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn give(path: &Path) {
    std::os::unix::fs::lchown(path, Some(OWNER.0), Some(OWNER.1)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::read_dir(path).unwrap().for_each(|child| give(&child.unwrap().path()));
    }
}
