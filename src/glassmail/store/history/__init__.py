"""The history: what happened to every message and session, one SQLite file per day."""
