//! Finding the dynos of an earlier `serve`.

use crate::dyno::Dyno;
use crate::error::RuntimeError;
use crate::folder::{self, Folder};
use crate::meeting::{Unmet, connect, meet};
use crate::network::Network;
use crate::ports::{Ports, Seat};
use crate::runtime::Adopted;
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// Every dyno that has a folder. What never came to run leaves nothing.
pub(crate) async fn all(
    dynos: &Path,
    ports: &Arc<Ports>,
    network: &Arc<Network>,
) -> Result<Vec<Adopted>, RuntimeError> {
    let mut adopted = Vec::new();
    for (_, folder) in folder::all(dynos).map_err(RuntimeError::folder(dynos))? {
        adopted.extend(one(folder, ports, network).await?);
    }
    Ok(adopted)
}

async fn one(folder: Folder, ports: &Arc<Ports>, network: &Arc<Network>) -> Result<Option<Adopted>, RuntimeError> {
    let Ok(order) = folder.read_order() else {
        // Its keeper was killed before it could start anything, or somebody was just removing it.
        folder.remove().map_err(RuntimeError::folder(folder.path()))?;
        return Ok(None);
    };
    let own = order.own.map(|ip| network.claim(ip));
    let mark = folder.read_mark();
    let met = match connect(&folder).await {
        Ok(stream) => meet(stream).await,
        Err(_nobody_listens) => Err(Unmet::Gone),
    };
    let dyno = match met {
        Ok(met) => Dyno::of(met, folder, Seat { port: order.addr.map(|addr| ports.claim(addr.port())), own }),
        // It has left everything in the folder.
        Err(Unmet::Gone) => Dyno::read_back(folder, Seat { port: None, own }),
        Err(Unmet::Refused(why)) => {
            // Its keeper removes the folder, if it is one that could not start it.
            warn!(dyno.name = order.spec.name, "Cannot take {} over: {why}", order.spec.name);
            return Ok(None);
        }
    };
    Ok(Some(Adopted { spec: order.spec, mark, dyno }))
}
