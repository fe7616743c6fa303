//! Which packs build the app.

use crate::failure::BuildFailure;
use crate::output::Output;
use crate::tree;
use crate::workplace::{Chosen, Workplace};

/// The packs to build with, in order: those asked for, or the first one that wants the app.
pub(crate) async fn choose(place: &mut Workplace<'_>, output: &Output) -> Result<Vec<Chosen>, BuildFailure> {
    let asked = &place.job.buildpacks;
    match asked.as_slice() {
        [] => return Ok(vec![detect(place, output).await?]),
        [one] => output.topic(&format!("Using buildpack: {one}")).await,
        several => {
            output.topic("Using buildpacks:").await;
            for (index, reference) in several.iter().enumerate() {
                output.detail(&format!("{}. {reference}", index + 1)).await;
            }
        }
    }
    let mut chosen = Vec::new();
    for reference in asked {
        let packs = place.job.packs;
        let pack = packs
            .find(reference)
            .ok_or_else(|| BuildFailure::NoSuchPack { asked: reference.clone(), known: packs.names() })?;
        let pack = place.take(pack).map_err(BuildFailure::io("Could not copy a buildpack"))?;
        match wants(place, pack).await? {
            Some(pack) => chosen.push(pack),
            None => return Err(BuildFailure::NotCompatible(reference.clone())),
        }
    }
    Ok(chosen)
}

async fn detect(place: &mut Workplace<'_>, output: &Output) -> Result<Chosen, BuildFailure> {
    output.topic("Determining which buildpack to use for this app").await;
    let packs = place.job.packs;
    for pack in packs.detectable() {
        let pack = place.take(pack).map_err(BuildFailure::io("Could not copy a buildpack"))?;
        if let Some(pack) = wants(place, pack).await? {
            return Ok(pack);
        }
    }
    let empty = tree::is_empty(&place.app_dir()).map_err(BuildFailure::io("Could not read the source"))?;
    Err(BuildFailure::NothingDetected { empty })
}

/// Asks one pack; with its own name when it wants the app.
async fn wants(place: &Workplace<'_>, mut pack: Chosen) -> Result<Option<Chosen>, BuildFailure> {
    let build_dir = place.build_dir().display().to_string();
    let (exit, said) = place.capture(&pack, "bin/detect", vec![build_dir], &[]).await?;
    if !exit.is_success() {
        return Ok(None);
    }
    // Some packs say more than their name; the last line is the answer.
    if let Some(name) = said.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        pack.name = name.to_owned();
    }
    Ok(Some(pack))
}
