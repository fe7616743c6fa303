//! The build itself: packs, one after the other, on the app's files.

use crate::cache::Cache;
use crate::detect;
use crate::failure::BuildFailure;
use crate::job::{Built, Job, Purpose};
use crate::layers::{self, Layer};
use crate::output::Output;
use crate::process_types;
use crate::slugignore;
use crate::step::Runner;
use crate::workplace::{Chosen, Workplace};
use tokio::sync::mpsc::Sender;

/// Compiles the source in `job.dir/app` in place.
///
/// All lines of the build go to `lines`, its failure too; whoever watches may leave. The build cache changes only when
/// this succeeds. After it, the folder `job.dir/app` is the app.
///
/// # Errors
/// [`BuildFailure`]: the reason in the user's words.
pub async fn compile(job: Job<'_>, runner: &dyn Runner, lines: Sender<String>) -> Result<Built, BuildFailure> {
    let output = Output::new(lines);
    let built = build(&job, runner, &output).await;
    if let Err(failure) = &built {
        output.failure(failure).await;
    }
    built
}

async fn build(job: &Job<'_>, runner: &dyn Runner, output: &Output) -> Result<Built, BuildFailure> {
    output.topic(&format!("Building on the {} stack", job.stack)).await;
    let mut place =
        Workplace::make(job, runner, output).map_err(BuildFailure::io("Could not make the build's folders"))?;
    ignore_files(&place, output).await?;
    let Compiled { packs, cache, layers } = run_packs(&mut place, output).await?;
    let defaults = match packs.last() {
        Some(last) => process_types::defaults(&place, last).await?,
        None => Default::default(),
    };
    let app_dir = place.app_dir();
    let (dir, owner) = (app_dir.clone(), job.owner);
    let frames = blocking(move || layers::settle(&dir, &layers, owner)).await;
    let frames = frames.map_err(BuildFailure::io("Could not put the dependencies into the app"))?;
    let process_types = process_types::discover(&app_dir, defaults, output).await?;
    keep(cache).await?;
    let buildpack = packs.last().map(|pack| pack.name.clone()).unwrap_or_default();
    let buildpacks = packs.into_iter().map(|pack| pack.reference).collect();
    Ok(Built { app_dir, process_types, buildpack, buildpacks, frames })
}

/// What all packs left.
pub(crate) struct Compiled {
    /// Those that took part, in order.
    pub(crate) packs: Vec<Chosen>,
    /// Not yet kept.
    pub(crate) cache: Cache,
    /// Dependency folders that lie over the app.
    pub(crate) layers: Vec<Layer>,
}

/// Chooses the packs and runs them one after the other.
pub(crate) async fn run_packs(place: &mut Workplace<'_>, output: &Output) -> Result<Compiled, BuildFailure> {
    let job = place.job;
    let packs = detect::choose(place, output).await?;
    let mut cache = Cache::open(&job.cache_dir, &cache_key(job, &packs), &job.build.to_string(), job.owner)
        .map_err(BuildFailure::io("Could not open the build cache"))?;
    place.cache = Some(cache.mount(Workplace::cache_dir()));
    let mut layers = Vec::new();
    for (index, pack) in packs.iter().enumerate() {
        output.topic(&format!("{} app detected", pack.name)).await;
        run_pack(place, &mut cache, &mut layers, pack, &packs[..index]).await?;
    }
    Ok(Compiled { packs, cache, layers })
}

/// What the packs left in the cache is the next build's.
pub(crate) async fn keep(cache: Cache) -> Result<(), BuildFailure> {
    blocking(move || cache.commit()).await.map_err(BuildFailure::io("Could not keep the build cache"))
}

async fn run_pack(
    place: &mut Workplace<'_>,
    cache: &mut Cache,
    layers: &mut Vec<Layer>,
    pack: &Chosen,
    before: &[Chosen],
) -> Result<(), BuildFailure> {
    let moved = || BuildFailure::io("A folder of dependencies was replaced by a link");
    layers::check(place, layers).map_err(moved())?;
    layers::prepare(place, cache, layers, pack, before).await?;
    layers::check(place, layers).map_err(moved())?;
    let program = match place.job.purpose {
        Purpose::Tests if place.has(pack, "bin/test-compile") => "bin/test-compile",
        Purpose::Tests | Purpose::Slug => "bin/compile",
    };
    let exit = place.run(pack, program, place.three_folders(), before).await?;
    layers::check(place, layers).map_err(moved())?;
    if exit.is_success() { Ok(()) } else { Err(BuildFailure::Compile { pack: pack.name.clone(), exit }) }
}

/// BLD-6: before any pack sees them.
async fn ignore_files(place: &Workplace<'_>, output: &Output) -> Result<(), BuildFailure> {
    let app_dir = place.app_dir();
    let removed = tokio::task::spawn_blocking(move || slugignore::apply(&app_dir)).await;
    let removed = removed.map_err(|gone| BuildFailure::io("Could not apply .slugignore")(gone.into()))??;
    if removed > 0 {
        output.topic(&format!("Deleting {removed} files matching .slugignore patterns.")).await;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|gone| Err(gone.into()))
}

/// Another stack or another list of packs starts with an empty cache (BLD-10).
fn cache_key(job: &Job<'_>, packs: &[Chosen]) -> String {
    let packs = packs.iter().map(|pack| pack.reference.as_str()).collect::<Vec<_>>().join(" ");
    format!("{} {packs}", job.stack)
}
