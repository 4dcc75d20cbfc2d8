// Run it beside a daemon (`imtag serve --demo --socket imtag.sock`), with JDK 17 or later:
//
//     javac -d classes *.java && java -cp classes Later imtag.sock
//
// To use it, copy ImtagQueue.java and ImtagSocket.java, and Json.java where there is no other JSON. A web request ends
// once its changes are stored; what became of them is another program's, such as a cron job's: both are here, one after
// the other.

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.UUID;

final class Later {
    private Later() {}

    public static void main(String[] arguments) throws InterruptedException {
        var queue = arguments.length > 0 ? new ImtagQueue(Path.of(arguments[0])) : new ImtagQueue();

        // the web request
        var rows = List.<Map<String, ?>>of(
                Map.of("To_Account", "xiaojun012", "Tags", List.of("vip", "beijing")),
                Map.of("To_Account", "xiaojun013", "Tags", List.of("vip")));
        var key = "order-" + UUID.randomUUID(); // what the order has by itself, such as its number
        String post = null;
        for (int tries = 3; post == null; tries--) {
            try {
                post = queue.post(rows, key);
            } catch (ImtagQueue.Failed e) {
                System.err.println("not stored: " + e.getMessage());
                if (e.retryAfter().isEmpty() || tries == 1) {
                    System.exit(1);
                }
                Thread.sleep(1_000L * e.retryAfter().getAsInt());
            }
        }
        System.out.println("stored");

        // the cron job
        try {
            do {
                Thread.sleep(100);
            } while (queue.waiting(post) > 0);
            var failures = queue.failures();
            for (var it : failures) {
                System.out.println(
                        "failed: %s: %s (%s; %s)".formatted(it.account(), it.reason(), it.effect(), it.remedy()));
            }
            queue.deleteFailures(failures.stream().map(ImtagQueue.Failure::id).toList());
        } catch (ImtagQueue.Failed e) {
            System.err.println("not read: " + e.getMessage());
            System.exit(1);
        }
    }
}
