const apiKey = process.env.ECGRID_API_KEY;
const url = process.env.ECGRID_BASE_URL + '/v2/users/role';

const response = await fetch(url, {
  method: 'POST',
  headers: {
    'X-API-Key': apiKey,
    'Content-Type': 'application/json',
  },
  body: JSON.stringify({ "userId": 1042, "authLevel": "NetworkAdmin", "networkId": 1 }),
});
const data = await response.json();
console.log(data);
