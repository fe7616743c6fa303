//! One build's folders, and what its steps see of them.

use crate::job::{Job, Purpose};
use crate::output::Output;
use crate::packs::Pack;
use crate::step::{RunError, Runner, Step};
use crate::tree::{self, ReadError, read_inside};
use model::dyno::Exit;
use model::mount::Mount;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where programs are looked up, unless the operator's environment says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the app lies when it runs.
pub(crate) const HOME: &str = "/app";

/// What a captured program may say: more than any list of process types.
const CAPTURE_LIMIT_BYTES: u64 = 256 * 1024;

/// Runs a program with its standard output in the file named first.
const CAPTURE: &str = r#"out=$1; shift; exec "$@" >"$out""#;

/// Reads the `export` files before `--`, then becomes the program after it.
const EXPORTED: &str = r#"while [ "$1" != -- ]; do . "$1"; shift; done; shift; exec "$@""#;

/// A pack that takes part in this build, in a copy of its own.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    /// `heroku/nodejs`.
    pub(crate) reference: String,
    /// What it calls itself: `Node.js`.
    pub(crate) name: String,
    /// Its place in the list.
    pub(crate) number: usize,
}

/// One build's folders on this machine.
pub(crate) struct Workplace<'a> {
    pub(crate) job: &'a Job<'a>,
    runner: &'a dyn Runner,
    output: &'a Output,
    /// Packs that were copied so far; detection tries several for one place.
    copied: usize,
    /// The build cache, once it is known whose it is.
    pub(crate) cache: Option<Mount>,
    /// Overlays that come with the dependency folders.
    pub(crate) overlays: Vec<Mount>,
    /// `FLOWLINE_LAYERS`: which dependency folders are in place.
    pub(crate) layers: Vec<String>,
}

impl<'a> Workplace<'a> {
    /// Makes the folders beside the source.
    pub(crate) fn make(job: &'a Job<'a>, runner: &'a dyn Runner, output: &'a Output) -> io::Result<Self> {
        tree::make_folder(&job.dir.join("app"), job.owner)?;
        for folder in ["packs", "environment", "home", "captured"] {
            tree::make_folder(&job.dir.join(folder), job.owner)?;
        }
        for (name, value) in job.config_vars {
            let file = job.dir.join("environment").join(name);
            fs::write(&file, value)?;
            tree::give(&file, job.owner)?;
        }
        Ok(Self { job, runner, output, copied: 0, cache: None, overlays: Vec::new(), layers: Vec::new() })
    }

    /// The app's files on this machine.
    pub(crate) fn app_dir(&self) -> PathBuf {
        self.job.dir.join("app")
    }

    /// `BUILD_DIR`: another one in each build, but where tests follow.
    pub(crate) fn build_dir(&self) -> PathBuf {
        let id = self.job.build.0.simple().to_string();
        match self.job.purpose {
            Purpose::Slug => PathBuf::from(format!("/tmp/build_{}", &id[..8])),
            Purpose::Tests => PathBuf::from(HOME),
        }
    }

    /// `CACHE_DIR`.
    pub(crate) fn cache_dir() -> &'static Path {
        Path::new("/tmp/cache")
    }

    /// Copies a pack, so that it can write into its own folder.
    pub(crate) fn take(&mut self, pack: &Pack) -> io::Result<Chosen> {
        let number = self.copied;
        tree::copy(&pack.dir, &self.pack_dir(number), self.job.owner)?;
        self.copied += 1;
        Ok(Chosen { reference: pack.reference.clone(), name: pack.reference.clone(), number })
    }

    fn pack_dir(&self, number: usize) -> PathBuf {
        self.job.dir.join("packs").join(number.to_string())
    }

    /// Does the pack bring this program?
    pub(crate) fn has(&self, pack: &Chosen, program: &str) -> bool {
        self.pack_dir(pack.number).join(program).is_file()
    }

    /// The arguments that compile, install and layers take.
    pub(crate) fn three_folders(&self) -> Vec<String> {
        let build = self.build_dir().display().to_string();
        vec![build, Self::cache_dir().display().to_string(), "/tmp/environment".to_owned()]
    }

    /// Runs a pack's program; its output is the build's. `before`: the packs whose `export` it sees.
    pub(crate) async fn run(
        &self,
        pack: &Chosen,
        program: &str,
        args: Vec<String>,
        before: &[Chosen],
    ) -> Result<Exit, RunError> {
        let argv = self.command(pack, program, args, before);
        self.runner.run(self.step(pack, argv), self.output.sender()).await
    }

    /// Runs a pack's program and returns what it wrote to its standard output; the rest is the build's output.
    pub(crate) async fn capture(
        &self,
        pack: &Chosen,
        program: &str,
        args: Vec<String>,
        before: &[Chosen],
    ) -> Result<(Exit, String), RunError> {
        let file = format!("{}-{}", pack.number, program.replace('/', "-"));
        let shell = ["bash", "-c", CAPTURE, "bash"].map(str::to_owned);
        let out = format!("/tmp/captured/{file}");
        let command = self.command(pack, program, args, before);
        let argv = shell.into_iter().chain([out]).chain(command).collect();
        let exit = self.runner.run(self.step(pack, argv), self.output.sender()).await?;
        match read_inside(&self.job.dir.join("captured"), &file, CAPTURE_LIMIT_BYTES) {
            Ok(bytes) => Ok((exit, String::from_utf8_lossy(&bytes).into_owned())),
            Err(ReadError::Missing) => Ok((exit, String::new())),
            Err(error @ (ReadError::NotAFile | ReadError::TooLarge(_) | ReadError::Io(_))) => {
                Err(RunError(format!("the output of {program} of {} cannot be read: {error}", pack.reference)))
            }
        }
    }

    /// A pack's program, in the environment that the packs before it export.
    fn command(&self, pack: &Chosen, program: &str, args: Vec<String>, before: &[Chosen]) -> Vec<String> {
        let program = format!("/tmp/buildpacks/{}/{program}", pack.number);
        let exports: Vec<String> = before.iter().filter_map(|pack| self.export_of(pack)).collect();
        let mut argv = Vec::new();
        if !exports.is_empty() {
            argv.extend(["bash", "-c", EXPORTED, "bash"].map(str::to_owned));
            argv.extend(exports);
            argv.push("--".to_owned());
        }
        argv.push(program);
        argv.extend(args);
        argv
    }

    fn export_of(&self, pack: &Chosen) -> Option<String> {
        let file = self.pack_dir(pack.number).join("export");
        file.is_file().then(|| format!("/tmp/buildpacks/{}/export", pack.number))
    }

    /// The app, the packs, the config vars and the dependency folders.
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        let mut mounts = vec![self.bind("app", &self.build_dir(), true)];
        mounts.push(self.bind("environment", Path::new("/tmp/environment"), false));
        for number in 0..self.copied {
            let to = format!("/tmp/buildpacks/{number}");
            mounts.push(self.bind(&format!("packs/{number}"), Path::new(&to), true));
        }
        mounts.extend(self.overlays.iter().cloned());
        mounts
    }

    fn step(&self, pack: &Chosen, argv: Vec<String>) -> Step {
        let (job, mut mounts) = (self.job, self.mounts());
        match job.purpose {
            Purpose::Slug => mounts.push(self.bind("home", Path::new(HOME), true)),
            Purpose::Tests => {}
        }
        mounts.push(self.bind("captured", Path::new("/tmp/captured"), true));
        mounts.extend(self.cache.clone());
        let cwd = PathBuf::from(format!("/tmp/buildpacks/{}", pack.number));
        Step { argv, cwd, env: self.environment(), mounts, limits: job.limits, name: "build.1".to_owned() }
    }

    fn bind(&self, from: &str, to: &Path, writable: bool) -> Mount {
        Mount::Bind { from: self.job.dir.join(from), to: to.to_owned(), writable }
    }

    /// What every step sees. Config vars are not in it (BLD-11), nor anything of this process' own environment.
    fn environment(&self) -> BTreeMap<String, String> {
        let (job, mut env) = (self.job, site(self.job));
        // What the packs' own downloads honour: seconds to connect, and for the whole of one.
        let set = [("CURL_CONNECT_TIMEOUT", "30"), ("CURL_TIMEOUT", "180"), ("HOME", HOME), ("DYNO", "build.1")];
        env.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.insert("STACK".to_owned(), job.stack.to_string());
        env.insert("REQUEST_ID".to_owned(), job.build.to_string());
        env.insert("FLOWLINE_LAYERS".to_owned(), self.layers.join(" "));
        if job.purpose == Purpose::Tests {
            // Packs install before they compile: `bin/test-compile` alone would tell them too late.
            env.insert("FLOWLINE_TEST".to_owned(), "1".to_owned());
        }
        if let Some(version) = &job.source_version {
            env.insert("SOURCE_VERSION".to_owned(), version.clone());
        }
        env.retain(|name, _| !name.starts_with("GIT_DIR"));
        env
    }
}

/// What programs find in every environment of this server: the operator's own settings for builds are among it.
pub(crate) fn site(job: &Job<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([("PATH".to_owned(), PATH.to_owned()), ("LANG".to_owned(), "C.UTF-8".to_owned())]);
    env.extend(job.site_env.clone());
    env
}
