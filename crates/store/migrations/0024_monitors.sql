-- Monitors: between which quantities the dynos of a process type are scaled, and for which response time.
CREATE TABLE monitor (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    process_type TEXT NOT NULL,
    is_active BOOLEAN NOT NULL,
    min_quantity BIGINT NOT NULL,
    max_quantity BIGINT NOT NULL,
    p95_ms BIGINT NOT NULL,
    name TEXT NOT NULL,
    reminds BOOLEAN NOT NULL,
    notification_period_min BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (app_id, process_type)
);
