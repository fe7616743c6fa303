//! From a dyno that should run to a sandbox: its files, its environment, its labels.

use crate::{Control, image_root};
use builder::SlugError;
use model::config_var::ConfigVars;
use model::dyno::{Dyno, DynoName, DynoRole, DynoSize, DynoState, Slice};
use model::feature::Feature;
use model::id::DynoId;
use model::mount::Mount;
use model::procfile::ProcessType;
use model::release::Release;
use model::slug::Slug;
use model::time::Timestamp;
use runtime::{Attach, DynoSpec, ExecSpec, RootImage, RuntimeError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::StoreError;

/// Where the flowline binary lies inside a sandbox: the static pack's web server is in it.
const INSIDE_EXE: &str = "/opt/flowline/bin/flowline";

/// The label of [`time_to_live`].
const TIME_TO_LIVE_S: &str = "time_to_live_s";

/// What every dyno's shell finds when the config does not say otherwise.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Where a slug's files are, and its dynos at home.
const HOME: &str = "/app";

/// DYNO-4, DYNO-23: profile scripts, the app's own profile, then the command under `bash -c`.
const BOOT: &str = r#"for script in .profile.d/*.sh; do [ -r "$script" ] && . "./$script"; done
unset script
[ -r .profile ] && . ./.profile
exec bash -c "$1""#;

/// Why a dyno cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    #[error("its release has no slug")]
    NoSlug,
    #[error("its slug cannot be used: {0}")]
    Slug(#[from] SlugError),
    #[error("its image cannot be used: {0}")]
    Image(#[from] builder::ImageError),
    #[error("its release has no image for {0}")]
    NoImage(ProcessType),
    #[error("its folders cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts a dyno of a release.
pub(crate) async fn start(control: &Control, dyno: &Dyno) -> Result<runtime::Dyno, SandboxError> {
    start_with(control, dyno, &OneOff::default()).await
}

/// What only a one-off dyno has.
#[derive(Debug, Default)]
pub(crate) struct OneOff {
    /// More environment than the config has (`heroku run -e`, terminal size).
    pub(crate) env: BTreeMap<String, String>,
    /// It is stopped after this time.
    pub(crate) life: Option<Duration>,
    /// Its streams are a client's.
    pub(crate) attach: Option<Attach>,
    /// What it sees beside the app's files.
    pub(crate) mounts: Vec<Mount>,
}

/// The same for a one-off dyno.
pub(crate) async fn start_with(control: &Control, dyno: &Dyno, more: &OneOff) -> Result<runtime::Dyno, SandboxError> {
    let release = store::release::by_own_id(control.store.db(), dyno.release).await?.ok_or(SandboxError::NoSlug)?;
    let slug = release.slug.ok_or(SandboxError::NoSlug)?;
    let slug = store::slug::by_id(control.store.db(), slug).await?.ok_or(SandboxError::NoSlug)?;
    // Until the dyno runs on it, nobody takes the folder for one that nothing runs.
    let _used = control.unpacked.read().await;
    let mut ground = ground(control, dyno, &slug).await?;
    let config = store::release::config(&control.store, dyno.release).await?;
    let metadata = metadata(control, dyno, &release, &slug).await?;
    ground.mounts.extend(more.mounts.iter().cloned());
    let spec = DynoSpec {
        id: dyno.id,
        name: dyno.name.to_string(),
        argv: ground.argv,
        cwd: ground.cwd,
        env: environment(dyno, ground.env, config, &more.env, metadata),
        mounts: ground.mounts,
        root: ground.root,
        limits: control.settings.budgets.limits(dyno.size),
        slice: Slice::Apps,
        port: dyno.name.process_type.is_web(),
        labels: labels(dyno, more.life),
        attach: more.attach,
    };
    Ok(control.runtime.start(spec).await?)
}

/// What a dyno stands on, and what it runs there.
struct Ground {
    argv: Vec<String>,
    cwd: PathBuf,
    env: Environment,
    mounts: Vec<Mount>,
    root: Option<RootImage>,
}

async fn ground(control: &Control, dyno: &Dyno, slug: &Slug) -> Result<Ground, SandboxError> {
    if !slug.images.is_empty() {
        let program = image_root::program(control, &slug.images, dyno, None).await?;
        let program = program.ok_or_else(|| SandboxError::NoImage(dyno.name.process_type.clone()))?;
        let root = Some(image_root::root(control, dyno, program.folder)?);
        let env = Environment::Image(program.env);
        return Ok(Ground { argv: program.argv, cwd: program.cwd, env, mounts: Vec::new(), root });
    }
    let checksum = slug.checksum.as_deref().ok_or(SandboxError::NoSlug)?;
    let layer = control.slugs.unpacked(slug.id, checksum).await?;
    let mounts = vec![overlay(&layer, &scratch(control, dyno.id))?, own_binary(control)];
    Ok(Ground { argv: argv(&dyno.command), cwd: HOME.into(), env: Environment::Slug, mounts, root: None })
}

/// One more program in a dyno that runs: with its files, its release's environment, and more.
pub(crate) async fn program(
    control: &Control,
    dyno: &Dyno,
    command: &str,
    extra: &BTreeMap<String, String>,
    attach: Attach,
) -> Result<ExecSpec, SandboxError> {
    let db = control.store.db();
    let config = store::release::config(&control.store, dyno.release).await?;
    let mut known = BTreeMap::new();
    let mut ground = (argv(command), PathBuf::from(HOME), Environment::Slug);
    if let Some(release) = store::release::by_own_id(db, dyno.release).await?
        && let Some(slug) = release.slug
        && let Some(slug) = store::slug::by_id(db, slug).await?
    {
        known = metadata(control, dyno, &release, &slug).await?;
        if let Some(program) = image_root::program(control, &slug.images, dyno, Some(command)).await? {
            ground = (program.argv, program.cwd, Environment::Image(program.env));
        }
    }
    let (argv, cwd, base) = ground;
    let mut env = environment(dyno, base, config, extra, known);
    env.extend(dyno.addr.map(|addr| ("PORT".to_owned(), addr.port().to_string())));
    Ok(ExecSpec { argv, env, cwd, attach })
}

fn argv(command: &str) -> Vec<String> {
    ["/bin/bash", "-c", BOOT, "bash", command].map(str::to_owned).to_vec()
}

/// Removes what a dyno wrote (DYNO-26: its file system ends with it).
pub(crate) async fn clean(control: &Control, id: DynoId) {
    let folder = scratch(control, id);
    let removed = tokio::task::spawn_blocking(move || runtime::remove_dir(&folder)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(dyno.id = %id, %error, "A dyno's files were not removed");
    }
}

/// Where a dyno's `/app` keeps what it writes.
pub(crate) fn scratch(control: &Control, id: DynoId) -> PathBuf {
    control.settings.dir.join("scratch").join(id.to_string())
}

fn overlay(layer: &Path, scratch: &Path) -> Result<Mount, std::io::Error> {
    let (upper, work) = (scratch.join("upper"), scratch.join("work"));
    std::fs::create_dir_all(scratch)?;
    runtime::prepare_dir(&upper)?;
    runtime::prepare_dir(&work)?;
    Ok(Mount::Overlay { lowers: vec![layer.to_owned()], upper, work, to: "/app".into() })
}

/// The flowline binary, read-only.
pub(crate) fn own_binary(control: &Control) -> Mount {
    Mount::Bind { from: control.settings.exe.clone(), to: INSIDE_EXE.into(), writable: false }
}

/// Where the app asks for it, what a dyno may know of itself (DYNO-25).
async fn metadata(
    control: &Control,
    dyno: &Dyno,
    release: &Release,
    slug: &Slug,
) -> Result<BTreeMap<String, String>, StoreError> {
    let db = control.store.db();
    if !store::feature::enabled(db, dyno.app, Feature::DynoMetadata).await? {
        return Ok(BTreeMap::new());
    }
    let app = store::app::by_id(db, dyno.app).await?;
    let known = |app| model::feature::metadata(&app, &control.settings.host(&app.name), dyno, release, slug);
    Ok(app.map(known).unwrap_or_default())
}

/// What a dyno's environment begins with.
enum Environment {
    /// Of the stack.
    Slug,
    /// What the image says; its home is the image's own.
    Image(BTreeMap<String, String>),
}

/// Defaults, then the config, then what the platform itself says (DYNO-23, DYNO-24).
fn environment(
    dyno: &Dyno,
    base: Environment,
    config: ConfigVars,
    extra: &BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let (mut env, home) = match base {
        Environment::Slug => (BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]), Some(HOME.to_owned())),
        Environment::Image(env) => (env, None),
    };
    env.extend(config);
    env.extend(extra.clone());
    env.extend(metadata);
    env.extend(home.map(|home| ("HOME".to_owned(), home)));
    env.insert("DYNO".to_owned(), dyno.name.to_string());
    env
}

/// What a keeper keeps of a dyno for a server that starts later.
fn labels(dyno: &Dyno, life: Option<Duration>) -> BTreeMap<String, String> {
    let role = match dyno.role {
        DynoRole::Formation => "formation",
        DynoRole::OneOff => "one_off",
        DynoRole::Release => "release",
        DynoRole::Verify => "verify",
        DynoRole::Build => "build",
    };
    let pairs = [
        ("app", dyno.app.to_string()),
        ("name", dyno.name.to_string()),
        ("role", role.to_owned()),
        ("size", dyno.size.to_string()),
        ("command", dyno.command.clone()),
        ("release", dyno.release.to_string()),
        ("version", dyno.version.to_string()),
        ("created_at", dyno.created_at.0.to_string()),
    ];
    let life = life.map(|life| (TIME_TO_LIVE_S, life.as_secs().to_string()));
    pairs.into_iter().chain(life).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// How long the dyno may live from its start, when somebody said so.
pub(crate) fn time_to_live(spec: &DynoSpec) -> Option<Duration> {
    spec.labels.get(TIME_TO_LIVE_S)?.parse().ok().map(Duration::from_secs)
}

/// The dyno that a keeper's labels tell of; `None` for labels of another version.
pub(crate) fn from_labels(spec: &DynoSpec, addr: Option<std::net::SocketAddr>) -> Option<Dyno> {
    let label = |name: &str| spec.labels.get(name).map(String::as_str);
    let role = match label("role")? {
        "formation" => DynoRole::Formation,
        "one_off" => DynoRole::OneOff,
        "release" => DynoRole::Release,
        "verify" => DynoRole::Verify,
        "build" => DynoRole::Build,
        _ => return None,
    };
    let created_at = Timestamp(label("created_at")?.parse().ok()?);
    Some(Dyno {
        id: spec.id,
        app: label("app")?.parse().ok()?,
        name: label("name")?.parse::<DynoName>().ok()?,
        role,
        size: label("size")?.parse::<DynoSize>().ok()?,
        command: label("command")?.to_owned(),
        release: label("release")?.parse().ok()?,
        version: label("version")?.parse().ok()?,
        addr,
        state: if addr.is_some() { DynoState::Starting } else { DynoState::Up },
        since: created_at,
        created_at,
        retired: false,
    })
}
