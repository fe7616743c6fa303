-- Certificates that people bring, with their keys sealed.
CREATE TABLE sni_endpoint (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    certificate_chain TEXT NOT NULL,
    private_key_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (app_id, name)
);

-- Host names of an app beside its own; a name belongs to one app of all (ROUTE-2).
CREATE TABLE domain (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    hostname TEXT NOT NULL UNIQUE,
    target TEXT NOT NULL,
    sni_endpoint_id TEXT REFERENCES sni_endpoint (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX domain_app ON domain (app_id);
CREATE INDEX domain_sni_endpoint ON domain (sni_endpoint_id);

-- Apps that want their certificates made for them; one without a row does not.
CREATE TABLE app_acm (
    app_id TEXT PRIMARY KEY REFERENCES app (id) ON DELETE CASCADE,
    enabled_at BIGINT NOT NULL
);

-- Where logs go; the address may hold a password.
CREATE TABLE log_drain (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    token TEXT NOT NULL UNIQUE,
    url_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX log_drain_app ON log_drain (app_id);

-- The packs that an app is built with, as somebody wrote them; an app without rows is looked at (BLD-9).
CREATE TABLE buildpack_installation (
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    ordinal BIGINT NOT NULL,
    buildpack TEXT NOT NULL,
    PRIMARY KEY (app_id, ordinal)
);

-- The packs of a build, one a line, once they are known.
ALTER TABLE build ADD COLUMN buildpacks TEXT;
