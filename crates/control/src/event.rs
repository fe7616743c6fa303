//! Events: every change of an app's resources, noted in the transaction of the change itself, together with what is to be
//! delivered of it (invariant 7).
//!
//! A noun that changes something calls [`note`] before its commit:
//!
//! ```ignore
//! let change = Change::create(Resource::Domain(&app, &domain));
//! event::note(control, &mut tx, app.by().id, &change).await?;
//! ```
//!
//! A new noun gets a variant of [`Resource`]; the compiler then asks for its view in `api`.

use crate::app::AppDetail;
use crate::build::BuildDetail;
use crate::collaborator::Access;
use crate::domain::DomainDetail;
use crate::formation::FormationDetail;
use crate::pipeline_coupling::CouplingDetail;
use crate::promotion::TargetDetail;
use crate::release::ReleaseDetail;
use crate::sni_endpoint::SniEndpointDetail;
use crate::test_run::TestRunDetail;
use crate::verification::VerificationDetail;
use crate::{Control, Settings, alarm};
use model::app::App;
use model::delivery::{Delivery, DeliveryState};
use model::dyno::Dyno;
use model::event::{Action, Actor, Entity, Event, KEPT_FOR};
use model::id::{AccountId, AppId, AttemptId};
use model::notice::Notice;
use model::time::Timestamp;
use model::webhook::Webhook;
use std::time::Duration;
use store::{StoreError, Tx};

/// What changed, as it is at that moment.
#[derive(Debug, Clone, Copy)]
pub enum Resource<'a> {
    /// The app itself.
    App(&'a AppDetail),
    /// A build.
    Build(&'a BuildDetail),
    /// A release of this app.
    Release(&'a App, &'a ReleaseDetail),
    /// The formation entry of a process type of this app.
    Formation(&'a App, &'a FormationDetail),
    /// Somebody's access to this app.
    Collaborator(&'a App, &'a Access),
    /// A custom domain of this app.
    Domain(&'a App, &'a DomainDetail),
    /// A certificate of this app.
    SniEndpoint(&'a App, &'a SniEndpointDetail),
    /// A dyno of this app.
    Dyno(&'a App, &'a Dyno),
    /// A check of a release of this app.
    Verification(&'a App, &'a VerificationDetail),
    /// A test run of what was pushed to this app.
    TestRun(&'a App, &'a TestRunDetail),
    /// A promotion to this app.
    PromotionTarget(&'a App, &'a TargetDetail),
    /// The place of this app in a pipeline.
    PipelineCoupling(&'a App, &'a CouplingDetail),
}

impl Resource<'_> {
    /// What clients subscribe to.
    #[must_use]
    pub fn entity(&self) -> Entity {
        match self {
            Self::App(_) => Entity::App,
            Self::Build(_) => Entity::Build,
            Self::Release(..) => Entity::Release,
            Self::Formation(..) => Entity::Formation,
            Self::Collaborator(..) => Entity::Collaborator,
            Self::Domain(..) => Entity::Domain,
            Self::SniEndpoint(..) => Entity::SniEndpoint,
            Self::Dyno(..) => Entity::Dyno,
            Self::Verification(..) => Entity::Verification,
            Self::TestRun(..) => Entity::TestRun,
            Self::PromotionTarget(..) => Entity::PromotionTarget,
            Self::PipelineCoupling(..) => Entity::PipelineCoupling,
        }
    }

    fn app(&self) -> AppId {
        match self {
            Self::App(detail) => detail.app.id,
            Self::Build(detail) => detail.build.app,
            Self::Release(app, _)
            | Self::Formation(app, _)
            | Self::Domain(app, _)
            | Self::Collaborator(app, _)
            | Self::SniEndpoint(app, _)
            | Self::Dyno(app, _)
            | Self::Verification(app, _)
            | Self::TestRun(app, _)
            | Self::PromotionTarget(app, _)
            | Self::PipelineCoupling(app, _) => app.id,
        }
    }
}

/// One change.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What became of it.
    pub action: Action,
    /// The resource after the change; what was destroyed, as it was.
    pub now: Resource<'a>,
    /// The same before an update.
    pub before: Option<Resource<'a>>,
}

impl<'a> Change<'a> {
    /// It is new.
    #[must_use]
    pub fn create(now: Resource<'a>) -> Self {
        Self { action: Action::Create, now, before: None }
    }

    /// It was otherwise before.
    #[must_use]
    pub fn update(before: Resource<'a>, now: Resource<'a>) -> Self {
        Self { action: Action::Update, now, before: Some(before) }
    }

    /// It is gone.
    #[must_use]
    pub fn destroy(was: Resource<'a>) -> Self {
        Self { action: Action::Destroy, now: was, before: None }
    }
}

/// A change as JSON texts.
#[derive(Debug, Clone)]
pub struct Content {
    /// The resource after the change.
    pub now: String,
    /// What of it was different before.
    pub previous: String,
}

/// What one attempt at a delivery sends.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    /// What happened.
    pub event: &'a Event,
    /// To whom it is told.
    pub webhook: &'a Webhook,
    /// Its way there.
    pub delivery: &'a Delivery,
    /// This attempt.
    pub attempt: AttemptId,
}

/// How events look outside. Wire JSON exists only in `api`, which hands this over at the start.
#[derive(Debug, Clone, Copy)]
pub struct Wire {
    /// A change, in the shape of the API.
    pub content: fn(&Settings, &Change<'_>) -> Content,
    /// A notification's body (HOOK-4).
    pub body: fn(&Notification<'_>) -> String,
    /// The body of notices of alarms that go together.
    pub notices: fn(&[Notice]) -> String,
}

/// Numbers of deliveries that an event has: more than there are webhooks of one app.
const PLACES: i64 = 16;

/// Notes a change, and what is to be delivered of it, as part of the change.
///
/// # Errors
/// When the database fails.
pub(crate) async fn note(control: &Control, tx: &mut Tx, by: AccountId, change: &Change<'_>) -> Result<(), StoreError> {
    let email = store::account::by_id(tx.db(), by).await?.map(|account| account.email).unwrap_or_default();
    let content = (control.wire.content)(&control.settings, change);
    let event = Event {
        id: control.world.new_id(),
        sequence: store::event::next_sequence(tx).await?,
        app: change.now.app(),
        entity: change.now.entity(),
        action: change.action,
        actor: Actor { id: by, email },
        content: content.now,
        previous: content.previous,
        created_at: control.now(),
    };
    store::event::insert(tx, &event).await?;
    let webhooks = store::webhook::list(tx.db(), event.app).await?;
    for (place, webhook) in (0_i64..).zip(&webhooks) {
        if webhook.include.contains(&event.entity) {
            store::delivery::insert(tx, &delivery(control, webhook, &event, place)).await?;
        }
    }
    alarm::noted(control, tx, by, change).await
}

fn delivery(control: &Control, webhook: &Webhook, event: &Event, place: i64) -> Delivery {
    Delivery {
        id: control.world.new_id(),
        webhook: webhook.id,
        level: webhook.level,
        event: event.id,
        entity: event.entity,
        sequence: event.sequence.saturating_mul(PLACES).saturating_add(place),
        state: DeliveryState::Pending,
        attempts: 0,
        last: None,
        created_at: event.created_at,
        updated_at: event.created_at,
    }
}

/// Removes what is kept no longer: old events, all but an app's newest, and the webhooks of apps that are gone.
pub(crate) async fn sweep(control: &Control) -> Result<(), StoreError> {
    let kept_us = i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX);
    let mut tx = control.store.begin().await?;
    let old = store::event::delete_older(&mut tx, Timestamp(control.now().0.saturating_sub(kept_us))).await?;
    let orphans = store::webhook::delete_orphans(&mut tx).await?;
    let before = Timestamp(control.now().0.saturating_sub(kept_us));
    store::alarm::forget_branches(&mut tx, before).await?;
    let old_notices = store::notice::delete_older(&mut tx, before).await?;
    store::user_notification::delete_older(&mut tx, before).await?;
    tx.commit().await?;
    let mut surplus = 0;
    for app in store::event::crowded(control.store.db()).await? {
        let mut tx = control.store.begin().await?;
        surplus += store::event::delete_surplus(&mut tx, app).await?;
        tx.commit().await?;
    }
    if old + surplus + orphans + old_notices > 0 {
        tracing::info!(
            old,
            surplus,
            webhooks = orphans,
            notices = old_notices,
            "Removed events, notices, and webhooks of apps that are gone"
        );
    }
    Ok(())
}

/// After a failure of the database.
pub(crate) const RETRY: Duration = Duration::from_secs(1);
