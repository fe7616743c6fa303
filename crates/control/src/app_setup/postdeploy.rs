//! The postdeploy command: once, in a one-off dyno with the app's config, after the first release (APPJSON-6).

use super::over;
use crate::gate::Authorized;
use crate::output::OutputWriter;
use crate::phase::{self, Over, Terms};
use crate::sandbox::{self, OneOff};
use crate::{Control, journal, life};
use model::app::App;
use model::app_setup::{AppSetup, Failure, POSTDEPLOY_LIMIT_S, POSTDEPLOY_OUTPUT_LIMIT_BYTES, Postdeploy, Ran};
use model::dyno::{Dyno, DynoName, DynoRole, DynoSize, DynoState};
use model::id::AppSetupId;
use model::procfile::ProcessType;
use std::time::Duration;
use store::StoreError;

/// What its dyno is called.
const NAME: &str = "postdeploy";

/// Outputs of postdeploy commands begin with this; they are kept with the setup when the command has ended.
const OUTPUT: &str = "setup-";

fn output_key(id: AppSetupId) -> String {
    format!("{OUTPUT}{id}")
}

/// Runs the command and ends the setup with what came of it.
pub(super) async fn run(control: &Control, app: &Authorized<App>, setup: &AppSetup, command: &Postdeploy) {
    let ended = match begin(control, app, setup, command).await {
        Ok((dyno, running, mut writer)) => {
            control.registry.insert(dyno.clone(), Some(running.control()));
            journal::dyno(control, app.id, &dyno.name, "State changed from starting to up").await;
            return see_through(control, setup.id, &dyno, running, &mut writer).await;
        }
        Err(failure) => failure,
    };
    control.outputs.remove_if_there(&output_key(setup.id));
    over(control, setup.id, Err(ended), None).await;
}

async fn begin(
    control: &Control,
    app: &Authorized<App>,
    setup: &AppSetup,
    command: &Postdeploy,
) -> Result<(Dyno, runtime::Dyno, OutputWriter), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("scripts.postdeploy could not be run: {error}"));
    let dyno = record(control, app, command).await.map_err(|error| failed(&error.why))?;
    let noted = note_dyno(control, setup, &dyno).await.map_err(|error| failed(&error))?;
    if !noted {
        return Err(failed(&"it was begun before"));
    }
    let writer = control.outputs.create(&output_key(setup.id)).map_err(|error| failed(&error))?;
    let said = format!("Starting process with command `{}` by user {}", dyno.command, app.by().email);
    journal::api(control, app.id, control.now(), said).await;
    journal::dyno(control, app.id, &dyno.name, format!("Starting process with command `{}`", dyno.command)).await;
    let more = OneOff { env: command.env.clone(), ..OneOff::default() };
    match sandbox::start_with(control, &dyno, &more).await {
        Ok(running) => Ok((dyno, running, writer)),
        Err(error) => {
            sandbox::clean(control, dyno.id).await;
            Err(failed(&error))
        }
    }
}

async fn record(control: &Control, app: &App, command: &Postdeploy) -> Result<Dyno, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let wanted = crate::supervisor::wanted(control, app.id).await.map_err(|error| failed(&error))?;
    let wanted = wanted.ok_or_else(|| failed(&"the app has no release with code"))?;
    let process_type: ProcessType = NAME.parse().map_err(|error| failed(&error))?;
    let size = command.size.as_deref().map_or(Ok(DynoSize::Standard1X), str::parse).map_err(|error| failed(&error))?;
    let now = control.now();
    Ok(Dyno {
        id: control.world.new_id(),
        app: app.id,
        name: DynoName { process_type, number: control.one_off_number() },
        role: DynoRole::OneOff,
        size,
        command: command.command.clone(),
        release: wanted.release,
        version: wanted.version,
        addr: None,
        state: DynoState::Up,
        since: now,
        created_at: now,
        retired: false,
    })
}

async fn note_dyno(control: &Control, setup: &AppSetup, dyno: &Dyno) -> Result<bool, StoreError> {
    let mut tx = control.store.begin().await?;
    let noted = store::app_setup::set_dyno(&mut tx, setup.id, dyno.id, control.now()).await?;
    tx.commit().await?;
    Ok(noted)
}

/// Goes on with a command that outlived the server before this one. Gives the dyno back when it is no postdeploy command's.
pub(crate) async fn adopt(
    control: &Control,
    dyno: &Dyno,
    running: runtime::Dyno,
) -> Result<Option<runtime::Dyno>, StoreError> {
    let Some(setup) = store::app_setup::by_dyno(&control.store, dyno.id).await? else { return Ok(Some(running)) };
    control.registry.adopt(dyno.clone(), Some(running.control()));
    let (control, dyno) = (control.clone(), dyno.clone());
    tokio::spawn(async move {
        match control.outputs.resume(&output_key(setup.id)) {
            Ok(mut writer) => see_through(&control, setup.id, &dyno, running, &mut writer).await,
            Err(error) => {
                tracing::error!(app_setup.id = %setup.id, %error, "The output of scripts.postdeploy cannot be kept");
                life::kill(&running.control());
                end(&control, setup.id, &dyno, Over::LOST).await;
            }
        }
    });
    Ok(None)
}

/// Is somebody with its command already?
pub(super) fn is_followed(control: &Control, setup: &AppSetup) -> bool {
    setup.dyno.is_some_and(|dyno| control.registry.state(dyno).is_some())
}

/// Removes the outputs of commands that are over.
pub(super) async fn sweep(control: &Control) -> Result<(), StoreError> {
    let pending: Vec<String> =
        store::app_setup::pending(&control.store).await?.iter().map(|setup| output_key(setup.id)).collect();
    for (key, _, _) in control.outputs.written() {
        if key.starts_with(OUTPUT) && !pending.contains(&key) {
            control.outputs.remove(&key);
        }
    }
    Ok(())
}

/// From its start, or this server's, to the end of the setup.
async fn see_through(
    control: &Control,
    id: AppSetupId,
    dyno: &Dyno,
    running: runtime::Dyno,
    writer: &mut OutputWriter,
) {
    let terms = Terms { what: "postdeploy command", limit: Duration::from_secs(POSTDEPLOY_LIMIT_S) };
    let (over, lines) = phase::follow(control, dyno, running, writer, terms, std::future::pending()).await;
    end(control, id, dyno, over).await;
    lines.finish(control).await;
}

async fn end(control: &Control, id: AppSetupId, dyno: &Dyno, Over { exit, stopped, late, .. }: Over) {
    let key = output_key(id);
    let output = control.outputs.tail(&key, POSTDEPLOY_OUTPUT_LIMIT_BYTES).unwrap_or_else(|error| {
        tracing::warn!(app_setup.id = %id, %error, "The output of scripts.postdeploy cannot be read");
        String::new()
    });
    journal::dyno(control, dyno.app, &dyno.name, format!("Process exited with status {}", exit.status())).await;
    journal::dyno(control, dyno.app, &dyno.name, "State changed from up to complete").await;
    let ran = Ran { output, exit_code: exit.status() };
    let ended = match (exit.is_success(), late, stopped) {
        (true, false, false) => Ok(()),
        (_, true, _) => Err(Failure::new(format!("scripts.postdeploy ran longer than {POSTDEPLOY_LIMIT_S} seconds"))),
        (_, _, true) => Err(Failure::new("scripts.postdeploy was stopped".to_owned())),
        (false, ..) => Err(Failure::new(format!("scripts.postdeploy exited with status {}", exit.status()))),
    };
    over(control, id, ended, Some(ran)).await;
    control.outputs.remove_if_there(&key);
    sandbox::clean(control, dyno.id).await;
    // Last: who waits for the end of its dyno finds the setup decided.
    control.registry.remove(dyno.id);
}
