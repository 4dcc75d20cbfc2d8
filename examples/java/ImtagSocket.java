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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** The daemon's socket, and one request over a connection of its own: what Imtag and ImtagQueue share. */
record ImtagSocket(Path path, Duration time) {
    /** How much longer than its time a request is waited for. */
    private static final Duration MORE = Duration.ofSeconds(2);
    private static final Pattern HEAD = Pattern.compile("(?ims)^HTTP/1\\.1 (\\d+).*^content-length: (\\d+)");

    record Answer(int status, String head, String text) {}

    /** The daemon was not there, or did not answer. */
    static final class NoAnswer extends IOException {
        private static final long serialVersionUID = 1L;
        final String effect;
        final String remedy;
        final boolean isRetryable;

        NoAnswer(String why, String effect, String remedy, boolean isRetryable) {
            super(why);
            this.effect = effect;
            this.remedy = remedy;
            this.isRetryable = isRetryable;
        }
    }

    /** The daemon's own default. */
    static Path defaultPath() {
        var folder = System.getenv("XDG_RUNTIME_DIR");
        return Path.of(folder == null || folder.isEmpty() ? "/run/imtag" : folder, "imtag.sock");
    }

    /** False of half a character, as a text has that was cut: it would arrive as a question mark. */
    static boolean isText(String json) {
        return StandardCharsets.UTF_8.newEncoder().canEncode(json);
    }

    /**
     * The path and the fields are written as they are: check first what comes from outside.
     *
     * @param fields of the head, each with its end
     */
    Answer ask(String method, String at, String body, String fields) throws NoAnswer {
        var bytes = body.getBytes(StandardCharsets.UTF_8);
        var head = method + " " + at + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                + "Imtag-Timeout: " + time.toMillis() / 1000.0 + "\r\n" + fields
                + "Content-Type: application/json\r\nContent-Length: " + bytes.length + "\r\n\r\n";
        boolean isThere = false;
        try (var channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            // a blocking channel has no timeout of its own
            var later = CompletableFuture.delayedExecutor(time.plus(MORE).toMillis(), TimeUnit.MILLISECONDS);
            var timer = CompletableFuture.runAsync(() -> close(channel), later);
            try {
                channel.connect(UnixDomainSocketAddress.of(path));
                isThere = true;
                write(channel, head.getBytes(StandardCharsets.UTF_8));
                write(channel, bytes);
                return answer(Channels.newInputStream(channel).readAllBytes());
            } finally {
                timer.cancel(false);
            }
        } catch (IOException e) {
            if (isThere) {
                throw new NoAnswer("the daemon did not answer", "possibly applied", "try again", true);
            }
            if (!Files.notExists(path) && !Files.isWritable(path)) {
                throw new NoAnswer("this user may not use the socket " + path + ": " + e.getMessage(), "not applied",
                        "put it into the group of the socket (imtag serve --group), and start this program anew", false);
            }
            throw new NoAnswer("no daemon at " + path + ": " + e.getMessage(), "not applied",
                    "see that it runs, and at this path", true);
        }
    }

    private static Answer answer(byte[] response) throws IOException {
        var head = new String(response, StandardCharsets.ISO_8859_1).split("\r\n\r\n", 2)[0];
        var found = HEAD.matcher(head);
        int start = head.length() + 4;
        if (!found.find() || response.length - start != Integer.parseInt(found.group(2))) {
            throw new IOException("the answer is cut off");
        }
        var text = new String(response, start, response.length - start, StandardCharsets.UTF_8);
        return new Answer(Integer.parseInt(found.group(1)), head, text);
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
