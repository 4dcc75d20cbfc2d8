import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * The user tags of Tencent Chat, by the daemon {@code imtag serve} on this host. It needs JDK 17 and no library. Threads
 * may share one.
 *
 * <p>The daemon has packed, paced and repeated what a call asks for before it answers, which it does within 8 seconds. So
 * a failure is final for this call: each method throws an {@link ImtagException} if any user failed. The others are done.
 */
public final class Imtag {
    /** How much longer than its time a call is waited for. */
    private static final Duration MORE = Duration.ofSeconds(2);
    private static final Pattern HEAD = Pattern.compile("(?ims)^HTTP/1\\.1 (\\d+).*^content-length: (\\d+)");

    private final Path socket;
    private final Duration time;

    /** At the daemon's own default. */
    public Imtag() {
        this(Path.of(Objects.requireNonNullElse(System.getenv("XDG_RUNTIME_DIR"), "/run/imtag"), "imtag.sock"));
    }

    public Imtag(Path socket) {
        this(socket, Duration.ofSeconds(8));
    }

    /**
     * @param time for each call, 8 seconds at most: a web request should have less
     */
    public Imtag(Path socket, Duration time) {
        this.socket = socket;
        this.time = time;
    }

    /** Adds tags, by account: at most 100 accounts, 10 tags each. */
    public void add(Map<String, List<String>> tags) throws ImtagException {
        call("im_add_tag", userTags(tags), List.copyOf(tags.keySet()));
    }

    /** Removes tags, by account. */
    public void remove(Map<String, List<String>> tags) throws ImtagException {
        call("im_remove_tag", userTags(tags), List.copyOf(tags.keySet()));
    }

    /** Removes all tags of these accounts. */
    public void clear(List<String> accounts) throws ImtagException {
        call("im_remove_all_tags", Map.of("To_Account", accounts), accounts);
    }

    /** The tags of these accounts. */
    public Map<String, List<String>> get(List<String> accounts) throws ImtagException {
        return call("im_get_tag", Map.of("To_Account", accounts), accounts);
    }

    private static Map<String, ?> userTags(Map<String, List<String>> tags) {
        var users = tags.entrySet().stream().map(it -> Map.of("To_Account", it.getKey(), "Tags", it.getValue()));
        return Map.of("UserTags", users.toList());
    }

    private Map<String, List<String>> call(String name, Map<String, ?> request, List<String> accounts)
            throws ImtagException {
        if (accounts.isEmpty()) {
            return Map.of();
        }
        var answer = exchange("/v4/all_member_push/" + name, Json.write(request));
        var read = new LinkedHashMap<String, List<String>>();
        for (var user : users(answer, "UserTags")) {
            var tags = ((List<?>) user.get("Tags")).stream().map(String.class::cast).toList();
            read.put((String) user.get("To_Account"), tags);
        }
        // whatever ErrorCode is: the users that ErrorList does not name are done; without it, a code is about all of them
        var failed = users(answer, "ErrorList").stream().map(it -> failed((String) it.get("To_Account"), it)).toList();
        if (failed.isEmpty() && !answer.get("ErrorCode").equals(0)) {
            failed = accounts.stream().map(account -> failed(account, answer)).toList();
        }
        if (!failed.isEmpty()) {
            throw new ImtagException(failed, read);
        }
        return read;
    }

    /** The answer, or one like the daemon's where there is none. */
    private Map<?, ?> exchange(String path, String body) {
        var bytes = body.getBytes(StandardCharsets.UTF_8);
        var head = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                + "Imtag-Timeout: " + time.toMillis() / 1000.0 + "\r\n"
                + "Content-Type: application/json\r\nContent-Length: " + bytes.length + "\r\n\r\n";
        boolean isThere = false;
        try (var channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            // a blocking channel has no timeout of its own
            var later = CompletableFuture.delayedExecutor(time.plus(MORE).toMillis(), TimeUnit.MILLISECONDS);
            var timer = CompletableFuture.runAsync(() -> close(channel), later);
            try {
                channel.connect(UnixDomainSocketAddress.of(socket));
                isThere = true;
                write(channel, head.getBytes(StandardCharsets.UTF_8));
                write(channel, bytes);
                return answer(Channels.newInputStream(channel).readAllBytes());
            } finally {
                timer.cancel(false);
            }
        } catch (IOException e) {
            if (!isThere && !Files.notExists(socket) && !Files.isWritable(socket)) {
                return failure(ImtagException.MAY_NOT,
                        "this user may not use the socket " + socket + ": " + e.getMessage(), "not applied",
                        "put it into the group of the socket (imtag serve --group), and start this program anew");
            }
            return isThere
                    ? failure(ImtagException.NO_ANSWER, "the daemon did not answer", "possibly applied", "try again")
                    : failure(ImtagException.NO_ANSWER, "no daemon at " + socket + ": " + e.getMessage(),
                            "not applied", "see that it runs, and at this path");
        }
    }

    private static Map<?, ?> answer(byte[] response) throws IOException {
        var head = new String(response, StandardCharsets.ISO_8859_1).split("\r\n\r\n", 2)[0];
        var found = HEAD.matcher(head);
        int start = head.length() + 4;
        if (!found.find() || response.length - start != Integer.parseInt(found.group(2))) {
            throw new IOException("the answer is cut off");
        }
        var text = new String(response, start, response.length - start, StandardCharsets.UTF_8);
        if (text.startsWith("{")) {
            return (Map<?, ?>) Json.read(text);
        }
        // HTTP 400 or 403, whose text says why
        return failure(Integer.parseInt(found.group(1)), text.strip(), "not applied", "see the text");
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

    private static Map<String, ?> failure(int code, String info, String effect, String remedy) {
        return Map.of("ErrorCode", code, "ErrorInfo", info, "Effect", effect, "Remedy", remedy,
                "Retryable", code == ImtagException.NO_ANSWER);
    }

    private static ImtagException.Failed failed(String account, Map<?, ?> why) {
        return new ImtagException.Failed(account, (int) why.get("ErrorCode"), (String) why.get("ErrorInfo"),
                (String) why.get("Effect"), (String) why.get("Remedy"), (boolean) why.get("Retryable"));
    }

    private static List<Map<?, ?>> users(Map<?, ?> answer, String name) {
        var users = answer.get(name) instanceof List<?> list ? list : List.of();
        return users.stream().<Map<?, ?>>map(user -> (Map<?, ?>) user).toList();
    }
}
