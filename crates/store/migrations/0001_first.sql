-- One text for SQLite and PostgreSQL: TEXT ids, BIGINT microseconds, sealed values as base64 text.
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    token_sha256 TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE app (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    owner_id TEXT NOT NULL REFERENCES account (id),
    region TEXT NOT NULL,
    stack TEXT NOT NULL,
    maintenance BOOLEAN NOT NULL,
    had_web BOOLEAN NOT NULL,
    buildpack TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE config_var (
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value_sealed TEXT NOT NULL,
    PRIMARY KEY (app_id, name)
);

CREATE TABLE slug (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    checksum TEXT,
    size_bytes BIGINT NOT NULL,
    process_types TEXT NOT NULL,
    commit_sha TEXT,
    commit_description TEXT,
    buildpack TEXT,
    stack TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX slug_app ON slug (app_id);

CREATE TABLE release (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    status TEXT NOT NULL,
    description TEXT NOT NULL,
    slug_id TEXT REFERENCES slug (id),
    by_id TEXT NOT NULL REFERENCES account (id),
    output_secret TEXT,
    config_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (app_id, version)
);
CREATE INDEX release_pending ON release (status) WHERE status = 'pending';

CREATE TABLE build (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    by_id TEXT NOT NULL REFERENCES account (id),
    source_url TEXT NOT NULL,
    source_version TEXT,
    source_description TEXT,
    source_checksum TEXT,
    stack TEXT NOT NULL,
    secret TEXT NOT NULL,
    state TEXT NOT NULL,
    slug_id TEXT REFERENCES slug (id) ON DELETE CASCADE,
    why TEXT,
    release_id TEXT REFERENCES release (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX build_app ON build (app_id, created_at);
-- One build at a time per app (BLD-5), kept by the database itself.
CREATE UNIQUE INDEX build_one_pending ON build (app_id) WHERE state = 'pending';

CREATE TABLE formation (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    process_type TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    size TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (app_id, process_type)
);

CREATE TABLE source (
    id TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
