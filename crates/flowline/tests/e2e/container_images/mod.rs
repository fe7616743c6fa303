//! Container images: pushed, released, run.

mod keeping;
mod own_commands;
mod pushing;
mod refusals;
mod registry;
mod room;
mod running;
mod verifying;
