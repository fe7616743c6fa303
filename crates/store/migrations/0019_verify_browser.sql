-- The browser that a stage's checks ask for by its buildpacks in app.json; NULL: none.
ALTER TABLE slug_environment ADD COLUMN browser TEXT;
