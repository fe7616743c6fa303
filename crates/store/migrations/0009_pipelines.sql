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
