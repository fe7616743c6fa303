-- Answers to requests that came with a key (Idempotency-Key), sealed; NULL while the first one is being answered.
CREATE TABLE idempotency (
    authorization_id TEXT NOT NULL,
    name TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    answer_sealed TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (authorization_id, name)
);
CREATE INDEX idempotency_created ON idempotency (created_at);
