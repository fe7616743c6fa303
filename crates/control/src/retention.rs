//! Makes room: code that nothing goes back to any more, and what was printed long ago (RLS-7, RLS-11).

use crate::{Control, disk, journal, sweep, test_run};
use model::budget::{Spare, over_budget};
use model::disk::amount;
use model::id::{AppId, BuildId, ReleaseId, SlugId, TestNodeId, VerificationId};
use model::release::ReleaseStatus;
use model::retention::{self, Code, OutputOf, name_versions, output_stays};
use model::slug::Slug;
use model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::UNIX_EPOCH;
use store::StoreError;

/// Expires slugs whose time is over: noted first, in one transaction with the choice, so that no release is made of one;
/// then the files go.
pub(crate) async fn slugs(control: &Control) -> Result<(), StoreError> {
    let db = control.store.db();
    if over(control, store::slug::present(db).await?, &store::release::codes(db).await?).is_empty() {
        return Ok(());
    }
    let mut tx = control.store.begin().await?;
    let codes = store::release::codes(tx.db()).await?;
    let over = over(control, store::slug::present(tx.db()).await?, &codes);
    for slug in &over {
        store::slug::expire(&mut tx, slug.id, control.now()).await?;
    }
    tx.commit().await?;
    let mut gone = BTreeMap::new();
    for slug in over {
        let freed_bytes = remove(control, &slug).await;
        gone.insert(slug.id, (slug.app, freed_bytes));
    }
    tell(control, &codes, &gone).await;
    Ok(())
}

fn over(control: &Control, present: Vec<Slug>, codes: &[Code]) -> Vec<Slug> {
    let count = control.settings.budgets.kept_slugs;
    retention::expired(&present, codes, &control.registry.releases(), count, control.now())
        .into_iter()
        .cloned()
        .collect()
}

/// Removes a slug's files from this machine and the object store; what that freed, in bytes.
async fn remove(control: &Control, slug: &Slug) -> u64 {
    let folder = control.settings.dir.join("slugs").join(slug.id.to_string());
    let (slugs, id) = (control.slugs.clone(), slug.id);
    let removed = tokio::task::spawn_blocking(move || {
        let freed_bytes = disk::taken_bytes(&folder);
        slugs.forget(id).map(|()| freed_bytes)
    });
    let freed_bytes = match removed.await {
        Ok(Ok(freed_bytes)) => freed_bytes,
        Ok(Err(error)) => {
            tracing::warn!(slug.id = %slug.id, %error, "An old slug was not removed; the next sweep tries again");
            0
        }
        Err(error) => {
            tracing::error!(slug.id = %slug.id, %error, "Removing an old slug ended in a panic");
            0
        }
    };
    let archive = match &slug.checksum {
        Some(checksum) => sweep::unused_archive(control, checksum).await,
        None => false,
    };
    freed_bytes + if archive { slug.size_bytes } else { 0 }
}

/// Says in the log of every app what it cannot go back to any more.
async fn tell(control: &Control, codes: &[Code], gone: &BTreeMap<SlugId, (AppId, u64)>) {
    let mut versions: BTreeMap<AppId, Vec<i64>> = BTreeMap::new();
    for code in codes.iter().filter(|code| gone.contains_key(&code.slug) && code.status == ReleaseStatus::Succeeded) {
        versions.entry(code.app).or_default().push(code.version);
    }
    let mut freed: BTreeMap<AppId, u64> = BTreeMap::new();
    for (app, freed_bytes) in gone.values() {
        *freed.entry(*app).or_default() += freed_bytes;
    }
    let kept = control.settings.budgets.kept_slugs;
    let apps: BTreeSet<AppId> = versions.keys().chain(freed.keys()).copied().collect();
    for app in apps {
        let freed = amount(freed.get(&app).copied().unwrap_or_default());
        let text = match versions.get_mut(&app) {
            Some(versions) => {
                versions.sort_unstable();
                let versions = name_versions(versions);
                format!(
                    "Removed the code of {versions} to make room ({freed}); the {kept} newest can be rolled back to"
                )
            }
            None => format!("Removed code that no release of this app can run to make room ({freed})"),
        };
        tracing::info!(app.id = %app, "{text}");
        journal::api(control, app, control.now(), text).await;
    }
}

/// Removes outputs of builds and release commands that are old and of no release that is kept, then the oldest while all
/// together are over their budget. `at_start`: nobody is just making one, so those of nobody go whatever their age.
pub(crate) async fn outputs(control: &Control, at_start: bool) -> Result<(), StoreError> {
    // The files first: one that is made meanwhile is not looked at, one that is listed has its row by then.
    let written = control.outputs.written();
    // As a writer: whoever makes a file and then its row has done both.
    let mut tx = control.store.begin().await?;
    let builds: BTreeMap<BuildId, Option<ReleaseId>> = store::build::releases(tx.db()).await?.into_iter().collect();
    let checks: BTreeMap<VerificationId, ReleaseId> =
        store::verification::releases(tx.db()).await?.into_iter().collect();
    let codes = store::release::codes(tx.db()).await?;
    let nodes: BTreeSet<TestNodeId> = store::test_node::ids(tx.db()).await?.into_iter().collect();
    // What tests told of goes with what they printed.
    let told = control.now().0 - i64::try_from(retention::OUTPUT_LIFE.as_micros()).unwrap_or(i64::MAX);
    store::test_case::forget_older(&mut tx, Timestamp(told)).await?;
    tx.commit().await?;
    let slugs = retention::kept(&codes, &BTreeSet::new(), control.settings.budgets.kept_slugs);
    let releases: BTreeMap<ReleaseId, bool> =
        codes.iter().map(|code| (code.release, slugs.contains(&code.slug))).collect();
    let of_release =
        |id: &ReleaseId| releases.get(id).map(|kept| if *kept { OutputOf::KeptRelease } else { OutputOf::Other });
    let mut stay = Vec::new();
    for (key, at, bytes) in &written {
        let of = if let Some(id) = key.strip_prefix("build-").and_then(|id| id.parse().ok()) {
            builds.get(&id).map(|release| release.as_ref().and_then(of_release).unwrap_or(OutputOf::Other))
        } else if let Some(id) = key.strip_prefix("release-").and_then(|id| id.parse().ok()) {
            of_release(&id)
        } else if let Some(id) = test_run::node_of(key) {
            nodes.contains(&id).then_some(OutputOf::Other)
        } else if let Some(id) = key.strip_prefix("verify-").and_then(|id| id.parse().ok()) {
            checks.get(&id).and_then(of_release)
        } else {
            // Not ours.
            continue;
        };
        let Ok(at) = at.duration_since(UNIX_EPOCH) else { continue };
        let at = Timestamp(0).plus(at);
        let age = control.now().since(at);
        if of.is_none() && at_start || !output_stays(of.unwrap_or(OutputOf::Nobody), age) {
            control.outputs.remove(key);
        } else if age >= retention::ORPHAN_AGE {
            // One that is being written stays.
            stay.push(Spare { what: key.as_str(), bytes: *bytes, used_at: at.0 });
        }
    }
    for old in over_budget(stay, control.settings.budgets.outputs_bytes) {
        tracing::info!(
            output = old.what,
            freed_bytes = old.bytes,
            "Removed an output: all together were over their budget"
        );
        control.outputs.remove(old.what);
    }
    Ok(())
}
