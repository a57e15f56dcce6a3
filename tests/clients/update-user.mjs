const apiKey = process.env.ECGRID_API_KEY;
const url = process.env.ECGRID_BASE_URL + '/v2/users';

const response = await fetch(url, {
  method: 'PUT',
  headers: {
    'X-API-Key': apiKey,
    'Content-Type': 'application/json',
  },
  body: JSON.stringify({ "userId": 1042, "email": "john.smith@example.com", "firstName": "John", "lastName": "Smith" }),
});
const data = await response.json();
console.log(data);
