-- The green test run that a build's source went through first: asked for, begun, ended. They stand with the build, because runs go
-- with their pipeline, and what the ledger tells of the past stays as it is.
ALTER TABLE build ADD COLUMN tests_asked_at BIGINT;
ALTER TABLE build ADD COLUMN tests_begun_at BIGINT;
ALTER TABLE build ADD COLUMN tests_ended_at BIGINT;
