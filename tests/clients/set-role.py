import os, requests

api_key = os.environ["ECGRID_API_KEY"]
headers = {"X-API-Key": api_key}
url = os.environ["ECGRID_BASE_URL"] + "/v2/users/role"

response = requests.post(
    url,
    json={ "userId": 1042, "authLevel": "NetworkAdmin", "networkId": 1 },
    headers=headers,
)
response.raise_for_status()
print(response.json())
