"""Run the stations without effects and tell."""
