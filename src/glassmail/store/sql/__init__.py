"""Accounts in SQLite, PostgreSQL or MariaDB: one schema, one way to ask, chosen by a file."""
