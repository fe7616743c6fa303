-- Who asked for the end of a build that is under way; it is over when nothing of it runs any more.
ALTER TABLE build ADD COLUMN cancelled_by TEXT;
