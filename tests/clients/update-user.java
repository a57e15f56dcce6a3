import java.net.URI;
import java.net.http.*;

class UpdateUser {
    public static void main(String[] arguments) throws Exception {
        String apiKey = System.getenv("ECGRID_API_KEY");
        String body = "{ \"userId\": 1042, \"email\": \"john.smith@example.com\", \"firstName\": \"John\", \"lastName\": \"Smith\" }";

        HttpRequest request = HttpRequest.newBuilder()
            .uri(URI.create(System.getenv("ECGRID_BASE_URL") + "/v2/users"))
            .header("X-API-Key", apiKey)
            .header("Content-Type", "application/json")
            .PUT(HttpRequest.BodyPublishers.ofString(body))
            .build();

        HttpClient client = HttpClient.newHttpClient();
        HttpResponse<String> response = client.send(
            request, HttpResponse.BodyHandlers.ofString());

        System.out.println(response.body());
    }
}
