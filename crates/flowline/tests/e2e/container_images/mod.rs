//! Container images: pushed, released, run.

mod keeping;
mod pushing;
mod refusals;
mod registry;
mod room;
mod running;
mod verifying;
