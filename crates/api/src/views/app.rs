//! The app as clients see it, and what they send to make or change one.

use crate::link::Links;
use crate::views::Named;
use control::app::AppDetail;
use model::app::AppName;
use model::id::{AppId, TeamId};
use model::team::Team;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An app, in `GET /apps/{app}` and everywhere else.
#[derive(Debug, Clone, Serialize)]
pub struct AppView {
    id: AppId,
    name: AppName,
    owner: Owner,
    region: Named,
    stack: Named,
    build_stack: Named,
    generation: Named,
    git_url: String,
    web_url: Option<String>,
    maintenance: bool,
    buildpack_provided_description: Option<String>,
    released_at: Option<String>,
    slug_size: Option<u64>,
    created_at: String,
    updated_at: String,
    acm: bool,
    archived_at: Option<String>,
    base_image_name: Option<String>,
    buildpacks: Option<()>,
    current_build_architecture: [String; 0],
    internal_routing: Option<bool>,
    organization: Option<TeamRef>,
    repo_size: Option<u64>,
    space: Option<()>,
    team: Option<TeamRef>,
}

impl AppView {
    /// The app with its addresses.
    #[must_use]
    pub fn new(detail: &AppDetail, links: &Links) -> Self {
        let app = &detail.app;
        Self {
            id: app.id,
            name: app.name.clone(),
            owner: Owner::of(detail),
            region: Named::region(&app.region),
            stack: Named::stack(app.stack.as_str()),
            build_stack: Named::stack(app.stack.as_str()),
            generation: Named::cedar(),
            git_url: links.git(&app.name),
            web_url: Some(detail.web_url.clone()),
            maintenance: app.maintenance,
            buildpack_provided_description: app.buildpack.clone(),
            released_at: detail.released_at.map(Timestamp::rfc3339),
            slug_size: detail.slug_size_bytes,
            created_at: app.created_at.rfc3339(),
            updated_at: app.updated_at.rfc3339(),
            acm: detail.acm,
            archived_at: None,
            base_image_name: None,
            buildpacks: None,
            current_build_architecture: [],
            internal_routing: None,
            organization: detail.team.as_ref().map(TeamRef::from),
            repo_size: None,
            space: None,
            team: detail.team.as_ref().map(TeamRef::from),
        }
    }
}

/// An app as `/teams/apps` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct TeamAppView {
    #[serde(flatten)]
    app: AppView,
    locked: bool,
    /// Was the one who asks added to it?
    joined: bool,
}

impl TeamAppView {
    /// The app with its addresses.
    #[must_use]
    pub fn new(detail: &AppDetail, links: &Links, joined: bool) -> Self {
        Self { app: AppView::new(detail, links), locked: detail.app.locked, joined }
    }
}

/// `{id, name}` of a team.
#[derive(Debug, Clone, Serialize)]
pub struct TeamRef {
    id: TeamId,
    name: String,
}

impl From<&Team> for TeamRef {
    fn from(team: &Team) -> Self {
        Self { id: team.id, name: team.name.to_string() }
    }
}

/// Clients tell a team's app by the address of its owner, and take the team's name from it.
const TEAM_DOMAIN: &str = "herokumanager.com";

/// Who owns an app: an account, or a team.
#[derive(Debug, Clone, Serialize)]
struct Owner {
    id: Uuid,
    email: String,
}

impl Owner {
    fn of(detail: &AppDetail) -> Self {
        match &detail.team {
            Some(team) => Self { id: team.id.0, email: format!("{}@{TEAM_DOMAIN}", team.name) },
            None => Self { id: detail.owner.id.0, email: detail.owner.email.clone() },
        }
    }
}

/// Body of `POST /apps`. Keys of other products (`space`, `team` …) are not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateApp {
    /// Absent or null: a generated name.
    pub name: Option<String>,
    /// A name, or `{name}`.
    pub region: Option<NameOrObject>,
    /// A name, or `{name}`.
    pub stack: Option<NameOrObject>,
}

/// Body of `POST /teams/apps`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateTeamApp {
    /// Absent or null: a generated name.
    pub name: Option<String>,
    /// The team, by name or id.
    pub team: Option<NameOrObject>,
    /// The same by its older name.
    pub organization: Option<NameOrObject>,
    /// One's own, whatever `team` says.
    pub personal: Option<bool>,
    /// May the team's members only look until they are added?
    pub locked: Option<bool>,
    /// A name, or `{name}`.
    pub region: Option<NameOrObject>,
    /// A name, or `{name}`.
    pub stack: Option<NameOrObject>,
}

/// Body of `PATCH /teams/apps/{app}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateTeamApp {
    /// May the team's members only look until they are added?
    pub locked: Option<bool>,
    /// A team's name, or an e-mail.
    pub owner: Option<NameOrObject>,
}

/// Body of `PATCH /apps/{app}`; an empty one changes nothing (CLI-30).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateApp {
    /// The new name.
    pub name: Option<String>,
    /// Show the maintenance page or not.
    pub maintenance: Option<bool>,
    /// A name, or `{name}`.
    pub build_stack: Option<NameOrObject>,
}

/// Clients name things in two ways: `"us"` and `{"name": "us"}`; an id stands where a name does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a name, or an object with a name or an id")]
pub enum NameOrObject {
    /// `"us"`.
    Name(String),
    /// `{"name": "us"}`.
    Named {
        /// The name.
        name: String,
    },
    /// `{"id": "…"}`.
    WithId {
        /// The id.
        id: String,
    },
}

impl NameOrObject {
    /// The name or the id, whichever was given.
    #[must_use]
    pub fn into_text(self) -> String {
        match self {
            Self::Name(text) | Self::Named { name: text } | Self::WithId { id: text } => text,
        }
    }
}

/// Body of `POST /filters/apps`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FilterApps {
    /// The ids that are wanted.
    #[serde(rename = "in")]
    pub among: AmongApps,
}

/// Which apps are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AmongApps {
    /// Their ids.
    pub id: Vec<String>,
}
