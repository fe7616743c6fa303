//! A whole Flowline on port 0 with real parts.
