<?php

declare(strict_types=1);

/**
 * Changes of user tags that last, by the daemon `imtag serve` on this host: once `post` returns, they are applied whatever
 * happens to this program, to the daemon or to the service. It needs PHP 8.1 and no extension.
 */
final class ImtagQueue
{
    private const SECONDS = 10;

    public function __construct(private readonly string $socket = '/run/imtag/imtag.sock')
    {
    }

    /**
     * Stores changes, such as ['To_Account' => 'xiaojun012', 'Tags' => ['vip']], with an 'op' if it is not add: at most
     * 10,000, of which all are stored or none. To post again with the same key is safe.
     *
     * @param list<array{To_Account: string, Tags?: list<string>, op?: string}> $rows
     * @param string $key what this post is known by: an order's number, say
     * @return string the post's id
     */
    public function post(array $rows, string $key): string
    {
        $body = json_encode(array_values($rows), JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
        $answer = $this->exchange('POST', '/v1/changes', $body, "Idempotency-Key: $key\r\n");
        return json_decode($answer, true, flags: JSON_THROW_ON_ERROR)['post'];
    }

    /** @return array{queued: int, sending: int, done: int, failed: int, deleted: int} how many of a post's changes are what */
    public function states(string $post): array
    {
        return json_decode($this->exchange('GET', "/v1/changes/$post"), true, flags: JSON_THROW_ON_ERROR);
    }

    /**
     * Changes that the service refused, until they are deleted: at most 10,000.
     *
     * @return list<array{id: string, account: string, op: string, tags: list<string>, code: ?int, reason: string,
     *     remedy: string, effect: string}>
     */
    public function failures(): array
    {
        $lines = preg_split('/\n/', $this->exchange('GET', '/v1/failures'), flags: PREG_SPLIT_NO_EMPTY);
        return array_map(fn ($line) => json_decode($line, true, flags: JSON_THROW_ON_ERROR), $lines);
    }

    /** @param list<string> $ids of failures that are taken care of */
    public function deleteFailures(array $ids): void
    {
        if ($ids !== []) {
            $this->exchange('DELETE', '/v1/failures', json_encode(array_values($ids), JSON_THROW_ON_ERROR));
        }
    }

    private function exchange(string $method, string $path, string $body = '', string $field = ''): string
    {
        $connection = @stream_socket_client("unix://$this->socket", $code, $error, self::SECONDS);
        if ($connection === false) {
            throw new ImtagQueueException("no daemon at $this->socket: $error: see that it runs", 1);
        }
        stream_set_timeout($connection, self::SECONDS);
        $head = "$method $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n$field"
            . "Content-Type: application/json\r\nContent-Length: " . strlen($body) . "\r\n\r\n";
        @fwrite($connection, $head . $body);
        $answer = (string) stream_get_contents($connection);
        fclose($connection);
        [$head, $text] = explode("\r\n\r\n", $answer, 2) + ['', ''];
        $isWhole = preg_match('~^HTTP/1\.1 (\d+).*^content-length: (\d+)~ims', $head, $found);
        if (!$isWhole || strlen($text) !== (int) $found[2]) {
            throw new ImtagQueueException('the daemon did not answer: try again with the same key', 1);
        }
        if ((int) $found[1] < 300) {
            return $text;
        }
        $problem = json_decode($text, true) ?? ['error' => trim($text)];
        $rows = array_map(fn ($row) => "\n  row {$row['row']}: {$row['error']}", $problem['errors'] ?? []);
        $retryAfter = preg_match('~^retry-after: (\d+)~im', $head, $seconds) ? (int) $seconds[1] : null;
        throw new ImtagQueueException($problem['error'] . implode('', $rows), $retryAfter);
    }
}

/** Nothing was stored; or that is not known, where the daemon did not answer. */
final class ImtagQueueException extends RuntimeException
{
    /** @param ?int $retryAfter seconds after which it is worth trying again, with the same key; null if that does not help */
    public function __construct(string $message, public readonly ?int $retryAfter)
    {
        parent::__construct($message);
    }
}
