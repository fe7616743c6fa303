//! Platform API v3, git smart HTTP; wire types; the one error mapping.
