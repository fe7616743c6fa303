-- What broke, once for all who see the app: in their notifications. mended and failures stand once it works again.
CREATE TABLE user_notification (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    thing TEXT NOT NULL,
    stage TEXT,
    what TEXT NOT NULL,
    first_line TEXT,
    author TEXT,
    created_at BIGINT NOT NULL,
    mended_at BIGINT,
    mended TEXT,
    failures BIGINT
);
CREATE INDEX user_notification_app ON user_notification (app_id, created_at, id);
CREATE INDEX user_notification_created ON user_notification (created_at);

-- Who has read which. Without a row it is unread.
CREATE TABLE user_notification_read (
    notification_id TEXT NOT NULL REFERENCES user_notification (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (notification_id, account_id)
);
CREATE INDEX user_notification_read_account ON user_notification_read (account_id);

-- What is broken already is in them, too; where in a pipeline the app was and whose change it was is not known any more.
INSERT INTO user_notification (id, app_id, kind, thing, what, first_line, created_at)
    SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2))
        || '-' || hex(randomblob(6))), app_id, kind, thing, what, first_line, since
    FROM alarm WHERE state <> 'fine';
