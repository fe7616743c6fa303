-- What requests met while a release took over (the deploy's receipt); one that the server did not live to see has no row.
CREATE TABLE deploy_receipt (
    release_id TEXT PRIMARY KEY REFERENCES release (id) ON DELETE CASCADE,
    in_flight BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    held BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    cut_over_us BIGINT NOT NULL,
    at BIGINT NOT NULL
);

-- When an app is put to sleep, and since when it sleeps; NULL: never, and awake.
CREATE TABLE app_idle (
    app_id TEXT PRIMARY KEY REFERENCES app (id) ON DELETE CASCADE,
    sleep_after_s BIGINT,
    asleep_since BIGINT
);
