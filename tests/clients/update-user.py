import os, requests

api_key = os.environ["ECGRID_API_KEY"]
headers = {"X-API-Key": api_key}
url = os.environ["ECGRID_BASE_URL"] + "/v2/users"

response = requests.put(
    url,
    json={ "userId": 1042, "email": "john.smith@example.com", "firstName": "John", "lastName": "Smith" },
    headers=headers,
)
response.raise_for_status()
print(response.json())
