"""Verbs that every face calls."""
