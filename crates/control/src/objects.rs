//! The object store as streams with a size limit: uploads are never half visible.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use model::time::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use std::sync::Arc;

/// Bytes on their way.
pub type ByteStream = BoxStream<'static, Result<Bytes, String>>;

/// Bytes that somebody sends.
pub struct Upload {
    /// How many are announced; 0 when nothing is.
    pub announced_bytes: u64,
    /// The bytes.
    pub body: ByteStream,
}

/// Why bytes are not stored or found.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Nothing is there.
    #[error("Nothing has been uploaded there yet")]
    Missing,
    /// More than allowed.
    #[error("The upload is larger than {limit_bytes} bytes, which is the limit")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The sender stopped.
    #[error("The upload broke off: {0}; send it again")]
    BrokeOff(String),
    /// The disk or the store failed.
    #[error("The object store failed: {0}")]
    Failed(#[from] object_store::Error),
}

/// Objects by key.
#[derive(Clone)]
pub struct Objects(pub(crate) Arc<dyn ObjectStore>);

impl Objects {
    /// Stores a stream whole or not at all; its size in bytes.
    ///
    /// # Errors
    /// A stream over the limit or broken off, a store that fails.
    pub async fn put(&self, key: &str, mut body: ByteStream, limit_bytes: u64) -> Result<u64, ObjectError> {
        let upload = self.0.put_multipart(&Path::from(key)).await?;
        let mut upload = WriteMultipart::new(upload);
        let mut size_bytes = 0;
        while let Some(chunk) = body.next().await {
            let refused = match chunk {
                Ok(chunk) => {
                    size_bytes += chunk.len() as u64;
                    upload.put(chunk);
                    (size_bytes > limit_bytes).then_some(ObjectError::TooLarge { limit_bytes })
                }
                Err(why) => Some(ObjectError::BrokeOff(why)),
            };
            if let Some(refused) = refused {
                upload.abort().await?;
                return Err(refused);
            }
            // At most this many parts in memory: the disk sets the pace.
            upload.wait_for_capacity(2).await?;
        }
        if size_bytes == 0 {
            upload.abort().await?;
            self.0.put(&Path::from(key), PutPayload::new()).await?;
            return Ok(0);
        }
        upload.finish().await?;
        Ok(size_bytes)
    }

    /// What is stored under a key.
    ///
    /// # Errors
    /// [`ObjectError::Missing`] when nothing is.
    pub async fn get(&self, key: &str) -> Result<ByteStream, ObjectError> {
        match self.0.get(&Path::from(key)).await {
            Ok(found) => Ok(found.into_stream().map(|chunk| chunk.map_err(|error| error.to_string())).boxed()),
            Err(object_store::Error::NotFound { .. }) => Err(ObjectError::Missing),
            Err(error) => Err(error.into()),
        }
    }

    /// What is stored below a prefix: keys, and when each was written.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<(String, Timestamp)>, ObjectError> {
        let found = self.0.list(Some(&Path::from(prefix)));
        let read = |meta: ObjectMeta| (meta.location.to_string(), Timestamp(meta.last_modified.timestamp_micros()));
        Ok(found.map_ok(read).try_collect().await?)
    }

    /// Is something stored under a key?
    pub(crate) async fn has(&self, key: &str) -> bool {
        self.0.head(&Path::from(key)).await.is_ok()
    }

    /// Removes what is stored under a key, if anything is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match self.0.delete(&Path::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
