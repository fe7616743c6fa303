//! Finding the dynos of an earlier `serve`.

use crate::dyno::Dyno;
use crate::error::RuntimeError;
use crate::folder::{self, Folder};
use crate::ports::Ports;
use crate::runtime::Adopted;
use std::path::Path;
use std::sync::Arc;

/// Every dyno that has a folder. What never came to run leaves nothing.
pub(crate) async fn all(dynos: &Path, ports: &Arc<Ports>) -> Result<Vec<Adopted>, RuntimeError> {
    let mut adopted = Vec::new();
    for (_, folder) in folder::all(dynos).map_err(RuntimeError::folder(dynos))? {
        if let Some(dyno) = one(&folder, ports).await {
            adopted.push(dyno);
        } else {
            folder.remove().map_err(RuntimeError::folder(folder.path()))?;
        }
    }
    Ok(adopted)
}

/// `None`: it was never started, or could not be.
async fn one(folder: &Folder, ports: &Arc<Ports>) -> Option<Adopted> {
    let order = folder.read_order().ok()?;
    let port = order.addr.map(|addr| ports.claim(addr.port()));
    let dyno = Dyno::attach(&order.spec.name, folder.clone(), port).await.ok()?;
    Some(Adopted { spec: order.spec, dyno })
}
