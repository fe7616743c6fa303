-- Which blobs of images an app may use. Their bytes lie in the object store, once for all apps.
CREATE TABLE image_blob (
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, digest)
);
CREATE INDEX image_blob_digest ON image_blob (digest);

-- Manifests as they were pushed. names: the blobs or manifests in it, as JSON; image: what a dyno needs of it, as JSON, where one
-- can run it; image_id: the digest of its configuration; platform_digest: of an index, the manifest for this machine.
CREATE TABLE image_manifest (
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    process_type TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content TEXT NOT NULL,
    names TEXT NOT NULL,
    image TEXT,
    image_id TEXT,
    platform_digest TEXT,
    pushed_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, process_type, digest)
);
CREATE INDEX image_manifest_image ON image_manifest (app_id, image_id);

CREATE TABLE image_tag (
    app_id TEXT NOT NULL,
    process_type TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (app_id, process_type, tag),
    FOREIGN KEY (app_id, process_type, digest)
        REFERENCES image_manifest (app_id, process_type, digest) ON DELETE CASCADE
);
CREATE INDEX image_tag_digest ON image_tag (app_id, process_type, digest);

-- The images that a slug runs, by process type, as JSON; without them it is an archive.
ALTER TABLE slug ADD COLUMN images TEXT;
