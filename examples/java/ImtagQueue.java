import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Changes of user tags that last, by the daemon {@code imtag serve} on this host: once {@link #post} returns, they are
 * applied whatever happens to this program, to the daemon or to the service. It needs JDK 17 and no library. Threads may
 * share one.
 */
public final class ImtagQueue {
    private static final Pattern RETRY_AFTER = Pattern.compile("(?im)^retry-after: (\\d+)");

    private final ImtagSocket socket;

    /** A change that the service refused. */
    public record Failure(String id, String account, String reason, String effect, String remedy) {}

    /** Nothing was stored; or that is not known, where the daemon did not answer. */
    public static final class Failed extends IOException {
        private static final long serialVersionUID = 1L;
        private final int retryAfter;

        Failed(String message, int retryAfter) {
            super(message);
            this.retryAfter = retryAfter;
        }

        /** Seconds after which it is worth trying again, with the same key, if that helps. */
        public OptionalInt retryAfter() {
            return retryAfter > 0 ? OptionalInt.of(retryAfter) : OptionalInt.empty();
        }
    }

    /** At the daemon's own default. */
    public ImtagQueue() {
        this(ImtagSocket.defaultPath());
    }

    public ImtagQueue(Path socket) {
        this(socket, Duration.ofSeconds(8));
    }

    /**
     * @param time for each request, 8 seconds at most: a web request should have less
     */
    public ImtagQueue(Path socket, Duration time) {
        this.socket = new ImtagSocket(socket, time);
    }

    /**
     * Stores changes, such as {@code Map.of("To_Account", "xiaojun012", "Tags", List.of("vip"))}, with an {@code op} if it is
     * not add: at most 10,000, of which all are stored or none. To post again with the same key is safe.
     *
     * @param key what this post is known by, an order's number, say: 1 to 255 letters, digits and signs
     * @return the post's id
     */
    public String post(List<Map<String, ?>> rows, String key) throws Failed {
        if (!key.matches("[!-~]{1,255}")) { // what stands in a request's head could end it
            throw new Failed("the key is not 1 to 255 letters, digits and signs of ASCII, without blanks", 0);
        }
        var lines = IntStream.range(0, rows.size())
                .filter(index -> !ImtagSocket.isText(Json.write(rows.get(index))))
                .mapToObj(index -> "\n  row " + (index + 1) + ": no text: half of a character: cut no character in two")
                .toList();
        if (!lines.isEmpty()) {
            var of = lines.size() + " of " + rows.size();
            throw new Failed(of + " rows cannot be taken, and so none was stored" + String.join("", lines), 0);
        }
        var answer = exchange("POST", "/v1/changes", Json.write(rows), "Idempotency-Key: " + key + "\r\n");
        return (String) ((Map<?, ?>) Json.read(answer)).get("post");
    }

    /** How many changes of a post are neither done nor failed. */
    public int waiting(String post) throws Failed {
        if (!post.matches("[0-9-]+")) {
            throw new Failed("the id is none that post returns, such as 12", 0);
        }
        var states = (Map<?, ?>) Json.read(exchange("GET", "/v1/changes/" + post, "", ""));
        return (int) states.get("queued") + (int) states.get("sending");
    }

    /** Changes that the service refused, until they are deleted: at most 10,000. */
    public List<Failure> failures() throws Failed {
        var lines = exchange("GET", "/v1/failures", "", "").lines();
        return lines.map(line -> (Map<?, ?>) Json.read(line)).map(ImtagQueue::failure).toList();
    }

    /** Deletes failures that are taken care of. */
    public void deleteFailures(List<String> ids) throws Failed {
        if (!ids.isEmpty()) {
            exchange("DELETE", "/v1/failures", Json.write(ids), "");
        }
    }

    private static Failure failure(Map<?, ?> line) {
        return new Failure((String) line.get("id"), (String) line.get("account"), (String) line.get("reason"),
                (String) line.get("effect"), (String) line.get("remedy"));
    }

    private String exchange(String method, String path, String body, String field) throws Failed {
        ImtagSocket.Answer answer;
        try {
            answer = socket.ask(method, path, body, field);
        } catch (ImtagSocket.NoAnswer e) {
            var with = !field.isEmpty() && e.effect.equals("possibly applied") ? " with the same key" : "";
            throw new Failed(e.getMessage() + ": " + e.remedy + with, e.isRetryable ? 1 : 0);
        }
        if (answer.status() < 300) {
            return answer.text();
        }
        var after = RETRY_AFTER.matcher(answer.head());
        throw new Failed(problem(answer.text()), after.find() ? Integer.parseInt(after.group(1)) : 0);
    }

    /** One sentence, and each row that cannot be taken. */
    private static String problem(String text) {
        if (!text.startsWith("{")) {
            return text.strip(); // HTTP 400 or 403, whose text says why
        }
        var problem = (Map<?, ?>) Json.read(text);
        var said = new StringBuilder(problem.get("error") instanceof String error ? error : text);
        for (var row : problem.get("errors") instanceof List<?> rows ? rows : List.of()) {
            said.append("\n  row ").append(((Map<?, ?>) row).get("row")).append(": ").append(((Map<?, ?>) row).get("error"));
        }
        return said.toString();
    }
}
