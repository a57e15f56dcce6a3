curl -X PUT "$ECGRID_BASE_URL/v2/users" \
  -H "X-API-Key: $ECGRID_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{ "userId": 1042, "email": "john.smith@example.com", "firstName": "John", "lastName": "Smith" }'
