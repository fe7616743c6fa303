-- What happened to apps, newest kept for a while. No reference to the app: its end is an event too, told after it is gone.
CREATE TABLE event (
    id TEXT PRIMARY KEY,
    seq BIGINT NOT NULL UNIQUE,
    app_id TEXT NOT NULL,
    entity TEXT NOT NULL,
    action TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_email TEXT NOT NULL,
    content TEXT NOT NULL,
    previous TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX event_app ON event (app_id, seq);
CREATE INDEX event_created ON event (created_at);

-- Subscriptions to an app's events; they outlive the app until its last event is delivered. Secrets are sealed.
CREATE TABLE webhook (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL,
    include TEXT NOT NULL,
    level TEXT NOT NULL,
    url TEXT NOT NULL,
    secret_sealed TEXT NOT NULL,
    authorization_sealed TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhook_app ON webhook (app_id);

-- The outbox: one row for each event and webhook, committed with the event.
CREATE TABLE webhook_delivery (
    id TEXT PRIMARY KEY,
    webhook_id TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    level TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT,
    attempt_id TEXT,
    attempt_code BIGINT,
    attempt_error TEXT,
    attempt_created_at BIGINT,
    attempt_updated_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhook_delivery_open ON webhook_delivery (webhook_id, seq) WHERE state IN ('pending', 'retrying');
CREATE INDEX webhook_delivery_webhook ON webhook_delivery (webhook_id);
CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id);
