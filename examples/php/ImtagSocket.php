<?php

declare(strict_types=1);

/** The daemon's socket, and one request over a connection of its own: what Imtag and ImtagQueue share. */
final class ImtagSocket
{
    /** How much longer than its time a request is waited for. */
    private const MORE = 2;

    private readonly string $path;

    /** @param ?string $path the daemon's own default if it is null */
    public function __construct(?string $path, private readonly float $seconds)
    {
        $this->path = $path ?? (getenv('XDG_RUNTIME_DIR') ?: '/run/imtag') . '/imtag.sock';
    }

    /**
     * The path and the fields are written as they are: check first what comes from outside.
     *
     * @param string $fields of the head, each with its end
     * @return array{int, string, string} the status, the head and the body
     */
    public function ask(string $method, string $path, string $body, string $fields = ''): array
    {
        $wait = $this->seconds + self::MORE;
        $connection = @stream_socket_client("unix://$this->path", $code, $error, $wait);
        if ($connection === false && $code === 13) { // EACCES
            $remedy = 'put it into the group of the socket (imtag serve --group), and start this program anew';
            $why = "this user may not use the socket $this->path: $error";
            throw new ImtagNoAnswer($why, 'not applied', $remedy, false);
        }
        if ($connection === false) {
            $remedy = 'see that it runs, and at this path';
            throw new ImtagNoAnswer("no daemon at $this->path: $error", 'not applied', $remedy, true);
        }
        stream_set_timeout($connection, (int) $wait, (int) (fmod($wait, 1) * 1_000_000));
        $head = "$method $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nImtag-Timeout: $this->seconds\r\n"
            . "{$fields}Content-Type: application/json\r\nContent-Length: " . strlen($body) . "\r\n\r\n";
        @fwrite($connection, $head . $body);
        $isLate = stream_get_meta_data($connection)['timed_out']; // where it does not even read
        $answer = $isLate ? '' : (string) stream_get_contents($connection);
        fclose($connection);
        [$head, $text] = explode("\r\n\r\n", $answer, 2) + ['', ''];
        $isWhole = preg_match('~^HTTP/1\.1 (\d+).*^content-length: (\d+)~ims', $head, $found);
        if (!$isWhole || strlen($text) !== (int) $found[2]) {
            throw new ImtagNoAnswer('the daemon did not answer', 'possibly applied', 'try again', true);
        }
        return [(int) $found[1], $head, $text];
    }

    /** A user or a row as JSON is to have it: PHP makes an int of a key such as '42', and may leave gaps in a list. */
    public static function row(array $row): array
    {
        $text = fn ($it) => is_int($it) ? (string) $it : $it;
        return array_map(fn ($it) => is_array($it) ? array_map($text, array_values($it)) : $text($it), $row);
    }

    /**
     * Which of these have bytes that are no text, as a form may send them.
     *
     * @return array<int, string> why, by the index
     */
    public static function notText(array $values): array
    {
        $why = fn ($value) => json_encode($value) === false ? 'no text: ' . json_last_error_msg() : null;
        return array_filter(array_map($why, $values));
    }
}

/** The daemon was not there, or did not answer. */
final class ImtagNoAnswer extends RuntimeException
{
    public function __construct(
        string $why,
        public readonly string $effect,
        public readonly string $remedy,
        public readonly bool $retryable,
    ) {
        parent::__construct($why);
    }
}
