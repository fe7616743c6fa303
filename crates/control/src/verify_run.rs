//! One check, from a release that comes to live to what follows from the check's end.

use crate::browser::{self, NoProgram};
use crate::output::OutputWriter;
use crate::phase::{self, Over, Terms};
use crate::sandbox::{OneOff, SandboxError};
use crate::supervisor::{Live, live};
use crate::verification::output_key;
use crate::verification_artifact::{self as artifact, Collected};
use crate::verify_end::{Outcome, finish};
use crate::{Control, journal, life, sandbox};
use model::app::App;
use model::dyno::{Dyno, DynoRole};
use model::id::VerificationId;
use model::mount::Mount;
use model::procfile::ProcessType;
use model::release::Release;
use model::verification::{Baseline, Ended, Verdict, Verification, VerificationState, judge};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use store::StoreError;

/// A request is counted a moment after its answer was sent; who ends right after the answer is not to be told that there was none.
const COUNTED_WITHIN: Duration = Duration::from_millis(300);

/// Why a check could not be run.
#[derive(Debug, thiserror::Error)]
enum NotRun {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Router(#[from] router::RouterError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("its folder of reports cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Browser(#[from] NoProgram),
}

/// Runs a check in the background, as soon as its release is live.
pub(crate) fn spawn(control: &Control, check: Verification) {
    // Made before anybody knows of it, so that a reader never misses its first line.
    let writer = control.outputs.resume(&output_key(check.id));
    let control = control.clone();
    tokio::spawn(async move {
        let outcome = match writer {
            Ok(mut writer) => {
                let outcome = run(&control, &check, &mut writer).await;
                finish(&control, &check, outcome, Some(writer)).await;
                return;
            }
            Err(error) => Outcome::unrun(Verdict::Errored, format!("its output cannot be kept: {error}")),
        };
        finish(&control, &check, outcome, None).await;
    });
}

/// Goes on with a check whose command outlived the server before this one.
fn resume(control: &Control, check: Verification, before: Baseline, dyno: Dyno, running: runtime::Dyno) {
    let writer = control.outputs.resume(&output_key(check.id));
    let control = control.clone();
    tokio::spawn(async move {
        phase::adopted(&control, &dyno, &running);
        match writer {
            Ok(mut writer) => {
                let outcome = follow(&control, &check, &before, &dyno, running, &mut writer).await;
                finish(&control, &check, outcome, Some(writer)).await;
            }
            Err(error) => {
                running.control().kill().await;
                phase::ended(&control, &dyno, model::dyno::Exit::Lost).await;
                let outcome = Outcome::unrun(Verdict::Errored, format!("its output cannot be kept: {error}"));
                finish(&control, &check, outcome, None).await;
            }
        }
    });
}

/// A check that was begun and whose command is gone.
async fn break_off(control: &Control, check: &Verification) {
    let why = "Flowline was stopped while it ran; `flowline verify:run` runs it again";
    let writer = control.outputs.resume(&output_key(check.id)).ok();
    finish(control, check, Outcome::unrun(Verdict::Errored, why), writer).await;
}

async fn run(control: &Control, check: &Verification, writer: &mut OutputWriter) -> Outcome {
    let live = tokio::select! {
        live = live(control, check.app, check.release) => live,
        why = unwanted(control, check.id) => return Outcome::unrun(Verdict::Cancelled, why),
    };
    match live {
        Live::Serving | Live::NothingToServe => {}
        Live::Crashed(why) => return Outcome::unrun(Verdict::Red, format!("the release did not come to live: {why}")),
        Live::Overtaken => return Outcome::unrun(Verdict::Cancelled, "another release took over"),
    }
    match started(control, check).await {
        Ok(Some((before, dyno, running))) => follow(control, check, &before, &dyno, running, writer).await,
        Ok(None) => Outcome::unrun(Verdict::Cancelled, "nobody waits for it any more"),
        Err(error) => Outcome::unrun(Verdict::Errored, format!("it could not be started: {error}")),
    }
}

type Started = (Baseline, Dyno, runtime::Dyno);

/// Notes what the router counted until now, and starts the command; `None` when nobody wants it any more.
async fn started(control: &Control, check: &Verification) -> Result<Option<Started>, NotRun> {
    if control.supervisor.is_ending() {
        // The next server goes on with it.
        std::future::pending::<()>().await;
    }
    let db = control.store.db();
    let Some(app) = store::app::by_id(db, check.app).await? else { return Ok(None) };
    let Some(release) = store::release::by_own_id(db, check.release).await? else { return Ok(None) };
    let about = (check.app, check.release, check.version);
    let dyno = phase::dyno(control, DynoRole::Verify, ProcessType::verify(), about, check.command.clone()).await?;
    let more = surroundings(control, check, &app, &release, &dyno).await?;
    let fared = control.router.receipt(check.app).await?;
    let before = Baseline { router_pid: fared.router_pid, ended: fared.ended_total, failed: fared.failed_total };
    let mut tx = control.store.begin().await?;
    if !store::verification::begin(&mut tx, check.id, &before, control.now()).await? {
        return Ok(None);
    }
    tx.commit().await?;
    control.phases.tell();
    let said = format!("Verifying v{} on {}", check.version, check.stage.word());
    journal::api(control, check.app, control.now(), said).await;
    match sandbox::start_with(control, &dyno, &more).await {
        Ok(running) => {
            phase::started(control, &dyno, &running).await;
            Ok(Some((before, dyno, running)))
        }
        Err(error) => {
            sandbox::clean(control, dyno.id).await;
            Err(error.into())
        }
    }
}

/// What a check finds beside the release's code and config: its stage's settings, where the app answers, where reports go.
async fn surroundings(
    control: &Control,
    check: &Verification,
    app: &App,
    release: &Release,
    dyno: &Dyno,
) -> Result<OneOff, NotRun> {
    let db = control.store.db();
    let host = control.settings.host(&app.name);
    let (mut env, mut mounts) = (BTreeMap::new(), Vec::new());
    if let Some(slug) = release.slug {
        let said = store::verify_setting::environment(db, slug, check.stage.word()).await?;
        env = said.env;
        mounts = browser::mounts(said.browser)?;
        let commit = store::slug::by_id(db, slug).await?.and_then(|slug| slug.commit);
        env.extend(commit.map(|commit| ("FLOWLINE_COMMIT".to_owned(), commit)));
    }
    let url = control.settings.web_url(&app.name);
    let known = [
        ("FLOWLINE_VERIFY_URL", url.trim_end_matches('/').to_owned()),
        ("FLOWLINE_APP", app.name.to_string()),
        ("FLOWLINE_STAGE", check.stage.word().to_owned()),
        ("FLOWLINE_RELEASE_VERSION", format!("v{}", check.version)),
        ("FLOWLINE_REPORTS", artifact::INSIDE.to_owned()),
    ];
    env.extend(known.map(|(name, value)| (name.to_owned(), value)));
    let hosts = hosts(control.settings.apps.ip(), &host, &dyno.name.to_string().replace('.', "-"));
    mounts.extend([Mount::File { to: "/etc/hosts".into(), contents: hosts }, artifact::mount(control, dyno.id)?]);
    Ok(OneOff { env, mounts, ..OneOff::default() })
}

/// The app's name leads to the router whatever the name service says: the name may not be public, or lead around a firewall that
/// this machine is behind.
fn hosts(router: IpAddr, app_host: &str, own_name: &str) -> String {
    let router = if router.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { router };
    format!(
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {own_name}\n{router} {app_host}\n"
    )
}

async fn follow(
    control: &Control,
    check: &Verification,
    before: &Baseline,
    dyno: &Dyno,
    running: runtime::Dyno,
    writer: &mut OutputWriter,
) -> Outcome {
    let terms = Terms { what: "verify command", limit: check.limit };
    let (over, lines) = phase::follow(control, dyno, running, writer, terms, unwanted(control, check.id)).await;
    lines.finish(control).await;
    let Over { exit, stopped, late, out_of_memory } = over;
    let requests = requests_since(control, check, before).await;
    let Collected { artifacts, left_out } = artifact::collect(control, dyno.id, check.id).await;
    for one in left_out {
        writer.line(&format!(" !     Not kept of the reports: {one}"));
    }
    for (name, tests) in artifacts.iter().filter_map(|one| one.kind.tests().map(|tests| (&one.name, tests))) {
        writer.line(&format!("       {name}: {tests}"));
    }
    phase::ended(control, dyno, exit).await;
    let (verdict, why) = judge(&Ended { exit, stopped, late, out_of_memory, requests }, check.limit);
    Outcome { verdict, why, requests: Some(requests), artifacts }
}

/// Waits until a check is not open any more; why.
async fn unwanted(control: &Control, id: VerificationId) -> String {
    let ask = async || {
        Ok(match store::verification::by_id(control.store.db(), id).await? {
            Some(check) if check.state.is_open() => None,
            Some(check) => Some(over_words(&check)),
            None => Some("its app is gone".to_owned()),
        })
    };
    phase::unwanted(control, &format!("verification {id}"), ask).await
}

fn over_words(check: &Verification) -> String {
    match &check.state {
        VerificationState::Over { why, .. } => why.clone(),
        VerificationState::Pending | VerificationState::Running { .. } => String::new(),
    }
}

/// Requests that the app answered since a check began, whoever sent them.
async fn requests_since(control: &Control, check: &Verification, before: &Baseline) -> u64 {
    let before = router::Receipt {
        router_pid: before.router_pid,
        ended_total: before.ended,
        failed_total: before.failed,
        ..router::Receipt::default()
    };
    let count = || async {
        match control.router.receipt(check.app).await {
            Ok(now) => {
                let fared = now.since(&before);
                fared.ended.saturating_sub(fared.failed)
            }
            Err(error) => {
                tracing::warn!(app.id = %check.app, %error, "What reached an app during its verify is not known");
                0
            }
        }
    };
    match count().await {
        0 => {
            tokio::time::sleep(COUNTED_WITHIN).await;
            count().await
        }
        some => some,
    }
}

/// For the start: goes on with the check of a dyno that outlived the server before this one; `None` when nobody waits for it.
pub(crate) async fn adopt(
    control: &Control,
    dyno: Dyno,
    running: runtime::Dyno,
) -> Result<Option<VerificationId>, StoreError> {
    let open = store::verification::open_of_app(control.store.db(), dyno.app).await?;
    let Some(check) = open.filter(|check| check.release == dyno.release) else {
        life::abandon(running.control());
        return Ok(None);
    };
    match check.state {
        VerificationState::Running { before, .. } => {
            let id = check.id;
            resume(control, check, before, dyno, running);
            Ok(Some(id))
        }
        VerificationState::Pending | VerificationState::Over { .. } => {
            life::abandon(running.control());
            Ok(None)
        }
    }
}

/// Checks that the last server did not end.
pub(crate) async fn settle(control: &Control, resumed: &[VerificationId]) -> Result<(), StoreError> {
    for check in store::verification::open(control.store.db()).await? {
        if resumed.contains(&check.id) {
            continue;
        }
        match check.state {
            VerificationState::Pending => spawn(control, check),
            VerificationState::Running { .. } => break_off(control, &check).await,
            VerificationState::Over { .. } => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_name_leads_to_the_router() {
        let text = hosts("0.0.0.0".parse().unwrap(), "shop.example.com", "verify-7");
        assert!(text.ends_with("127.0.1.1 verify-7\n127.0.0.1 shop.example.com\n"), "{text}");
        assert!(hosts("10.1.2.3".parse().unwrap(), "shop.a", "v").ends_with("10.1.2.3 shop.a\n"));
    }
}
