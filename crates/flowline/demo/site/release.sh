# The release phase: where an app migrates its database, with the config of the app that it is released to.
echo "The code wants schema ${SCHEMA_WANTED:=1}, the database is at ${SCHEMA:=1}"
[[ "$SCHEMA" -ge "$SCHEMA_WANTED" ]]
