-- Errors of apps by hour: what the router's and the dynos' codes came to. process_type is empty for the router's.
CREATE TABLE error_count (
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    hour BIGINT NOT NULL,
    process_type TEXT NOT NULL,
    code TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (app_id, hour, process_type, code)
);
CREATE INDEX error_count_hour ON error_count (hour);
