-- Who wrote what is built, and when each step of a change was done. A build's other moments: asked for (created_at), over (updated_at).
ALTER TABLE build ADD COLUMN committed_at BIGINT;
ALTER TABLE build ADD COLUMN commit_author TEXT;
ALTER TABLE build ADD COLUMN commit_email TEXT;
ALTER TABLE build ADD COLUMN commit_subject TEXT;
ALTER TABLE build ADD COLUMN begun_at BIGINT;
CREATE INDEX build_slug ON build (slug_id) WHERE slug_id IS NOT NULL;

-- Why a release was made, in one word; when its command began, when it was decided, when it went live.
ALTER TABLE release ADD COLUMN cause TEXT;
ALTER TABLE release ADD COLUMN begun_at BIGINT;
ALTER TABLE release ADD COLUMN decided_at BIGINT;
ALTER TABLE release ADD COLUMN live_at BIGINT;
UPDATE release SET cause = 'rollback' WHERE description LIKE 'Rollback to v%';
UPDATE release SET decided_at = updated_at WHERE status <> 'pending';
-- As far as anybody knows: what is there was live as soon as it was decided.
UPDATE release SET live_at = updated_at WHERE status = 'succeeded' AND slug_id IS NOT NULL;
CREATE INDEX release_live ON release (app_id, live_at) WHERE live_at IS NOT NULL;
CREATE INDEX release_code ON release (slug_id, app_id, live_at) WHERE live_at IS NOT NULL;

-- What of an app is broken, or was.
CREATE TABLE alarm (
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    thing TEXT NOT NULL,
    state TEXT NOT NULL,
    since BIGINT,
    mending_from BIGINT,
    failures BIGINT NOT NULL,
    author_id TEXT,
    what TEXT NOT NULL,
    first_line TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, kind, thing)
);
CREATE INDEX alarm_mending ON alarm (mending_from) WHERE state = 'mending';

-- Who is told of which alarms: of one app, of the apps of a pipeline, or of all when both are NULL. Addresses may hold a credential
-- and are sealed.
CREATE TABLE notification_route (
    id TEXT PRIMARY KEY,
    app_id TEXT REFERENCES app (id) ON DELETE CASCADE,
    pipeline_id TEXT REFERENCES pipeline (id) ON DELETE CASCADE,
    stage TEXT,
    kinds TEXT NOT NULL,
    severity TEXT NOT NULL,
    to_sealed TEXT NOT NULL,
    secret_sealed TEXT,
    after_s BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX notification_route_app ON notification_route (app_id);
CREATE INDEX notification_route_pipeline ON notification_route (pipeline_id);

-- The outbox of alarms: one row for each alarm's turn and addressee, committed with the event that turned it.
CREATE TABLE notice (
    id TEXT PRIMARY KEY,
    seq BIGINT NOT NULL UNIQUE,
    route_id TEXT REFERENCES notification_route (id) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    app_id TEXT NOT NULL,
    app_name TEXT NOT NULL,
    stage TEXT,
    kind TEXT NOT NULL,
    thing TEXT NOT NULL,
    turn TEXT NOT NULL,
    severity TEXT NOT NULL,
    what TEXT NOT NULL,
    first_line TEXT,
    author TEXT,
    since BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    withheld BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    due BIGINT,
    attempts BIGINT NOT NULL,
    why TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX notice_open ON notice (seq) WHERE state IN ('pending', 'retrying');
CREATE INDEX notice_app ON notice (app_id, seq);
CREATE INDEX notice_address ON notice (address, updated_at) WHERE state = 'sent';
CREATE INDEX notice_created ON notice (created_at);
CREATE INDEX notice_route ON notice (route_id) WHERE route_id IS NOT NULL;
