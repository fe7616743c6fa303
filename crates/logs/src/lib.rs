//! Lines in, history, tails out.
