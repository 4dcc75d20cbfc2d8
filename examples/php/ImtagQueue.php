<?php

declare(strict_types=1);

require_once __DIR__ . '/ImtagSocket.php';

/**
 * Changes of user tags that last, by the daemon `imtag serve` on this host: once `post` returns, they are applied whatever
 * happens to this program, to the daemon or to the service. It needs PHP 8.1 and no extension.
 *
 * Each method throws an ImtagQueueException, and no other, if it failed.
 */
final class ImtagQueue
{
    private readonly ImtagSocket $socket;

    /**
     * @param ?string $socket the daemon's own default if it is null
     * @param float $seconds for each request, 8 at most: a web request should have fewer
     */
    public function __construct(?string $socket = null, float $seconds = 8)
    {
        $this->socket = new ImtagSocket($socket, $seconds);
    }

    /**
     * Stores changes, such as ['To_Account' => 'xiaojun012', 'Tags' => ['vip']], with an 'op' if it is not add: at most
     * 10,000, of which all are stored or none. To post again with the same key is safe.
     *
     * @param list<array{To_Account: string, Tags?: list<string>, op?: string}> $rows
     * @param string $key what this post is known by, an order's number, say: 1 to 255 letters, digits and signs
     * @return string the post's id
     */
    public function post(array $rows, string $key): string
    {
        if (!preg_match('/^[!-~]{1,255}$/D', $key)) { // what stands in a request's head could end it
            throw new ImtagQueueException('the key is not 1 to 255 letters, digits and signs of ASCII, without blanks');
        }
        $rows = array_map(ImtagSocket::row(...), array_values($rows));
        $notText = ImtagSocket::notText($rows);
        if ($notText !== []) {
            $message = count($notText) . ' of ' . count($rows) . ' rows cannot be taken, and so none was stored';
            foreach ($notText as $index => $why) {
                $message .= "\n  row " . $index + 1 . ": $why: send UTF-8";
            }
            throw new ImtagQueueException($message);
        }
        $body = json_encode($rows, JSON_UNESCAPED_UNICODE);
        $answer = $this->exchange('POST', '/v1/changes', $body, "Idempotency-Key: $key\r\n");
        return self::read($answer)['post'];
    }

    /** @return array{queued: int, sending: int, done: int, failed: int, deleted: int} how many of a post's changes are what */
    public function states(string $post): array
    {
        if (!preg_match('/^[0-9-]+$/D', $post)) {
            throw new ImtagQueueException('the id is none that post returns, such as 12');
        }
        return self::read($this->exchange('GET', "/v1/changes/$post"));
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
        return array_map(self::read(...), $lines);
    }

    /** @param list<string> $ids of failures that are taken care of */
    public function deleteFailures(array $ids): void
    {
        if ($ids !== []) {
            $this->exchange('DELETE', '/v1/failures', json_encode(array_values($ids), JSON_INVALID_UTF8_SUBSTITUTE));
        }
    }

    private static function read(string $text): array
    {
        return json_decode($text, true) ?? throw new ImtagQueueException('no daemon answers, as this is no JSON');
    }

    private function exchange(string $method, string $path, string $body = '', string $field = ''): string
    {
        try {
            [$status, $head, $text] = $this->socket->ask($method, $path, $body, $field);
        } catch (ImtagNoAnswer $e) {
            $with = $field !== '' && $e->effect === 'possibly applied' ? ' with the same key' : '';
            throw new ImtagQueueException("{$e->getMessage()}: $e->remedy$with", $e->retryable ? 1 : null);
        }
        if ($status < 300) {
            return $text;
        }
        $problem = json_decode($text, true) ?? []; // or a text, which says why
        $rows = array_map(fn ($row) => "\n  row {$row['row']}: {$row['error']}", $problem['errors'] ?? []);
        $retryAfter = preg_match('~^retry-after: (\d+)~im', $head, $seconds) ? (int) $seconds[1] : null;
        throw new ImtagQueueException(($problem['error'] ?? trim($text)) . implode('', $rows), $retryAfter);
    }
}

/** Nothing was stored; or that is not known, where the daemon did not answer. */
final class ImtagQueueException extends RuntimeException
{
    /** @param ?int $retryAfter seconds after which it is worth trying again, with the same key; null if that does not help */
    public function __construct(string $message, public readonly ?int $retryAfter = null)
    {
        parent::__construct($message);
        foreach ($this->getTrace() as $frame) { // where ImtagQueue was called, which is what one looks for
            if (($frame['class'] ?? '') === ImtagQueue::class && isset($frame['file'])) {
                [$this->file, $this->line] = [$frame['file'], $frame['line']];
            }
        }
    }
}
