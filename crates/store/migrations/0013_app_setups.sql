-- Apps that are made of a source and its app.json. What comes after the build is sealed: it holds environment of a command.
CREATE TABLE app_setup (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    by_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed')),
    why TEXT,
    manifest_errors TEXT,
    build_id TEXT,
    plan_sealed TEXT,
    dyno_id TEXT UNIQUE,
    output TEXT,
    exit_code BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK ((state = 'failed') = (why IS NOT NULL)),
    CHECK ((build_id IS NULL) = (plan_sealed IS NULL)),
    CHECK ((output IS NULL) = (exit_code IS NULL))
);
CREATE INDEX app_setup_app ON app_setup (app_id);
CREATE INDEX app_setup_pending ON app_setup (state) WHERE state = 'pending';
