curl -X POST "$ECGRID_BASE_URL/v2/users/role" \
  -H "X-API-Key: $ECGRID_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{ "userId": 1042, "authLevel": "NetworkAdmin", "networkId": 1 }'
