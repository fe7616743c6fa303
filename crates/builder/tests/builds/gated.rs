//! An object store whose bytes come when a test lets them.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// The store behind it, and what was asked of it.
#[derive(Debug)]
pub(crate) struct Gated {
    store: Arc<dyn ObjectStore>,
    gets: AtomicUsize,
    reading: Arc<Semaphore>,
    gate: Arc<Semaphore>,
}

impl Gated {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        let nobody = || Arc::new(Semaphore::new(0));
        Self { store, gets: AtomicUsize::new(0), reading: nobody(), gate: nobody() }
    }

    /// Until somebody waits for bytes.
    pub(crate) async fn reading(&self) {
        self.reading.acquire().await.unwrap().forget();
    }

    /// Lets all bytes through from now on.
    pub(crate) fn open(&self) {
        self.gate.close();
    }

    /// How often an object was asked for.
    pub(crate) fn gets(&self) -> usize {
        self.gets.load(Ordering::SeqCst)
    }
}

impl fmt::Display for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gated {}", self.store)
    }
}

#[async_trait]
impl ObjectStore for Gated {
    async fn get_opts(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        let found = self.store.get_opts(key, options).await?;
        let (meta, range) = (found.meta.clone(), found.range.clone());
        let (attributes, extensions) = (found.attributes.clone(), found.extensions.clone());
        let (reading, gate) = (Arc::clone(&self.reading), Arc::clone(&self.gate));
        let pass = async move {
            reading.add_permits(1);
            // Open is closed: then nobody waits.
            gate.acquire().await.is_err()
        };
        let bytes = found.into_stream();
        let payload = GetResultPayload::Stream(pass.map(move |_| bytes).flatten_stream().boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    async fn put_opts(&self, key: &Path, bytes: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.store.put_opts(key, bytes, options).await
    }

    async fn put_multipart_opts(&self, key: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(key, options).await
    }

    fn delete_stream(&self, keys: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
