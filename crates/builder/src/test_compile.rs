//! A compile for tests, and the programs that run after it in the same place.

use crate::compile::{Compiled, keep, run_packs};
use crate::failure::BuildFailure;
use crate::job::Job;
use crate::output::Output;
use crate::step::{Runner, Step};
use crate::workplace::{HOME, Workplace, site};
use model::dyno::Limits;
use model::mount::Mount;
use std::collections::BTreeMap;
use tokio::sync::mpsc::Sender;

/// As a dyno starts (DYNO-4): profile scripts, the app's own profile, then the program.
const BOOT: &str = r#"for script in .profile.d/*.sh; do [ -r "$script" ] && . "./$script"; done
unset script
[ -r .profile ] && . ./.profile
"#;

/// A command of app.json.
const COMMAND: &str = r#"exec bash -c "$1""#;

/// A pack's program, which starts in the pack's own folder like all of them.
const PROGRAM: &str = r#"cd "$1" && shift && exec "$@""#;

/// What tests may be called in lists of dynos and in their own environment.
const NAME: &str = "test.1";

/// A compiled app, ready to be tested where it was compiled. The job's folder and cache stay in use as long as it is tested.
#[derive(Debug, Clone)]
pub struct TestPlace {
    mounts: Vec<Mount>,
    env: BTreeMap<String, String>,
    limits: Limits,
    /// Where the last pack lies, if it can test.
    tests: Option<String>,
    /// The packs that were used.
    pub buildpacks: Vec<String>,
}

/// Compiles the source in `job.dir/app` for tests: `bin/test-compile` of each pack, or `bin/compile` where it has none. The job's
/// config vars are the test environment. .slugignore does not count: what it names is often the tests.
///
/// # Errors
/// [`BuildFailure`]: the reason in the user's words.
pub async fn test_compile(
    job: &Job<'_>,
    runner: &dyn Runner,
    lines: Sender<String>,
) -> Result<TestPlace, BuildFailure> {
    let output = Output::new(lines);
    let made = prepare(job, runner, &output).await;
    if let Err(failure) = &made {
        for line in failure.hints() {
            output.line(line).await;
        }
    }
    made
}

async fn prepare(job: &Job<'_>, runner: &dyn Runner, output: &Output) -> Result<TestPlace, BuildFailure> {
    output.topic(&format!("Preparing the tests on the {} stack", job.stack)).await;
    let mut place =
        Workplace::make(job, runner, output).map_err(BuildFailure::io("Could not make the build's folders"))?;
    let Compiled { packs, cache, layers: _ } = run_packs(&mut place, output).await?;
    keep(cache).await?;
    let last = packs.last().filter(|pack| place.has(pack, "bin/test"));
    let mut env = site(job);
    env.extend(job.config_vars.clone());
    let own = [("HOME", HOME), ("DYNO", NAME), ("STACK", job.stack.as_str())];
    env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(TestPlace {
        mounts: place.mounts(),
        env,
        limits: job.limits,
        tests: last.map(|pack| format!("/tmp/buildpacks/{}", pack.number)),
        buildpacks: packs.into_iter().map(|pack| pack.reference).collect(),
    })
}

impl TestPlace {
    /// A command of app.json, run in the app's folder.
    #[must_use]
    pub fn command(&self, command: &str) -> Step {
        self.step(COMMAND, vec![command.to_owned()])
    }

    /// The last pack's own way to test; `None` when it has none.
    #[must_use]
    pub fn own_tests(&self) -> Option<Step> {
        let pack = self.tests.clone()?;
        let program = format!("{pack}/bin/test");
        Some(self.step(PROGRAM, vec![pack, program, HOME.to_owned(), "/tmp/environment".to_owned()]))
    }

    fn step(&self, what: &str, args: Vec<String>) -> Step {
        let shell = ["/bin/bash", "-c"].map(str::to_owned);
        let argv = shell.into_iter().chain([format!("{BOOT}{what}"), "bash".to_owned()]).chain(args).collect();
        let (env, mounts) = (self.env.clone(), self.mounts.clone());
        Step { argv, cwd: HOME.into(), env, mounts, limits: self.limits, name: NAME.to_owned() }
    }
}
