-- What an app has switched on or off; a feature without a row is off.
CREATE TABLE app_feature (
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, name)
);

-- Since when a slug's files are gone (RLS-11); NULL while they are kept.
ALTER TABLE slug ADD COLUMN expired_at BIGINT;
