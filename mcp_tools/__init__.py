"""What `mcp_server.py` is made of: a thin client of the REST API, its tools, and the transports."""
