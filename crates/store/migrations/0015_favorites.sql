-- The apps that somebody keeps at hand.
CREATE TABLE favorite (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    UNIQUE (account_id, app_id)
);
CREATE INDEX favorite_app ON favorite (app_id);
