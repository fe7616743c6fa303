-- What must hold before something is deployed to a stage. The gates as flowline.yml has them, in JSON.
CREATE TABLE stage_policy (
    pipeline_id TEXT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    gates TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (pipeline_id, stage)
);

-- The same as the code had it when it was built.
CREATE TABLE slug_policy (
    slug_id TEXT PRIMARY KEY REFERENCES slug (id) ON DELETE CASCADE,
    file TEXT NOT NULL
);

CREATE TABLE stage_lock (
    pipeline_id TEXT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    account_id TEXT NOT NULL,
    email TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (pipeline_id, stage)
);

-- A yes of one person to one release for one stage.
CREATE TABLE approval (
    pipeline_id TEXT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    release_id TEXT NOT NULL REFERENCES release (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL,
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (pipeline_id, stage, release_id, account_id)
);

-- What a check said last of a commit.
CREATE TABLE commit_check (
    pipeline_id TEXT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    commit_sha TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    description TEXT,
    url TEXT,
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (pipeline_id, commit_sha, name)
);
CREATE INDEX commit_check_name ON commit_check (pipeline_id, name, updated_at);

-- What never was on an app may be promoted to it without anybody asking.
CREATE INDEX promotion_target_app ON promotion_target (app_id);
