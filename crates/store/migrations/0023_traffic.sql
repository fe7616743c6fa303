-- Requests of apps by hour: how many ended with which status ("200:15 404:2"), how many were in which class of latency, and
-- how long the longest took.
CREATE TABLE traffic (
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    hour BIGINT NOT NULL,
    statuses TEXT NOT NULL,
    latency TEXT NOT NULL,
    longest_ms BIGINT NOT NULL,
    PRIMARY KEY (app_id, hour)
);
CREATE INDEX traffic_hour ON traffic (hour);
