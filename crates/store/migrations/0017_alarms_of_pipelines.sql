-- When a test run had its turn, and the address of whoever wrote the commit.
ALTER TABLE test_run ADD COLUMN begun_at BIGINT;
ALTER TABLE test_run ADD COLUMN author_email TEXT;

-- Whether a release's command runs or ran stands with the release itself (begun_at): what was only about to start is started again.
UPDATE release SET begun_at = (SELECT begun_at FROM release_phase WHERE release_phase.release_id = release.id)
    WHERE status = 'pending' AND begun_at IS NULL;
DROP TABLE release_phase;
