"""Every event the system can tell, declared once, with its renderers."""
