//! Which pushed images are kept, and which blobs of them.

use crate::id::AppId;
use crate::image::Digest;
use crate::procfile::ProcessType;
use crate::retention::ORPHAN_AGE;
use crate::time::Timestamp;
use std::collections::BTreeSet;

/// The tag that clients push, and release.
pub const LATEST: &str = "latest";

/// A manifest, as far as its keeping goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Whose.
    pub app: AppId,
    /// Of which repository of the app.
    pub process_type: ProcessType,
    /// Of its bytes.
    pub digest: Digest,
    /// The blobs or manifests that it names.
    pub names: Vec<Digest>,
    /// Is it what [`LATEST`] stands for?
    pub latest: bool,
    /// When it was pushed last.
    pub at: Timestamp,
}

/// A blob that an app may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Whose.
    pub app: AppId,
    /// Of its bytes.
    pub digest: Digest,
    /// When it was pushed or asked for last: whoever was told that it is there must find it a moment later.
    pub at: Timestamp,
}

/// The manifests that go: not the latest, nor named by one that is, nor released (`released`: manifests of slugs whose code is kept),
/// and an hour old, so that nobody is just pushing them.
#[must_use]
pub fn stale<'a>(pushed: &'a [Pushed], released: &BTreeSet<(AppId, Digest)>, now: Timestamp) -> Vec<&'a Pushed> {
    let mut stays: BTreeSet<(AppId, &ProcessType, &Digest)> = BTreeSet::new();
    for one in pushed {
        let kept = one.latest || released.contains(&(one.app, one.digest.clone())) || now.since(one.at) < ORPHAN_AGE;
        if kept {
            stays.insert((one.app, &one.process_type, &one.digest));
            stays.extend(one.names.iter().map(|named| (one.app, &one.process_type, named)));
        }
    }
    pushed.iter().filter(|one| !stays.contains(&(one.app, &one.process_type, &one.digest))).collect()
}

/// The blobs that an app may no longer use: that none of its manifests names, nor a slug of it (`named`), an hour after anybody
/// asked for them.
#[must_use]
pub fn unnamed<'a>(blobs: &'a [Blob], named: &BTreeSet<(AppId, Digest)>, now: Timestamp) -> Vec<&'a Blob> {
    let old = |blob: &&Blob| now.since(blob.at) >= ORPHAN_AGE;
    blobs.iter().filter(old).filter(|blob| !named.contains(&(blob.app, blob.digest.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn digest(of: u8) -> Digest {
        Digest::of_hash(&[of; 32])
    }

    fn app(of: u128) -> AppId {
        AppId(uuid::Uuid::from_u128(of))
    }

    fn pushed(of: u8, latest: bool, names: &[u8]) -> Pushed {
        let names = names.iter().map(|&of| digest(of)).collect();
        let process_type = ProcessType::web();
        Pushed { app: app(1), process_type, digest: digest(of), names, latest, at: Timestamp(0) }
    }

    #[test]
    fn the_latest_and_the_released_stay_with_what_they_name() {
        // 1: an index, the latest, of 2 and 3. 4: released. 5: neither. 6: of another repository.
        let elsewhere = Pushed { process_type: ProcessType::release(), ..pushed(2, false, &[]) };
        let all = [
            pushed(1, true, &[2, 3]),
            pushed(2, false, &[20]),
            pushed(3, false, &[30]),
            pushed(4, false, &[40]),
            pushed(5, false, &[50]),
            elsewhere,
        ];
        let released = BTreeSet::from([(app(1), digest(4)), (app(2), digest(5))]);
        let gone =
            |at: Duration| stale(&all, &released, Timestamp(0).plus(at)).into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(gone(ORPHAN_AGE), all[4..].to_vec());
        assert_eq!(gone(ORPHAN_AGE - Duration::from_secs(1)), []);
    }

    #[test]
    fn a_blob_stays_while_its_own_app_names_it_or_asked_for_it() {
        let blob = |of: u128, at: i64| Blob { app: app(of), digest: digest(7), at: Timestamp(at) };
        let all = [blob(1, 0), blob(2, 0), blob(3, 1)];
        let named = BTreeSet::from([(app(1), digest(7))]);
        let now = Timestamp(0).plus(ORPHAN_AGE);
        assert_eq!(unnamed(&all, &named, now), [&all[1]]);
    }
}
