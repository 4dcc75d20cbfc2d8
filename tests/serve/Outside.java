// Gives the classes of examples/java what may come from outside, at a socket and at one that keeps what it is asked.

import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Outside {
    private interface Call {
        void call() throws ImtagException, ImtagQueue.Failed;
    }

    private Outside() {}

    private static void say(String what, Call call) {
        try {
            call.call();
            System.out.println(what + ": done");
        } catch (ImtagException e) {
            var passing = e.failed().stream().filter(ImtagException.Failed::retryable);
            var accounts = passing.map(ImtagException.Failed::account).toList();
            System.out.println(what + ": " + e.getMessage() + "; passing: " + String.join(" ", accounts));
        } catch (ImtagQueue.Failed e) {
            System.out.println(what + ": " + e.getMessage() + (e.retryAfter().isEmpty() ? "" : ", try again"));
        }
    }

    public static void main(String[] arguments) throws ImtagException, ImtagQueue.Failed, InterruptedException {
        var imtag = new Imtag(Path.of(arguments[0]));
        var queue = new ImtagQueue(Path.of(arguments[0]));

        var victims = "[{\"To_Account\":\"victim\",\"Tags\":[\"owned\"]}]";
        var request = "x\r\nContent-Type: application/json\r\nContent-Length: " + victims.length() + "\r\n\r\n" + victims;
        var mine = List.<Map<String, ?>>of(Map.of("To_Account", "mine", "Tags", List.of("vip")));
        say("key of a request", () -> queue.post(mine, request));
        say("key of an end", () -> queue.post(mine, "x\n"));
        say("key of a blank", () -> queue.post(mine, "x y"));
        say("key of a letter", () -> queue.post(mine, "ü"));
        say("key of none", () -> queue.post(mine, ""));
        say("key of 256", () -> queue.post(mine, "x".repeat(256)));
        say("key of 255", () -> queue.post(mine, "~".repeat(255)));
        say("key of signs", () -> queue.post(mine, "!\"'@{}[]%25\\"));
        say("id of a request", () -> queue.waiting("1 HTTP/1.1\r\nHost: x\r\n\r\n"));
        say("id of another path", () -> queue.waiting("../failures?limit=1"));
        say("id of none", () -> queue.waiting(""));

        var half = "\ud83d\ude00".substring(0, 1);
        var rows = List.<Map<String, ?>>of(mine.get(0), Map.of("To_Account", "half", "Tags", List.of("vip", half)));
        say("rows", () -> queue.post(rows, "rows"));
        var users = new LinkedHashMap<String, List<String>>();
        users.put("mine", List.of("vip"));
        users.put("half", List.of("vip", half));
        say("users", () -> imtag.add(users));
        say("accounts", () -> imtag.get(List.of("mine", half + "half")));

        var post = queue.post(List.of(Map.of("To_Account", "42", "Tags", List.of("vip", "beijing"))), "numbers");
        do {
            Thread.sleep(20);
        } while (queue.waiting(post) > 0);
        imtag.get(List.of("victim", "42")).forEach((account, has) ->
                System.out.println(account + ": " + String.join(" ", has)));
        var brief = new ImtagQueue(Path.of(arguments[1]), Duration.ofMillis(1_500));
        say("brief", () -> brief.deleteFailures(List.of("7-1")));
    }
}
