import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * Changes of user tags that last, by the daemon {@code imtag serve} on this host: once {@link #post} returns, they are
 * applied whatever happens to this program, to the daemon or to the service. It needs JDK 17 and no library. Threads may
 * share one.
 */
public final class ImtagQueue {
    private static final int SECONDS = 10;
    private static final Pattern HEAD = Pattern.compile("(?ims)^HTTP/1\\.1 (\\d+).*^content-length: (\\d+)");
    private static final Pattern RETRY_AFTER = Pattern.compile("(?im)^retry-after: (\\d+)");

    private final Path socket;

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

    public ImtagQueue(Path socket) {
        this.socket = socket;
    }

    /**
     * Stores changes, such as {@code Map.of("To_Account", "xiaojun012", "Tags", List.of("vip"))}, with an {@code op} if it is
     * not add: at most 10,000, of which all are stored or none. To post again with the same key is safe.
     *
     * @param key what this post is known by: an order's number, say
     * @return the post's id
     */
    public String post(List<Map<String, ?>> rows, String key) throws Failed {
        var answer = exchange("POST", "/v1/changes", Json.write(rows), "Idempotency-Key: " + key + "\r\n");
        return (String) ((Map<?, ?>) Json.read(answer)).get("post");
    }

    /** How many changes of a post are neither done nor failed. */
    public int waiting(String post) throws Failed {
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
        var bytes = body.getBytes(StandardCharsets.UTF_8);
        var head = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + field
                + "Content-Type: application/json\r\nContent-Length: " + bytes.length + "\r\n\r\n";
        boolean isThere = false;
        byte[] response;
        try (var channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            // a blocking channel has no timeout of its own
            var later = CompletableFuture.delayedExecutor(SECONDS, TimeUnit.SECONDS);
            var timer = CompletableFuture.runAsync(() -> close(channel), later);
            try {
                channel.connect(UnixDomainSocketAddress.of(socket));
                isThere = true;
                write(channel, head.getBytes(StandardCharsets.UTF_8));
                write(channel, bytes);
                response = Channels.newInputStream(channel).readAllBytes();
            } finally {
                timer.cancel(false);
            }
        } catch (IOException e) {
            throw isThere ? noAnswer() : new Failed("no daemon at " + socket + ": " + e.getMessage() + ": see that it runs", 1);
        }
        return answer(response);
    }

    private static String answer(byte[] response) throws Failed {
        var head = new String(response, StandardCharsets.ISO_8859_1).split("\r\n\r\n", 2)[0];
        var found = HEAD.matcher(head);
        int start = head.length() + 4;
        if (!found.find() || response.length - start != Integer.parseInt(found.group(2))) {
            throw noAnswer();
        }
        var text = new String(response, start, response.length - start, StandardCharsets.UTF_8);
        if (Integer.parseInt(found.group(1)) < 300) {
            return text;
        }
        var after = RETRY_AFTER.matcher(head);
        throw new Failed(problem(text), after.find() ? Integer.parseInt(after.group(1)) : 0);
    }

    /** One sentence, and each row that cannot be taken. */
    private static String problem(String text) {
        if (!text.startsWith("{")) {
            return text.strip(); // HTTP 400 or 403, whose text says why
        }
        var problem = (Map<?, ?>) Json.read(text);
        var said = new StringBuilder((String) problem.get("error"));
        for (var row : problem.get("errors") instanceof List<?> rows ? rows : List.of()) {
            said.append("\n  row ").append(((Map<?, ?>) row).get("row")).append(": ").append(((Map<?, ?>) row).get("error"));
        }
        return said.toString();
    }

    private static Failed noAnswer() {
        return new Failed("the daemon did not answer: try again with the same key", 1);
    }

    private static void write(SocketChannel channel, byte[] bytes) throws IOException {
        for (var left = ByteBuffer.wrap(bytes); left.hasRemaining();) {
            channel.write(left);
        }
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
