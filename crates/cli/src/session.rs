//! One command under way: its surroundings, its streams, its server, the app it is about.

use crate::args::{OnApp, Print};
use crate::client::{Client, segment};
use crate::console::Console;
use crate::env::Env;
use crate::error::CliError;
use crate::remote;
use crate::server::Server;
use serde_json::Value;

/// What every command is given.
pub(crate) struct Session<'a> {
    pub(crate) env: &'a Env,
    pub(crate) console: &'a mut Console,
    pub(crate) client: Client,
}

/// The app a command is about, by name or id.
pub(crate) struct Chosen {
    pub(crate) name: String,
}

impl Chosen {
    /// `/apps/NAME` and what follows.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/apps/{}{rest}", segment(&self.name))
    }
}

impl<'a> Session<'a> {
    pub(crate) fn open(env: &'a Env, console: &'a mut Console, print: Print) -> Result<Self, CliError> {
        console.set_json(print.json);
        Ok(Self { env, console, client: Client::new(Server::choose(env)?) })
    }

    /// Ends what was begun; with `--json`, the API's answer follows.
    pub(crate) fn done(&mut self, how: &str, answer: &Value) -> Result<(), CliError> {
        self.console.end(how)?;
        if self.console.is_json() { self.console.json(answer) } else { Ok(()) }
    }

    /// `-a`, else `-r`, else FLOWLINE_APP, else the folder's git remotes: the order heroku has.
    pub(crate) fn app(&self, on: &OnApp) -> Result<Chosen, CliError> {
        let named = on.app.clone().or_else(|| if on.remote.is_none() { self.env.app.clone() } else { None });
        let name = match named {
            Some(name) => name,
            None => {
                let remotes = remote::list(&self.env.cwd);
                remote::app_of(&remotes, &self.client.server.url, on.remote.as_deref())?
            }
        };
        if name.is_empty() {
            return Err(CliError::usage(
                "The app's name is empty.",
                "Name it with -a APP; `flowline apps` lists yours.",
            ));
        }
        Ok(Chosen { name })
    }
}
