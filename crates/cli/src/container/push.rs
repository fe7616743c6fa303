//! `container:push`: builds images of Dockerfiles and pushes them, each as HOST:PORT/APP/TYPE.

use super::dockerfile::{self, Recipe};
use super::local::Engine;
use super::pushed;
use crate::args::OnApp;
use crate::error::CliError;
use crate::session::{Chosen, Session};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The stack of apps that run images.
const CONTAINER: &str = "container";

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Push {
    /// Process types, such as web; without --recursive exactly one
    types: Vec<String>,
    /// Build each Dockerfile.TYPE of this folder and below, of these types or of all
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Variables of the build
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    arg: Vec<String>,
    /// The folder whose files a build sees; else the Dockerfile's own
    #[arg(long, value_name = "DIR")]
    context_path: Option<PathBuf>,
    /// Build everything anew
    #[arg(long)]
    no_cache: bool,
    /// The kind of machine that the server is, where this one is another: linux/amd64
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    pub(super) on: OnApp,
}

/// What is read of an app.
#[derive(Deserialize)]
struct App {
    name: String,
    stack: Named,
    build_stack: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Push {
    /// What is built; nothing has started yet.
    fn recipes(&self, folder: &Path) -> Result<Vec<Recipe>, CliError> {
        self.types.iter().try_for_each(|process_type| dockerfile::check(process_type))?;
        let context = self.context_path.as_ref().filter(|context| !folder.join(context).is_dir());
        if let Some(context) = context {
            return Err(CliError::usage(
                format!("{} is no folder.", context.display()),
                "--context-path DIR names the folder whose files the build sees.",
            ));
        }
        if let Some(bad) = self.arg.iter().find(|pair| pair.split('=').next().is_none_or(str::is_empty)) {
            return Err(CliError::usage(
                format!("`{bad}` is no variable of a build."),
                "For example: --arg ENV=live,HTTPS=on",
            ));
        }
        match self.types.as_slice() {
            types if self.recursive => dockerfile::below(folder, types),
            [process_type] => Ok(vec![dockerfile::here(folder, process_type)?]),
            _ => Err(CliError::usage(
                "Without --recursive it takes exactly one process type.",
                "Name it, such as `flowline container:push web`, which builds ./Dockerfile; --recursive builds each \
                 Dockerfile.TYPE.",
            )),
        }
    }

    /// What the engine is told to build.
    fn build<'w>(&'w self, file: &'w str, context: &'w str, image: &'w str) -> Vec<&'w str> {
        let mut words = vec!["build", "--file", file, "--tag", image];
        words.extend(self.platform.iter().flat_map(|platform| ["--platform", platform]));
        words.extend(self.no_cache.then_some("--no-cache"));
        words.extend(self.arg.iter().flat_map(|pair| ["--build-arg", pair]));
        words.push(context);
        words
    }
}

pub(super) async fn push(session: &mut Session<'_>, args: &Push) -> Result<(), CliError> {
    let chosen = session.app(&args.on)?;
    let recipes = args.recipes(&session.env.cwd)?;
    let mut engine = Engine::of(session)?;
    let app = runs_images(session, &chosen).await?;
    for Recipe { process_type, file } in &recipes {
        session.console.note(&format!("=== Building {process_type} ({})", file.display()))?;
        let own = || file.parent().unwrap_or(Path::new(".")).to_owned();
        let context = args.context_path.clone().unwrap_or_else(own);
        let (file, context) = (text(file)?, text(&context)?);
        engine.must(session, &args.build(file, context, &engine.image(&app, process_type))).await?;
    }
    engine.admit(session)?;
    let mut images = Vec::new();
    for Recipe { process_type, .. } in &recipes {
        let image = engine.image(&app, process_type);
        session.console.note(&format!("=== Pushing {process_type} as {image}"))?;
        engine.must(session, &["push", &image]).await?;
        if session.console.is_json() {
            let digest = pushed(session, &Chosen { name: app.clone() }, process_type).await?;
            images.push(json!({ "app": app, "type": process_type, "image": image, "digest": digest }));
        }
    }
    if session.console.is_json() {
        return session.console.json(&Value::from(images));
    }
    let types: Vec<&str> = recipes.iter().map(|recipe| recipe.process_type.as_str()).collect();
    let types = types.join(" ");
    session.console.note(&format!("Pushed. Now release it: flowline container:release {types} --app {app}"))
}

/// The name of the app, if it is one that images can be released to: a build may take long.
async fn runs_images(session: &Session<'_>, chosen: &Chosen) -> Result<String, CliError> {
    let answer = session.client.get(&chosen.path("")).await?;
    let app: App = session.client.read(&answer)?;
    if [&app.stack, &app.build_stack].iter().any(|stack| stack.name == CONTAINER) {
        return Ok(app.name);
    }
    Err(CliError::usage(
        format!("{} runs what is built of its code (stack {}).", app.name, app.build_stack.name),
        format!("To run images: flowline stack:set {CONTAINER} -a {}", app.name),
    ))
}

fn text(path: &Path) -> Result<&str, CliError> {
    path.to_str().ok_or_else(|| {
        CliError::usage(format!("The path {} is no text.", path.display()), "Give the file or folder another name.")
    })
}
