"""The queue of record: SQLite rows and body files, one writer, durable on every promise."""
