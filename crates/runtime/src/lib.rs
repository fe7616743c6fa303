//! Dynos: start, stop, observe, run to end; the sandbox itself.
