// Run it beside a daemon (`imtag serve --demo --socket imtag.sock`), with JDK 17 or later:
//
//     javac -d classes *.java && java -cp classes Tag imtag.sock
//
// To use it, copy Imtag.java, ImtagException.java and ImtagSocket.java, and Json.java where there is no other JSON.

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

final class Tag {
    private Tag() {}

    public static void main(String[] arguments) throws InterruptedException {
        var imtag = arguments.length > 0 ? new Imtag(Path.of(arguments[0])) : new Imtag();
        var tags = new TreeMap<>(Map.of("xiaojun012", List.of("vip", "beijing"), "xiaojun013", List.of("vip")));
        var accounts = List.copyOf(tags.keySet());
        int failed = 0;
        for (int tries = 3; !tags.isEmpty() && tries > 0; tries--) {
            try {
                imtag.add(tags);
                tags.clear();
            } catch (ImtagException e) {
                System.err.println("not added: " + e.getMessage());
                var passing = e.failed().stream().filter(ImtagException.Failed::retryable).toList();
                failed += e.failed().size() - passing.size();
                tags.keySet().retainAll(passing.stream().map(ImtagException.Failed::account).toList());
                Thread.sleep(tags.isEmpty() ? 0 : 1_000);
            }
        }

        Map<String, List<String>> read;
        try {
            read = imtag.get(accounts);
        } catch (ImtagException e) {
            System.err.println("not read: " + e.getMessage());
            read = e.read();
        }
        read.forEach((account, has) -> System.out.println(account + ": " + String.join(" ", has)));
        System.exit(failed + tags.size() == 0 ? 0 : 1);
    }
}
