//! What the last server left: dynos are adopted, what did not outlive it ends with its reason.

use crate::registry::Mark;
use crate::{
    Control, app_setup, attach, build_end, life, promotion_target, release_phase, sandbox, test_end, verify_run,
};
use model::dyno::{Dyno, DynoRole, DynoState};
use model::id::{AppId, ReleaseId, VerificationId};
use runtime::Adopted;
use std::collections::HashSet;
use std::path::Path;
use store::StoreError;

/// What of the last server's goes on.
#[derive(Default)]
pub(crate) struct Resumed {
    /// Releases whose commands run.
    pub(crate) releases: Vec<ReleaseId>,
    /// Checks whose commands run.
    pub(crate) verifications: Vec<VerificationId>,
    /// Dynos that were told to end, or were about to be.
    pub(crate) ending: Vec<Dyno>,
}

/// Dynos that outlived the last server go on; what a dead one left is cleared.
pub(crate) async fn adopt(control: &Control, adopted: Vec<Adopted>) -> Result<Resumed, StoreError> {
    let mut resumed = Resumed::default();
    let mut kept = Vec::new();
    let asleep: HashSet<AppId> =
        store::idle::asleep(control.store.db()).await?.into_iter().map(|(app, _)| app).collect();
    for Adopted { spec, mark, dyno: running } in adopted {
        let handle = running.control();
        let Some(mut dyno) = sandbox::from_labels(&spec, running.addr) else {
            // A step of a build that nobody waits for any more.
            life::abandon(handle);
            continue;
        };
        kept.push(dyno.id.to_string());
        // One that serves already must not be taken for one that boots: its requests would be held.
        if let Some(addr) = running.addr
            && runtime::accepts(addr).await
        {
            dyno.state = if handle.is_frozen() { DynoState::Idle } else { DynoState::Up };
        }
        match mark.as_deref().and_then(Mark::of) {
            Some(Mark::Retired) => dyno.retired = true,
            Some(Mark::Ending) => dyno.state = DynoState::Stopping,
            None => {}
        }
        if handle.is_lost() && dyno.role == DynoRole::Formation && asleep.contains(&dyno.app) {
            // It ended while there was no server, as when the machine was started anew: that is no crash.
            dyno.state = DynoState::Stopping;
        }
        match dyno.role {
            DynoRole::Formation | DynoRole::OneOff => {
                let Some(running) = app_setup::adopt(control, &dyno, running).await? else { continue };
                if dyno.state == DynoState::Stopping && !handle.is_lost() {
                    resumed.ending.push(dyno.clone());
                }
                if spec.attach.is_some() {
                    attach::adopt(control, &dyno, handle);
                }
                life::adopt(control, dyno, running, sandbox::time_to_live(&spec));
            }
            DynoRole::Release => match store::release::by_own_id(control.store.db(), dyno.release).await? {
                Some(release) => {
                    resumed.releases.push(release.id);
                    release_phase::resume(control, release, dyno, running);
                }
                None => life::abandon(handle),
            },
            DynoRole::Verify => resumed.verifications.extend(verify_run::adopt(control, dyno, running).await?),
            DynoRole::Build => life::abandon(handle),
        }
    }
    if !kept.is_empty() {
        tracing::info!(dynos = kept.len(), "Dynos that outlived the last server were adopted");
    }
    clear(&control.settings.dir.join("scratch"), &kept);
    clear(&control.settings.dir.join("builds"), &[]);
    Ok(resumed)
}

/// Removes what lies in a folder but for some names.
fn clear(folder: &Path, keep: &[String]) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if !keep.iter().any(|name| entry.file_name().to_str() == Some(name))
            && let Err(error) = runtime::remove_dir(&entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "A left-over folder was not removed");
        }
    }
}

/// Builds and release commands that did not outlive the last server end here, with the reason.
pub(crate) async fn settle(control: &Control, resumed: &Resumed) -> Result<(), StoreError> {
    for build in store::build::pending(control.store.db()).await? {
        let why = match store::build::cancelled_by(control.store.db(), build.id).await? {
            Some(by) => format!("The build was cancelled by {by}"),
            None => "Flowline was stopped during the build; push again".to_owned(),
        };
        build_end::break_off(control, &build, &why).await;
    }
    test_end::break_off(control).await?;
    for release in store::release::pending(control.store.db()).await? {
        if !resumed.releases.contains(&release.id) {
            release_phase::settle(control, &release).await?;
        }
    }
    promotion_target::resume(control).await
}
