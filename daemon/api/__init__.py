"""The REST API: bottle on waitress, one file of routes a topic."""
