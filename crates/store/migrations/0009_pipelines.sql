-- Pipelines, the places of apps in them, and what was promoted.
CREATE TABLE pipeline (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    owner_id TEXT REFERENCES account (id),
    team_id TEXT REFERENCES team (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- One of the two owns it.
    CHECK ((owner_id IS NULL) <> (team_id IS NULL))
);
CREATE INDEX pipeline_name ON pipeline (name);
CREATE INDEX pipeline_owner ON pipeline (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX pipeline_team ON pipeline (team_id) WHERE team_id IS NOT NULL;

-- An app has one place (PIPE-5), kept by the database itself.
CREATE TABLE pipeline_coupling (
    id TEXT PRIMARY KEY,
    pipeline_id TEXT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    app_id TEXT NOT NULL UNIQUE REFERENCES app (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX pipeline_coupling_pipeline ON pipeline_coupling (pipeline_id);

CREATE TABLE pipeline_config_var (
    pipeline_id TEXT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    name TEXT NOT NULL,
    value_sealed TEXT NOT NULL,
    PRIMARY KEY (pipeline_id, stage, name)
);

-- A slug has many releases once it is promoted: whose code it is, is asked by it.
CREATE INDEX release_slug ON release (slug_id) WHERE slug_id IS NOT NULL;

-- What was promoted, for ever: it names things by text, because it outlives pipelines, apps and releases.
CREATE TABLE promotion (
    id TEXT PRIMARY KEY,
    pipeline_id TEXT NOT NULL,
    pipeline_name TEXT NOT NULL,
    by_id TEXT NOT NULL,
    by_email TEXT NOT NULL,
    source_id TEXT NOT NULL,
    source_name TEXT NOT NULL,
    release_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    slug_id TEXT NOT NULL,
    commit_sha TEXT,
    gates TEXT NOT NULL,
    secret TEXT NOT NULL,
    completed BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX promotion_pipeline ON promotion (pipeline_id, created_at);

CREATE TABLE promotion_target (
    id TEXT PRIMARY KEY,
    promotion_id TEXT NOT NULL REFERENCES promotion (id),
    app_id TEXT NOT NULL,
    app_name TEXT NOT NULL,
    place BIGINT NOT NULL,
    state TEXT NOT NULL,
    release_id TEXT,
    version BIGINT,
    why TEXT,
    in_flight BIGINT,
    requests BIGINT,
    held BIGINT,
    failed BIGINT,
    cut_over_us BIGINT,
    live_at BIGINT,
    updated_at BIGINT NOT NULL
);
CREATE INDEX promotion_target_promotion ON promotion_target (promotion_id, place);
CREATE INDEX promotion_target_release ON promotion_target (release_id) WHERE release_id IS NOT NULL;
-- One promotion at a time to an app, kept by the database itself.
CREATE UNIQUE INDEX promotion_target_open ON promotion_target (app_id) WHERE state IN ('waiting', 'releasing');
