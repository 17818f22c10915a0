"""Models of all that the API answers as JSON. The API document and the schemas of MCP tools are made from them."""
