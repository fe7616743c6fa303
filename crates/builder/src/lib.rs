//! Source to slug: buildpacks, compile in a sandbox, slug files.
//!
//! A build is [`extract`] or [`extract_stream`] (source into `job.dir/app`), [`compile`] (packs run in the sandbox
//! that a [`Runner`] gives), [`compress`] (the slug's archive) and [`Slugs::adopt`] (the folder that dynos run from).

pub mod archive;
mod cache;
mod compile;
mod detect;
mod failure;
mod folders;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
mod handmade;
mod hashed;
mod images;
mod job;
mod layers;
mod objects;
mod output;
mod packing;
mod packs;
mod process_types;
mod release_yaml;
mod slugignore;
mod slugs;
mod step;
mod storage;
mod test_compile;
pub mod tree;
mod workplace;

pub use archive::{ArchiveError, Rules, extract, extract_stream};
pub use cache::{purge, sweep as sweep_cache};
pub use compile::compile;
pub use failure::BuildFailure;
pub use images::{ImageError, Images, LayerError, image_blob_key};
pub use job::{Built, Job, Purpose};
pub use objects::slug_key;
pub use packing::{AppFiles, Frame, compress};
pub use packs::{Packs, PacksError};
pub use slugignore::SlugignoreError;
pub use slugs::{Packed, SlugError, Slugs};
pub use step::{RunError, Runner, Step};
pub use storage::StorageError;
pub use test_compile::{TestPlace, test_compile};
