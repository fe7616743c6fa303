//! Regions: names that clients send with an app and read back (CLI-11). One server is in one place, so they choose nothing.

/// A region by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// `us`.
    pub name: &'static str,
    /// What it is called.
    pub description: &'static str,
    /// The city or state that clients show.
    pub locale: &'static str,
    /// What clients know as its data centre.
    pub provider_region: &'static str,
}

impl Region {
    /// Those that every client knows.
    pub const ALL: [Self; 2] = [
        Self { name: "eu", description: "Europe", locale: "Ireland", provider_region: "eu-west-1" },
        Self { name: "us", description: "United States", locale: "Virginia", provider_region: "us-east-1" },
    ];
}
