//! Container images: pushed, released, run.

mod keeping;
mod pushing;
mod refusals;
mod registry;
mod running;
