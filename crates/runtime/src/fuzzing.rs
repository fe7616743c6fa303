//! What reads other processes' bytes here, called with any bytes at all: for the targets in `fuzz/`.

use crate::keeper::{Splitter, receive};
use crate::sandbox::Report;
use crate::spec::Order;
use crate::wire::{FRAME_LIMIT_BYTES, FrameError, Frames, FromKeeper, FromNursery, ToKeeper};
use model::log::LINE_LIMIT_BYTES;

/// Messages between `serve`, the nursery and keepers: the same however they are cut, and the same again when written.
pub fn messages(bytes: &[u8]) {
    let (frames, error) = frames(bytes, bytes.len().max(1));
    for step in [1, 3, 64] {
        assert_eq!(self::frames(bytes, step), (frames.clone(), error.clone()), "cut into {step}");
    }
    for (tag, body) in &frames {
        let said = (*tag, body.as_slice());
        again(FromKeeper::read(said), FromKeeper::write, FromKeeper::read);
        again(ToKeeper::read(said), |order, out| order.write(out), ToKeeper::read);
        again(FromNursery::read(said), FromNursery::write, FromNursery::read);
    }
    assert!(Report::read(bytes).len() <= bytes.len());
    orders(bytes);
}

/// Orders to a keeper that waits for work, as plain blocking sockets bring them.
fn orders(mut bytes: &[u8]) {
    while let Ok(Some(body)) = receive(&mut bytes) {
        let Ok(order) = serde_json::from_slice::<Order>(&body) else { continue };
        let checked = order.spec.check();
        let text = serde_json::to_string(&order).unwrap_or_default();
        let same = serde_json::from_str::<Order>(&text).map(|order| (order.spec.check(), order.spec));
        assert_eq!(same.ok(), Some((checked, order.spec)), "{text}");
    }
}

fn frames(bytes: &[u8], step: usize) -> (Vec<(u8, Vec<u8>)>, Option<FrameError>) {
    let (mut frames, mut heard) = (Frames::default(), Vec::new());
    for piece in bytes.chunks(step) {
        frames.push(piece);
        loop {
            match frames.next() {
                Ok(Some((tag, body))) => heard.push((tag, body.to_vec())),
                Ok(None) => break,
                Err(error) => return (heard, Some(error)),
            }
        }
    }
    (heard, None)
}

fn again<T: Clone + PartialEq + std::fmt::Debug>(
    read: Result<T, FrameError>,
    write: impl Fn(&T, &mut Vec<u8>),
    reader: impl Fn((u8, &[u8])) -> Result<T, FrameError>,
) {
    let Ok(message) = read else { return };
    let mut bytes = Vec::new();
    write(&message, &mut bytes);
    // Text that was not UTF-8 has grown.
    if bytes.len() > FRAME_LIMIT_BYTES {
        return;
    }
    let (frames, error) = frames(&bytes, 7);
    let heard: Vec<_> = frames.iter().map(|(tag, body)| reader((*tag, body))).collect();
    assert_eq!((heard, error), (vec![Ok(message)], None));
}

/// A dyno's output in lines: no line is too long, none has a break in it, nothing is lost or made up, and it is all the
/// same however the pipe cut it. Each two bytes are a byte and how often it comes; the highest 16 numbers mean about as
/// often as a line may be long, so that little input reaches every limit.
pub fn output(bytes: &[u8]) {
    let Some((steps, runs)) = bytes.split_first() else { return };
    let mut printed = Vec::new();
    for run in runs.chunks_exact(2).take(16) {
        let times = usize::from(run[1]);
        let times = if times < 240 { times } else { LINE_LIMIT_BYTES - 248 + times };
        printed.resize(printed.len() + times, run[0]);
    }
    let whole = lines(&printed, printed.len().max(1));
    assert!(whole.iter().all(|line| line.len() <= LINE_LIMIT_BYTES && !line.contains(&b'\n')));
    let is_text = |byte: &&u8| !b"\r\n".contains(byte);
    assert!(whole.iter().flatten().filter(is_text).eq(printed.iter().filter(is_text)), "lost or made up");
    let step = 1 + usize::from(*steps) * 61;
    assert_eq!(lines(&printed, step), whole, "cut into {step}");
}

fn lines(printed: &[u8], step: usize) -> Vec<Vec<u8>> {
    let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
    printed.chunks(step).for_each(|piece| splitter.push(piece, |line| lines.push(line.to_vec())));
    splitter.finish(|line| lines.push(line.to_vec()));
    lines
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay;

    #[test]
    fn the_corpora_hold() {
        replay::each("keeper_messages", super::messages);
        replay::each("dyno_output", super::output);
    }
}
