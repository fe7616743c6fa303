-- What an app's code says of single stages: from app.json, with the slug. No row: nothing.
CREATE TABLE slug_environment (
    slug_id TEXT NOT NULL REFERENCES slug (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    verify TEXT,
    env TEXT NOT NULL,
    PRIMARY KEY (slug_id, stage)
);

-- What follows from an app's checks, and how long they may run; NULL: as its stage has it, or as always.
CREATE TABLE verify_setting (
    app_id TEXT PRIMARY KEY REFERENCES app (id) ON DELETE CASCADE,
    policy TEXT,
    limit_s BIGINT
);

-- The same for all apps of a stage.
CREATE TABLE verify_stage_setting (
    pipeline_id TEXT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    policy TEXT,
    limit_s BIGINT,
    PRIMARY KEY (pipeline_id, stage)
);

-- Checks of releases on the running server. What the router had counted when one began outlives the server that began it.
CREATE TABLE verification (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    release_id TEXT NOT NULL REFERENCES release (id) ON DELETE CASCADE,
    by_id TEXT NOT NULL REFERENCES account (id),
    stage TEXT NOT NULL,
    policy TEXT NOT NULL,
    command TEXT NOT NULL,
    limit_s BIGINT NOT NULL,
    secret TEXT NOT NULL,
    state TEXT NOT NULL,
    why TEXT,
    requests BIGINT,
    before_router_pid BIGINT,
    before_ended BIGINT,
    before_failed BIGINT,
    started_at BIGINT,
    rollback_release_id TEXT REFERENCES release (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (app_id, number)
);
-- One at a time.
CREATE UNIQUE INDEX verification_open ON verification (app_id) WHERE state IN ('pending', 'running');
CREATE INDEX verification_release ON verification (release_id, number);
CREATE INDEX verification_rollback ON verification (rollback_release_id) WHERE rollback_release_id IS NOT NULL;

-- What a check left in its folder of reports; the files lie in `reports/<verification>/<number>` of the data folder.
CREATE TABLE verification_artifact (
    verification_id TEXT NOT NULL REFERENCES verification (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    tests BIGINT,
    failed BIGINT,
    skipped BIGINT,
    failed_names TEXT,
    PRIMARY KEY (verification_id, number)
);

-- Release commands that began. A release that is pending and not in here waits for its turn.
CREATE TABLE release_phase (
    release_id TEXT PRIMARY KEY REFERENCES release (id) ON DELETE CASCADE,
    begun_at BIGINT NOT NULL
);

-- How long an app's release commands may run (NULL: as always), and whether two may run at once.
CREATE TABLE release_phase_setting (
    app_id TEXT PRIMARY KEY REFERENCES app (id) ON DELETE CASCADE,
    limit_s BIGINT,
    at_once BOOLEAN NOT NULL
);
