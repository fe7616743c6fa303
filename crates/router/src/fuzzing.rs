//! The readers of what strangers send, for the fuzz targets: none of them may panic, and what is understood is written
//! down in a form that is understood the same way again.

use crate::chunks::Chunks;
use crate::request::{self, Found, Scan};
use crate::wire::{self, Notice, Order};
use bytes::BytesMut;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A client's request head. `true`: it is passed on.
#[must_use]
pub fn request_head(bytes: &[u8]) -> bool {
    let (mut whole, mut halves) = (Scan::default(), Scan::default());
    let found = whole.look(bytes);
    let (first, _) = bytes.split_at(bytes.len() / 2);
    let early = halves.look(first);
    assert!(early == Found::More || early == found, "the end of a head depends on how it arrives");
    assert!(early != Found::More || halves.look(bytes) == found, "the end of a head depends on how it arrives");
    let head = if let Found::Head(length) = found { &bytes[..length] } else { bytes };
    let request = request::read(head, Vec::new());
    for field in &request.fields {
        assert!(!request.name(field).is_empty() && !request.value(field).contains(&b'\n'), "a field out of its line");
        let _ = request.is_named(request.name(field));
    }
    matches!(found, Found::Head(_)) && request.refused.is_none()
}

/// A chunked body. `true`: it is complete.
#[must_use]
pub fn chunked(bytes: &[u8]) -> bool {
    let (mut chunks, mut buffer) = (Chunks::new(true), BytesMut::from(bytes));
    let Ok(ready) = chunks.read(&mut buffer, 0) else { return false };
    let (mut again, mut canonical) = (Chunks::new(true), BytesMut::from(&buffer[..ready]));
    let same = again.read(&mut canonical, 0);
    assert!(same == Ok(ready) && canonical[..] == buffer[..ready], "what came out is not read as it was meant");
    chunks.is_done()
}

/// Frames of the router's control socket, as either side reads them. `true`: the first one is understood.
#[must_use]
pub fn link_message(bytes: &[u8]) -> bool {
    let order = at_once(wire::read::<Order>(&mut &*bytes));
    let notice = at_once(wire::read::<Notice>(&mut &*bytes));
    let lines = crate::outbox::read(bytes);
    matches!(order, Some(Ok(Some(_)))) || matches!(notice, Some(Ok(Some(_)))) || lines.is_some()
}

/// Reading from memory never waits.
fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}
