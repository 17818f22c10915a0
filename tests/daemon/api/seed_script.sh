#!/bin/bash
BASE_URL="http://localhost:8200"

echo "=== SeedVR2 API Test Suite ==="

# 1. Health Check
echo "1. Health Check"
curl -s $BASE_URL/health | jq .

# 2. GPU Status
echo "2. GPU Status"
curl -s $BASE_URL/api/gpu/status | jq .

# 3. List Models
echo "3. List Models"
curl -s $BASE_URL/api/models | jq '{count: (.models|length), default, current}'

# 4. Switch Model
echo "4. Switch Model"
curl -s -X POST $BASE_URL/api/models/switch \
  -H "Content-Type: application/json" \
  -d '{"model": "seedvr2_ema_3b_fp8_e4m3fn.safetensors"}' | jq .

# 5. Queue Status
echo "5. Queue Status"
curl -s $BASE_URL/api/queue/status | jq .

# 6. Submit Task
echo "6. Submit Image Task"
RESP=$(curl -s -X POST $BASE_URL/api/process \
  -F "file=@test.png" \
  -F "resolution=480" \
  -F "batch_size=1")
echo "$RESP" | jq .
TASK_ID=$(echo "$RESP" | jq -r '.task_id')

# 7. Poll Status
echo "7. Polling Task Status..."
while true; do
  STATUS=$(curl -s $BASE_URL/api/status/$TASK_ID)
  STATE=$(echo "$STATUS" | jq -r '.status')
  echo "  Status: $STATE"
  [ "$STATE" = "completed" ] || [ "$STATE" = "failed" ] && break
  sleep 2
done
echo "$STATUS" | jq .

# 8. Download Result
echo "8. Download Result"
curl -s -I $BASE_URL/api/download/$TASK_ID | head -5

# 9. Queue History
echo "9. Queue History"
curl -s $BASE_URL/api/queue/history | jq .

# 10. Release GPU
echo "10. Release GPU Memory"
curl -s -X POST $BASE_URL/api/gpu/offload | jq .

echo "=== All Tests Completed ==="
