# Test MCP server directly
echo '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | python mcp_server.py

# Test specific tool
echo '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_queue_status","arguments":{}}}' | python mcp_server.py

# Test with Docker
docker exec -i seedvr2 python /app/mcp_server.py << 'EOF'
{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_gpu_status","arguments":{}}}
EOF
