//! From pushed images to a release: the images of the release before it, with those that change.

use crate::build_gate::{self, NotAdmitted};
use crate::gate::Authorized;
use crate::{Control, image, release};
use model::app::App;
use model::id::FormationId;
use model::image::{BadDigest, Digest, Image, Images, launch};
use model::procfile::{BadProcessType, ProcessType, ProcessTypes};
use model::release::{Release, ReleaseCause, ReleaseStatus};
use model::slug::Slug;
use model::stack::Stack;
use std::collections::BTreeMap;
use store::{Connection, StoreError, Tx};

/// What slugs of images say of who built them.
const BUILT_BY: &str = "container";

/// So many of an app's newest releases are looked through for the one that the next is made of: behind that many failures in a row
/// there is none that anybody means.
const LOOKED_THROUGH: usize = 100;

/// One wished change: what becomes of a process type.
#[derive(Debug, Clone)]
pub struct ImageChange {
    /// The process type, or the id of its entry in the formation.
    pub which: String,
    /// The image by the digest of its configuration or manifest; `None`: the type goes.
    pub image: Option<String>,
}

/// Why images are not released.
#[derive(Debug, thiserror::Error)]
pub enum ImageReleaseError {
    /// The app is built here.
    #[error("{0} runs what is built of its code. To run images: flowline stack:set container -a {0}")]
    NotContainer(String),
    /// Not a digest.
    #[error("docker_image: {0}")]
    BadDigest(#[from] BadDigest),
    /// Not a process type.
    #[error(transparent)]
    BadType(#[from] BadProcessType),
    /// It was not pushed to this app.
    #[error("There is no image {image} in {app}. Push it first: flowline container:push {process_type} -a {app}")]
    NoSuchImage {
        /// Which.
        image: Digest,
        /// Of what.
        process_type: ProcessType,
        /// Whose.
        app: String,
    },
    /// Another machine's, or no image at all.
    #[error("{0} is no image that this server can run; build it with `--platform {here}` and push it again", here = image::here())]
    NotRunnable(Digest),
    /// It says nothing to run.
    #[error("The image of {0} says neither ENTRYPOINT nor CMD; add one to its Dockerfile and push it again")]
    NoCommand(ProcessType),
    /// Nothing to remove.
    #[error("Couldn't find that process type ({0}).")]
    NoSuchType(String),
    /// The gates of its stage.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Resolved = Vec<(ProcessType, Option<Image>)>;

/// Makes one release of all changes. `reason`: why it may be without the tests that its pipeline asks for.
///
/// # Errors
/// An app that is built here, an image that was not pushed or cannot run, a type that is not there, gates that are shut.
pub async fn release(
    control: &Control,
    app: &Authorized<App>,
    changes: &[ImageChange],
    reason: Option<&str>,
) -> Result<Release, ImageReleaseError> {
    if !app.stack.is_container() {
        return Err(ImageReleaseError::NotContainer(app.name.to_string()));
    }
    let mut reader = control.store.reader().await?;
    let resolved = resolve(&mut reader, app, changes).await?;
    let images = changed(before(&mut reader, app).await?, &resolved)?;
    drop(reader);
    if resolved.iter().any(|(_, image)| image.is_some()) {
        build_gate::admit_slug(control, app, &slug(control, app, images), reason).await?;
    }
    let mut tx = control.store.begin().await?;
    // Again, as nobody else can change it now: somebody may release another type at the same time.
    let resolved = resolve(tx.db(), app, changes).await?;
    let images = changed(before(tx.db(), app).await?, &resolved)?;
    let created = insert(control, &mut tx, app, resolved, images).await?;
    tx.commit().await?;
    let made = created.release.clone();
    release::begin(control, app.by(), created).await?;
    Ok(made)
}

async fn insert(
    control: &Control,
    tx: &mut Tx,
    app: &Authorized<App>,
    resolved: Resolved,
    images: Images,
) -> Result<release::Created, StoreError> {
    let slug = slug(control, app, images);
    store::slug::insert(tx, &slug).await?;
    let said = resolved.into_iter().map(|(name, image)| (name, image.map(|image| image.id)));
    let cause = ReleaseCause::Images(said.collect());
    let config = store::config_var::all_in(tx, app.id).await?;
    release::insert(control, tx, app.id, app.by().id, &cause, Some(slug.id), &config).await
}

/// The images that the changes name.
async fn resolve(
    db: &mut Connection,
    app: &Authorized<App>,
    changes: &[ImageChange],
) -> Result<Resolved, ImageReleaseError> {
    let mut resolved = Resolved::new();
    for change in changes {
        let process_type = process_type(db, app, &change.which).await?;
        let image = match &change.image {
            Some(digest) => Some(find(db, app, &process_type, digest.parse()?).await?),
            None => None,
        };
        resolved.push((process_type, image));
    }
    Ok(resolved)
}

async fn process_type(
    db: &mut Connection,
    app: &Authorized<App>,
    which: &str,
) -> Result<ProcessType, ImageReleaseError> {
    if let Ok(id) = which.parse::<FormationId>() {
        let entries = store::formation::list(&mut *db, app.id).await?;
        if let Some(entry) = entries.into_iter().find(|entry| entry.id == id) {
            return Ok(entry.process_type);
        }
    }
    Ok(which.parse()?)
}

/// An image that was pushed to the app: that of the type itself before another type's.
async fn find(
    db: &mut Connection,
    app: &Authorized<App>,
    process_type: &ProcessType,
    digest: Digest,
) -> Result<Image, ImageReleaseError> {
    let mut pushed = store::image::of_app(&mut *db, app.id, &digest).await?;
    pushed.sort_by_key(|one| one.process_type != *process_type);
    let Some(first) = pushed.into_iter().next() else {
        let (process_type, app) = (process_type.clone(), app.name.to_string());
        return Err(ImageReleaseError::NoSuchImage { image: digest, process_type, app });
    };
    let found = match &first.for_here {
        Some(here) => store::image::manifest(&mut *db, app.id, &first.process_type, here).await?,
        None => Some(first),
    };
    let image = found.and_then(|found| found.image).ok_or(ImageReleaseError::NotRunnable(digest))?;
    if image.config.entrypoint.is_empty() && image.config.cmd.is_empty() {
        return Err(ImageReleaseError::NoCommand(process_type.clone()));
    }
    Ok(image)
}

/// What the newest release runs that did not fail: one whose release command still runs is not current, but will be.
async fn before(db: &mut Connection, app: &Authorized<App>) -> Result<Images, StoreError> {
    let releases = store::release::newest(&mut *db, app.id, i64::MAX, LOOKED_THROUGH).await?;
    let newest = releases.into_iter().find(|release| release.status != ReleaseStatus::Failed);
    let Some(slug) = newest.and_then(|release| release.slug) else { return Ok(Images::new()) };
    Ok(store::slug::by_id(&mut *db, slug).await?.map(|slug| slug.images).unwrap_or_default())
}

fn changed(mut images: Images, changes: &Resolved) -> Result<Images, ImageReleaseError> {
    for (process_type, image) in changes {
        match image {
            Some(image) => drop(images.insert(process_type.clone(), image.clone())),
            None => {
                let gone = images.remove(process_type);
                gone.ok_or_else(|| ImageReleaseError::NoSuchType(process_type.to_string()))?;
            }
        }
    }
    Ok(images)
}

fn slug(control: &Control, app: &App, images: Images) -> Slug {
    let process_types: ProcessTypes =
        images.iter().map(|(name, image)| (name.clone(), launch::shown(&image.config))).collect();
    // Types may share an image.
    let sizes: BTreeMap<&Digest, u64> = images.values().map(|image| (&image.manifest, image.size_bytes)).collect();
    Slug {
        id: control.world.new_id(),
        app: app.id,
        checksum: None,
        size_bytes: sizes.values().fold(0, |total: u64, bytes| total.saturating_add(*bytes)),
        process_types,
        commit: None,
        commit_description: None,
        buildpack: Some(BUILT_BY.to_owned()),
        stack: Stack::container(),
        secret: control.world.secret::<32>(),
        created_at: control.now(),
        expired_at: None,
        images,
    }
}
