import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** Some users of a call failed, or all of them. */
public final class ImtagException extends IOException {
    private static final long serialVersionUID = 1L;

    /** The service, or the daemon, did not answer. */
    static final int NO_ANSWER = 60008;

    /** This user may not use the daemon's socket; also HTTP's code for who may not call. */
    static final int MAY_NOT = 403;

    /**
     * A user that failed: the service's code and text, what is known of the effect, and what to do.
     *
     * @param retryable whether the user may be done if it is tried again later. That is safe, as the tags of a user are a
     *     set; but a change that another one has followed meanwhile would undo that one
     */
    public record Failed(
            String account, int code, String info, String effect, String remedy, boolean retryable) {}

    private final transient List<Failed> failed;
    private final transient Map<String, List<String>> read;

    ImtagException(List<Failed> failed, Map<String, List<String>> read) {
        super(message(failed));
        this.failed = List.copyOf(failed);
        this.read = Collections.unmodifiableMap(read);
    }

    /** Who failed, and why. */
    public List<Failed> failed() {
        return failed;
    }

    /** The tags of the users whose tags were read. */
    public Map<String, List<String>> read() {
        return read;
    }

    private static String message(List<Failed> failed) {
        var first = failed.get(0);
        var others = failed.size() > 1 ? ", and " + (failed.size() - 1) + " more" : "";
        return "%s: %s (%s; %s)%s".formatted(
                first.account(), first.info(), first.effect(), first.remedy(), others);
    }
}
