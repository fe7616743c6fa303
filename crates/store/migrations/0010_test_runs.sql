-- Test runs, numbered per pipeline. A run that a push began belongs to its app as long as the app is there.
CREATE TABLE test_run (
    id TEXT PRIMARY KEY,
    pipeline_id TEXT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    app_id TEXT REFERENCES app (id) ON DELETE SET NULL,
    by_id TEXT NOT NULL REFERENCES account (id),
    commit_branch TEXT NOT NULL,
    commit_message TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    source_url TEXT NOT NULL,
    clear_cache BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    why TEXT,
    during TEXT,
    exit_code BIGINT,
    warning TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (pipeline_id, number)
);
-- One push at a time is tested per app, kept by the database itself, as it is for builds (BLD-5).
CREATE UNIQUE INDEX test_run_one_push ON test_run (app_id)
    WHERE app_id IS NOT NULL AND state IN ('pending', 'creating', 'building', 'running');
CREATE INDEX test_run_open ON test_run (state) WHERE state IN ('pending', 'creating', 'building', 'running');

CREATE TABLE test_node (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES test_run (id) ON DELETE CASCADE,
    place BIGINT NOT NULL,
    secret TEXT NOT NULL,
    state TEXT NOT NULL,
    why TEXT,
    during TEXT,
    exit_code BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (run_id, place)
);

CREATE TABLE test_case (
    id TEXT PRIMARY KEY,
    node_id TEXT NOT NULL REFERENCES test_node (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    description TEXT NOT NULL,
    diagnostic TEXT NOT NULL,
    directive TEXT NOT NULL,
    passed BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX test_case_node ON test_case (node_id, number);
CREATE INDEX test_case_created ON test_case (created_at);

-- What of a pipeline's tests is a setting; without a row it is the default.
CREATE TABLE test_gate (
    pipeline_id TEXT PRIMARY KEY REFERENCES pipeline (id) ON DELETE CASCADE,
    enabled BOOLEAN NOT NULL,
    time_limit_s BIGINT NOT NULL
);
