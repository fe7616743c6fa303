-- Where an app's telemetry goes (LOG-31); address and headers may hold passwords.
CREATE TABLE telemetry_drain (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    signals TEXT NOT NULL,
    kind TEXT NOT NULL,
    endpoint_sealed TEXT NOT NULL,
    headers_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX telemetry_drain_app ON telemetry_drain (app_id);
