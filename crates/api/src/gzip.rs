//! Compressed request bodies, unpacked as they come: git compresses what it sends in a fetch.

use bytes::Bytes;
use flate2::write::GzDecoder;
use futures_util::{Stream, StreamExt};
use std::collections::VecDeque;
use std::io::{self, Write};

/// Fed to the decoder at once. Deflate grows at most about 1000 times, so this bounds one step's output to some 4 MB.
const STEP_BYTES: usize = 4 * 1024;

struct Unpacking<S> {
    packed: S,
    /// `None` once the end of the input has been handled.
    decoder: Option<GzDecoder<Vec<u8>>>,
    steps: VecDeque<Bytes>,
}

/// The content of a gzip stream. It ends with an error when the stream is cut short or is no gzip.
pub(crate) fn unpack<S>(packed: S) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
{
    let start = Unpacking { packed, decoder: Some(GzDecoder::new(Vec::new())), steps: VecDeque::new() };
    futures_util::stream::unfold(start, |mut state| async move {
        let item = state.next().await?;
        if item.is_err() {
            state.decoder = None;
        }
        Some((item, state))
    })
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Unpacking<S> {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let decoder = self.decoder.as_mut()?;
            let plain = if let Some(step) = self.steps.pop_front() {
                decoder.write_all(&step).map(|()| std::mem::take(decoder.get_mut()))
            } else {
                match self.packed.next().await {
                    Some(Ok(mut chunk)) => {
                        while !chunk.is_empty() {
                            self.steps.push_back(chunk.split_to(chunk.len().min(STEP_BYTES)));
                        }
                        continue;
                    }
                    Some(Err(error)) => Err(error),
                    None => return self.decoder.take()?.finish().map(Bytes::from).map(not_empty).transpose(),
                }
            };
            match plain {
                Ok(plain) if plain.is_empty() => {}
                Ok(plain) => return Some(Ok(plain.into())),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn not_empty(plain: Bytes) -> Option<Bytes> {
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::TryStreamExt;

    async fn unpacked(packed: &[u8], chunk: usize) -> io::Result<Vec<u8>> {
        let chunks: Vec<_> = packed.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let parts: Vec<Bytes> = unpack(futures_util::stream::iter(chunks)).try_collect().await?;
        Ok(parts.concat())
    }

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn chunks_of_any_size_come_out_whole() {
        let plain: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        for chunk in [1, 7, 65_536] {
            assert!(unpacked(&packed(&plain), chunk).await.unwrap() == plain, "{chunk}");
        }
        assert_eq!(unpacked(&packed(b""), 3).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_cut_or_false_stream_is_an_error() {
        let whole = packed(&[7; 10_000]);
        assert!(unpacked(&whole[..whole.len() - 5], 9).await.is_err());
        assert!(unpacked(b"plain text, no gzip", 9).await.is_err());
        assert!(unpacked(b"", 9).await.is_err());
    }
}
