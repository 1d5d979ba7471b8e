"""The questions asked of a client, one check per file, run as one ordered pipeline."""
