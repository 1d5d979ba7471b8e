"""Every control file and environment variable, declared once."""
