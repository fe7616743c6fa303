//! App features as clients see them.

use model::feature::AppFeature;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An app feature.
#[derive(Debug, Clone, Serialize)]
pub struct FeatureView {
    id: Uuid,
    name: &'static str,
    display_name: &'static str,
    description: &'static str,
    doc_url: &'static str,
    /// `general` is what `heroku features` lists, everything else is for `heroku labs`.
    state: &'static str,
    enabled: bool,
    feedback_email: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<&AppFeature> for FeatureView {
    fn from(app_feature: &AppFeature) -> Self {
        let feature = app_feature.feature;
        Self {
            id: feature.id(),
            name: feature.word(),
            display_name: feature.word(),
            description: feature.doc(),
            // The schema wants text; there is neither a page nor an address.
            doc_url: "",
            state: if feature.is_general() { "general" } else { "public" },
            enabled: app_feature.enabled,
            feedback_email: "",
            created_at: app_feature.created_at.rfc3339(),
            updated_at: app_feature.updated_at.rfc3339(),
        }
    }
}

/// Body of `PATCH /apps/{app}/features/{feature}`.
#[derive(Debug, Deserialize)]
pub struct UpdateFeature {
    /// On or off.
    pub enabled: bool,
}
