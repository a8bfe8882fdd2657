// Run a Worker from start to file: start, callback, poll, page, export.
//
//     FYKE_KEY=... FYKE_WORKER=owner/website-content-crawler java Run.java results.csv
//
// Java 11 or newer, nothing else. See ../README.md for the variables.

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Run {
  static final String URL = env("FYKE_URL", "http://127.0.0.1:8100");
  static final String KEY = System.getenv("FYKE_KEY");
  static final String WORKER = System.getenv("FYKE_WORKER");
  static final String INPUT = env("FYKE_INPUT", "{}");
  static final String SECRET = env("FYKE_WEBHOOK_SECRET", "");
  static final int PORT = Integer.parseInt(env("FYKE_CALLBACK_PORT", "8099"));
  static final int SUCCEEDED = 3; // 4 failed, 5 aborted
  static final int PAGE_SIZE = 100;

  static final HttpClient CLIENT =
      HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

  static String env(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  /** POST and return "data"; wait and try again while the platform says "too many requests". */
  @SuppressWarnings("unchecked")
  static Map<String, Object> call(String path, String body) throws Exception {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(URL + path))
            .timeout(Duration.ofSeconds(30))
            .header("api-key", KEY)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
    for (int attempt = 0; ; attempt++) {
      HttpResponse<String> response =
          CLIENT.send(request, HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
      Map<String, Object> answer = (Map<String, Object>) Json.read(response.body());
      int code = number(answer.get("code"));
      if (code == 4290 && attempt < 5) {
        long wait = response.headers().firstValueAsLong("Retry-After").orElse(1L << attempt);
        Thread.sleep(wait * 1000);
        continue;
      }
      if (code != 0) {
        throw new IOException(path + ": " + code + " " + answer.get("message"));
      }
      return (Map<String, Object>) answer.get("data");
    }
  }

  static int number(Object value) {
    return ((Number) value).intValue();
  }

  /** Standard Webhooks: HMAC-SHA256 over id, time and body, no older than five minutes. */
  static boolean isGenuine(
      String secret, String id, String stamp, String signatures, byte[] body, long now)
      throws GeneralSecurityException {
    if (id == null || stamp == null || signatures == null || !stamp.matches("[0-9]{1,12}")) {
      return false;
    }
    if (Math.abs(now - Long.parseLong(stamp)) > 300) {
      return false;
    }
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(
        new SecretKeySpec(Base64.getDecoder().decode(secret.replaceFirst("^whsec_", "")), "HMAC"));
    mac.update((id + "." + stamp + ".").getBytes(StandardCharsets.UTF_8));
    String expected = "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
    for (String given : signatures.split(" ")) {
      if (MessageDigest.isEqual(given.getBytes(), expected.getBytes())) {
        return true;
      }
    }
    return false;
  }

  /** Takes callbacks. The same one may come twice: tell by webhook-id. */
  @SuppressWarnings("unchecked")
  static HttpServer listen(CompletableFuture<String> ended) throws IOException {
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", PORT), 0);
    server.createContext(
        "/callback",
        exchange -> {
          byte[] body = exchange.getRequestBody().readAllBytes();
          boolean genuine = false;
          try {
            Headers given = exchange.getRequestHeaders();
            genuine =
                isGenuine(
                    SECRET,
                    given.getFirst("webhook-id"),
                    given.getFirst("webhook-timestamp"),
                    given.getFirst("webhook-signature"),
                    body,
                    System.currentTimeMillis() / 1000);
          } catch (GeneralSecurityException | IllegalArgumentException problem) {
            System.err.println("callback: " + problem);
          }
          exchange.sendResponseHeaders(genuine ? 204 : 401, -1);
          exchange.close();
          if (genuine) {
            Map<String, Object> payload =
                (Map<String, Object>) Json.read(new String(body, StandardCharsets.UTF_8));
            if (number(payload.get("status")) >= SUCCEEDED) {
              ended.complete((String) payload.get("run_status"));
            }
          }
        });
    server.start();
    return server;
  }

  public static void main(String[] arguments) throws Exception {
    Path file = Path.of(arguments.length > 0 ? arguments[0] : "results.csv");
    CompletableFuture<String> ended = new CompletableFuture<>();
    HttpServer receiver = SECRET.isEmpty() ? null : listen(ended);
    try {
      run(file, receiver == null ? null : ended);
    } finally {
      if (receiver != null) {
        receiver.stop(0);
      }
    }
  }

  static void run(Path file, CompletableFuture<String> ended) throws Exception {
    String callback = ended == null ? "" : "http://127.0.0.1:" + PORT + "/callback";
    String start =
        String.format(
            "{\"scraper_slug\":%s,\"is_async\":true,\"callback_url\":%s,"
                + "\"input\":{\"parameters\":{\"custom\":%s}}}",
            Json.quote(WORKER), Json.quote(callback), INPUT);
    String run = (String) call("/api/v1/scraper/run", start).get("run_slug");
    System.out.println("started " + run);

    String slug = "{\"run_slug\":" + Json.quote(run) + "}";
    Map<String, Object> detail = call("/api/v1/run/detail", slug);
    while (number(detail.get("status")) < SUCCEEDED) {
      Thread.sleep(1000);
      detail = call("/api/v1/run/detail", slug);
    }
    if (number(detail.get("status")) != SUCCEEDED) {
      throw new IOException(
          "the run ended with status " + detail.get("status") + ": " + detail.get("err_msg"));
    }
    System.out.println(
        "succeeded after " + detail.get("duration") + " s, " + detail.get("usage") + " USD");

    List<Object> rows = new ArrayList<>();
    for (int page = 1; ; page++) {
      String wanted =
          String.format(
              "{\"run_slug\":%s,\"page_index\":%d,\"page_size\":%d}",
              Json.quote(run), page, PAGE_SIZE);
      List<?> listed = (List<?>) call("/api/v1/run/result/list", wanted).get("list");
      rows.addAll(listed);
      if (listed.size() < PAGE_SIZE) {
        break;
      }
    }
    System.out.println("read " + rows.size() + " rows");

    String export = "{\"run_slug\":" + Json.quote(run) + ",\"format\":\"csv\"}";
    String link = (String) call("/api/v1/run/result/export", export).get("download_url");
    HttpResponse<Path> download =
        CLIENT.send(
            HttpRequest.newBuilder(URI.create(link)).build(),
            HttpResponse.BodyHandlers.ofFile(file));
    if (download.statusCode() != 200) {
      throw new IOException("download: " + download.statusCode());
    }
    System.out.println("exported " + file);

    if (ended != null) {
      try {
        System.out.println("callback says " + ended.get(30, TimeUnit.SECONDS));
      } catch (TimeoutException problem) {
        throw new IOException("no callback came");
      }
    }
  }

  /** As much JSON as this needs: the JDK has none. Use a library in a real program. */
  static final class Json {
    private final String text;
    private int at;

    private Json(String text) {
      this.text = text;
    }

    static Object read(String text) {
      return new Json(text).value();
    }

    static String quote(String text) {
      StringBuilder out = new StringBuilder("\"");
      for (char letter : text.toCharArray()) {
        if (letter == '"' || letter == '\\') {
          out.append('\\').append(letter);
        } else if (letter < ' ') {
          out.append(String.format("\\u%04x", (int) letter));
        } else {
          out.append(letter);
        }
      }
      return out.append('"').toString();
    }

    private char next() {
      while (Character.isWhitespace(text.charAt(at))) {
        at++;
      }
      return text.charAt(at);
    }

    private Object value() {
      switch (next()) {
        case '{':
          return object();
        case '[':
          return array();
        case '"':
          return string();
        case 't':
          at += 4;
          return true;
        case 'f':
          at += 5;
          return false;
        case 'n':
          at += 4;
          return null;
        default:
          return numeral();
      }
    }

    private Map<String, Object> object() {
      Map<String, Object> found = new LinkedHashMap<>();
      at++;
      while (next() != '}') {
        String name = string();
        next();
        at++; // the colon
        found.put(name, value());
        if (next() == ',') {
          at++;
          next();
        }
      }
      at++;
      return found;
    }

    private List<Object> array() {
      List<Object> found = new ArrayList<>();
      at++;
      while (next() != ']') {
        found.add(value());
        if (next() == ',') {
          at++;
        }
      }
      at++;
      return found;
    }

    private String string() {
      StringBuilder out = new StringBuilder();
      at++;
      while (text.charAt(at) != '"') {
        char letter = text.charAt(at++);
        if (letter != '\\') {
          out.append(letter);
          continue;
        }
        char escaped = text.charAt(at++);
        if (escaped == 'u') {
          out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
          at += 4;
        } else {
          int which = "bfnrt".indexOf(escaped);
          out.append(which < 0 ? escaped : "\b\f\n\r\t".charAt(which));
        }
      }
      at++;
      return out.toString();
    }

    private Number numeral() {
      int start = at;
      while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
        at++;
      }
      return new java.math.BigDecimal(text.substring(start, at));
    }
  }
}
