//! `flowline demo`: the way of a change to production, by itself. It uses nothing that the user could not type.

mod server;
mod site;
mod way;

use crate::args::Demo;
use crate::logging;
use server::Server;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// The app in production, and the pipeline.
const APP: &str = "hello";

/// The app in staging.
const STAGING: &str = "hello-staging";

/// Why the demo ends early.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("The server did not start:\n{0}")]
    NotStarted(String),
    #[error("`{0}` failed; see above")]
    Step(String),
    #[error("`{0}` was to be stopped, and was not; see above")]
    NotStopped(String),
    #[error("The app answered with `{0}`; see `flowline logs -a {APP}`")]
    Answer(String),
    #[error("The server ended by itself; its log: {0}")]
    Ended(PathBuf),
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
}

fn io_error(what: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |error| DemoError::Io(what, error)
}

pub(crate) fn main(args: &Demo) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => logging::fail(&error.to_string()),
    }
}

fn say(text: &str) {
    // A closed terminal stops nobody's app.
    let _unheard = writeln!(io::stdout().lock(), "{text}");
}

fn run(args: &Demo) -> Result<(), DemoError> {
    say(&format!("-----> Starting Flowline on {}", args.data.display()));
    let mut server = Server::start(args)?;
    let shown = show(args, &mut server);
    let lasted = match &shown {
        Ok(()) if !args.once => {
            say("\nCtrl-C stops everything; `make run` brings it back as it was.");
            server.wait_for_ctrl_c()
        }
        Ok(()) | Err(_) => Ok(()),
    };
    say("-----> Stopping: dynos finish what they hold");
    server.stop()?;
    shown.and(lasted)
}

fn show(args: &Demo, server: &mut Server) -> Result<(), DemoError> {
    if server.has_code(APP)? {
        say(&format!("-----> {APP} is here from the last time, and starts again"));
        let answer = server.visit(APP)?;
        say(&format!("-----> It answers: {}", answer.trim()));
    } else {
        way::walk(server, &args.data.join("demo").join(APP))?;
    }
    next_steps(server);
    Ok(())
}

fn next_steps(server: &Server) {
    let program = server.exe.display();
    say(&format!(
        "\n  {APP}      http://{APP}.localhost:{}\n  API        {}\n  log        {}\n\n\
         Push your own app, in another terminal, in its git repository:\n\n    \
         {program} login --url {} <{}\n    {program} create my-app\n    git push flowline HEAD:main\n\n\
         Then look around: {program} pipelines:info {APP}, {program} logs --tail, {program} releases",
        server.apps.port(),
        server.api,
        server.log.display(),
        server.api,
        server.token_path().display(),
    ));
}
