-- Config vars whose values are never shown again.
CREATE TABLE config_var_write_only (
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (app_id, name)
);
