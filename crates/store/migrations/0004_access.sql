-- Who may do what: tokens beside accounts, passwords, teams, collaborators; and the audit log of it all.
ALTER TABLE account ADD COLUMN name TEXT;
ALTER TABLE account ADD COLUMN password TEXT;
ALTER TABLE account ADD COLUMN two_factor_sealed TEXT;
ALTER TABLE account ADD COLUMN two_factor BOOLEAN NOT NULL DEFAULT FALSE;
-- The last thirty-second step whose code was taken: no code is good twice.
ALTER TABLE account ADD COLUMN two_factor_step BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN operator BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE account ADD COLUMN last_login BIGINT;
UPDATE account SET operator = TRUE WHERE email = 'admin@localhost';

CREATE TABLE account_recovery (
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    code_sha256 TEXT NOT NULL,
    PRIMARY KEY (account_id, code_sha256)
);

CREATE TABLE oauth_client (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- One row is one token, or one that a client may fetch with its code. Tokens are kept as SHA-256 only.
CREATE TABLE oauth_authorization (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    client_id TEXT REFERENCES oauth_client (id) ON DELETE CASCADE,
    description TEXT,
    session BOOLEAN NOT NULL,
    scope TEXT NOT NULL,
    token_sha256 TEXT UNIQUE,
    expires_at BIGINT,
    refresh_sha256 TEXT UNIQUE,
    grant_sha256 TEXT UNIQUE,
    grant_expires_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX oauth_authorization_account ON oauth_authorization (account_id);

-- account.token_sha256 is not read from here on: it holds the account's id, because it must be unique.
INSERT INTO oauth_authorization (id, account_id, description, session, scope, token_sha256, created_at, updated_at)
    SELECT id, id, 'First token', FALSE, 'global', token_sha256, created_at, updated_at FROM account;
UPDATE account SET token_sha256 = id;

CREATE TABLE ssh_key (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    fingerprint TEXT NOT NULL UNIQUE,
    comment TEXT NOT NULL,
    public_key TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX ssh_key_account ON ssh_key (account_id);

CREATE TABLE team (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE team_member (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL REFERENCES team (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (team_id, account_id)
);
CREATE INDEX team_member_account ON team_member (account_id);

CREATE TABLE team_invitation (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL REFERENCES team (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    by_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    token_sha256 TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (team_id, email)
);

ALTER TABLE app ADD COLUMN team_id TEXT REFERENCES team (id);
ALTER TABLE app ADD COLUMN locked BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX app_owner ON app (owner_id);
CREATE INDEX app_team ON app (team_id) WHERE team_id IS NOT NULL;

CREATE TABLE collaborator (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    permissions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (app_id, account_id)
);
CREATE INDEX collaborator_account ON collaborator (account_id);

CREATE TABLE app_transfer (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    owner_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    recipient_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
-- One open offer for an app, kept by the database itself.
CREATE UNIQUE INDEX app_transfer_pending ON app_transfer (app_id) WHERE state = 'pending';

-- Every change, asked and answered: each row has the hash of the one before it. It names things by text, because it outlives them.
CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    path TEXT NOT NULL,
    app_id TEXT,
    stage TEXT NOT NULL,
    status BIGINT,
    content TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_app ON audit (app_id, number) WHERE app_id IS NOT NULL;
