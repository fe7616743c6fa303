-- Passwords that somebody forgot: one open reset for each account. The token itself is in the mail only.
CREATE TABLE password_reset (
    account_id TEXT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    token_sha256 TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
