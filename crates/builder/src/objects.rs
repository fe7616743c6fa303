//! Archives in the object store: whole or not at all.

use crate::storage::StorageError;
use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use std::io::{self, Read};
use std::path::Path;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::Handle;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// Objects up to this size go in one request; it is also the size of a part.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Parts in memory at once: the store sets the pace.
const PARTS_LIMIT: usize = 2;

/// Where the archive with this checksum lies in the object store.
#[must_use]
pub fn slug_key(checksum: &str) -> String {
    let hex = checksum.split_once(':').map_or(checksum, |(_, hex)| hex);
    format!("slugs/{}.tar.zst", hex.to_ascii_lowercase())
}

/// Stores a file. Nothing is visible under the key before all of it is there.
pub(crate) async fn put_file(store: &dyn ObjectStore, key: &str, file: &Path) -> Result<(), StorageError> {
    let key = Key::from(key);
    let mut file = File::open(file).await.map_err(StorageError::disk("Could not read the packed slug"))?;
    let size = file.metadata().await.map_err(StorageError::disk("Could not read the packed slug"))?.len();
    if size <= PART_BYTES as u64 {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await.map_err(StorageError::disk("Could not read the packed slug"))?;
        store.put(&key, PutPayload::from(bytes)).await.map_err(StorageError::store)?;
        return Ok(());
    }
    let upload = store.put_multipart(&key).await.map_err(StorageError::store)?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    match send(&mut file, &mut upload).await {
        Ok(()) => upload.finish().await.map(drop).map_err(StorageError::store),
        Err(error) => {
            if let Err(left) = upload.abort().await {
                tracing::warn!(%key, error = %left, "A broken upload could not be removed from the object store");
            }
            Err(error)
        }
    }
}

async fn send(file: &mut File, upload: &mut WriteMultipart) -> Result<(), StorageError> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer).await.map_err(StorageError::disk("Could not read the packed slug"))?;
        if count == 0 {
            return Ok(());
        }
        upload.wait_for_capacity(PARTS_LIMIT).await.map_err(StorageError::store)?;
        upload.write(&buffer[..count]);
    }
}

/// Is there an object of this size?
pub(crate) async fn has(store: &dyn ObjectStore, key: &str, size_bytes: u64) -> bool {
    store.head(&Key::from(key)).await.is_ok_and(|found| found.size == size_bytes)
}

/// The object as a stream; `None` when there is none.
pub(crate) async fn get(
    store: &dyn ObjectStore,
    key: &str,
) -> object_store::Result<Option<impl AsyncRead + Unpin + Send + use<>>> {
    match store.get(&Key::from(key)).await {
        Ok(found) => Ok(Some(StreamReader::new(found.into_stream().map_err(io::Error::other)))),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same for work that blocks, on a thread that the runtime gave for it.
pub(crate) fn read(store: &dyn ObjectStore, key: &str) -> Result<Option<impl Read + use<>>, StorageError> {
    let runtime = Handle::current();
    let stream = runtime.block_on(get(store, key)).map_err(StorageError::store)?;
    Ok(stream.map(|stream| SyncIoBridge::new_with_handle(stream, runtime)))
}

/// Gives an object another key.
pub(crate) async fn copy(store: &dyn ObjectStore, from: &str, to: &str) -> Result<(), StorageError> {
    store.copy(&Key::from(from), &Key::from(to)).await.map_err(StorageError::store)
}
