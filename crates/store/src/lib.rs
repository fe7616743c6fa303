//! The SQL: one file per noun, migrations, outbox.
