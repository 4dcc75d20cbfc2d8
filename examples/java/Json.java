import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON without a library: maps, lists, strings, numbers, booleans and null. Where a project has Jackson or Gson, they take
 * the place of this class.
 */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** Reads a whole text, or throws an IllegalArgumentException. */
    static Object read(String text) {
        var json = new Json(text);
        var value = json.value();
        if (json.peek() != 0) {
            throw json.unexpected();
        }
        return value;
    }

    /** Writes what {@link #read} returns. */
    static String write(Object value) {
        if (value instanceof Map<?, ?> map) {
            var members = map.entrySet().stream().map(it -> write(it.getKey()) + ":" + write(it.getValue())).toList();
            return "{" + String.join(",", members) + "}";
        }
        if (value instanceof List<?> list) {
            return "[" + String.join(",", list.stream().map(Json::write).toList()) + "]";
        }
        return value instanceof String string ? quoted(string) : String.valueOf(value);
    }

    private static String quoted(String string) {
        var text = new StringBuilder("\"");
        for (char c : string.toCharArray()) {
            if (c < ' ') {
                text.append(String.format("\\u%04x", (int) c));
            } else if (c == '"' || c == '\\') {
                text.append('\\').append(c);
            } else {
                text.append(c);
            }
        }
        return text.append('"').toString();
    }

    private Object value() {
        return switch (peek()) {
            case '{' -> map();
            case '[' -> list();
            case '"' -> string();
            default -> word();
        };
    }

    private Map<String, Object> map() {
        var map = new LinkedHashMap<String, Object>();
        for (take('{'); peek() != '}'; skip(',', '}')) {
            var name = string();
            take(':');
            map.put(name, value());
        }
        take('}');
        return map;
    }

    private List<Object> list() {
        var list = new ArrayList<>();
        for (take('['); peek() != ']'; skip(',', ']')) {
            list.add(value());
        }
        take(']');
        return list;
    }

    private String string() {
        take('"');
        var string = new StringBuilder();
        while (next() != '"') {
            char c = text.charAt(at - 1);
            if (c != '\\') {
                string.append(c);
                continue;
            }
            c = next();
            switch (c) {
                case 'b' -> string.append('\b');
                case 'f' -> string.append('\f');
                case 'n' -> string.append('\n');
                case 'r' -> string.append('\r');
                case 't' -> string.append('\t');
                case 'u' -> string.append((char) Integer.parseInt("" + next() + next() + next() + next(), 16));
                default -> string.append(c);
            }
        }
        return string.toString();
    }

    private Object word() {
        int start = at;
        while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) {
            at++;
        }
        var word = text.substring(start, at);
        return switch (word) {
            case "true", "false" -> Boolean.valueOf(word);
            case "null" -> null;
            default -> number(word);
        };
    }

    /** An Integer where it is one, as the codes are. */
    private static Number number(String word) {
        try {
            return Integer.valueOf(word);
        } catch (NumberFormatException e) {
            return Double.valueOf(word);
        }
    }

    /** The next character that is no blank, which stays; 0 at the end. */
    private char peek() {
        while (at < text.length() && text.charAt(at) <= ' ') {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private char next() {
        if (at == text.length()) {
            throw unexpected();
        }
        return text.charAt(at++);
    }

    private void take(char c) {
        if (peek() != c) {
            throw unexpected();
        }
        at++;
    }

    private void skip(char between, char end) {
        if (peek() != end) {
            take(between);
        }
    }

    private IllegalArgumentException unexpected() {
        return new IllegalArgumentException("no JSON at character " + at);
    }
}
