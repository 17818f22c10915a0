"""A thin client of the REST API, for the command lines and for the MCP server."""
