import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The user tags of Tencent Chat, by the daemon {@code imtag serve} on this host. It needs JDK 17 and no library. Threads
 * may share one.
 *
 * <p>The daemon has packed, paced and repeated what a call asks for before it answers, which it does within 8 seconds. So
 * a failure is final for this call: each method throws an {@link ImtagException} if any user failed. The others are done.
 */
public final class Imtag {
    private final ImtagSocket socket;

    /** At the daemon's own default. */
    public Imtag() {
        this(ImtagSocket.defaultPath());
    }

    public Imtag(Path socket) {
        this(socket, Duration.ofSeconds(8));
    }

    /**
     * @param time for each call, 8 seconds at most: a web request should have less
     */
    public Imtag(Path socket, Duration time) {
        this.socket = new ImtagSocket(socket, time);
    }

    /** Adds tags, by account: at most 100 accounts, 10 tags each. */
    public void add(Map<String, List<String>> tags) throws ImtagException {
        call("im_add_tag", "UserTags", userTags(tags), List.copyOf(tags.keySet()));
    }

    /** Removes tags, by account. */
    public void remove(Map<String, List<String>> tags) throws ImtagException {
        call("im_remove_tag", "UserTags", userTags(tags), List.copyOf(tags.keySet()));
    }

    /** Removes all tags of these accounts. */
    public void clear(List<String> accounts) throws ImtagException {
        call("im_remove_all_tags", "To_Account", accounts, accounts);
    }

    /** The tags of these accounts. */
    public Map<String, List<String>> get(List<String> accounts) throws ImtagException {
        return call("im_get_tag", "To_Account", accounts, accounts);
    }

    private static List<?> userTags(Map<String, List<String>> tags) {
        var users = tags.entrySet().stream();
        return users.map(it -> Map.of("To_Account", it.getKey(), "Tags", it.getValue())).toList();
    }

    private Map<String, List<String>> call(String name, String member, List<?> users, List<String> accounts)
            throws ImtagException {
        if (accounts.isEmpty()) {
            return Map.of();
        }
        refuseHalves(users, accounts);
        var answer = exchange("/v4/all_member_push/" + name, Json.write(Map.of(member, users)));
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

    /** Some users have half of a character, as a text has that was cut. The others may be called for again. */
    private static void refuseHalves(List<?> users, List<String> accounts) throws ImtagException {
        var failed = new ArrayList<ImtagException.Failed>();
        for (int index = 0; index < users.size(); index++) {
            boolean isText = ImtagSocket.isText(Json.write(users.get(index)));
            var why = (isText ? "not sent, as another user of the call has " : "") + "no text: half of a character";
            var remedy = isText ? "call again without it" : "cut no character in two";
            failed.add(new ImtagException.Failed(accounts.get(index), 60003, why, "not applied", remedy, isText));
        }
        failed.sort(Comparator.comparing(ImtagException.Failed::retryable)); // those at fault first
        if (!failed.get(0).retryable()) {
            throw new ImtagException(failed, Map.of());
        }
    }

    /** The answer, or one like the daemon's where there is none. */
    private Map<?, ?> exchange(String path, String body) {
        try {
            var answer = socket.ask("POST", path, body, "");
            var text = answer.text(); // HTTP 400 or 403 may have one that says why
            Map<?, ?> json = text.startsWith("{") ? (Map<?, ?>) Json.read(text) : Map.of();
            return json.containsKey("ErrorCode") ? json : failure(answer.status(), text.strip(), "not applied", "see the text");
        } catch (ImtagSocket.NoAnswer e) {
            int code = e.isRetryable ? ImtagException.NO_ANSWER : ImtagException.MAY_NOT;
            return failure(code, e.getMessage(), e.effect, e.remedy);
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
