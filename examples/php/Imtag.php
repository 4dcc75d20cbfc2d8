<?php

declare(strict_types=1);

/**
 * The user tags of Tencent Chat, by the daemon `imtag serve` on this host. It needs PHP 8.1 and no extension.
 *
 * The daemon has packed, paced and repeated what a call asks for before it answers, which it does within 8 seconds. So
 * a failure is final for this call: each method throws an ImtagException, and no other, if any user failed. The other
 * users are done.
 */
final class Imtag
{
    /** How much longer than its time a call is waited for. */
    private const MORE = 2;

    private readonly string $socket;

    /**
     * @param ?string $socket the daemon's own default if it is null
     * @param float $seconds for each call, 8 at most: a web request should have fewer
     */
    public function __construct(?string $socket = null, private readonly float $seconds = 8)
    {
        $this->socket = $socket ?? (getenv('XDG_RUNTIME_DIR') ?: '/run/imtag') . '/imtag.sock';
    }

    /** @param array<array-key, list<string>> $tags what to add, by account: at most 100 accounts, 10 tags each */
    public function add(array $tags): void
    {
        $this->call('im_add_tag', ['UserTags' => self::userTags($tags)], array_keys($tags));
    }

    /** @param array<array-key, list<string>> $tags what to remove, by account */
    public function remove(array $tags): void
    {
        $this->call('im_remove_tag', ['UserTags' => self::userTags($tags)], array_keys($tags));
    }

    /** @param list<string> $accounts whose tags are all removed */
    public function clear(array $accounts): void
    {
        $accounts = array_values(array_map('strval', $accounts));
        $this->call('im_remove_all_tags', ['To_Account' => $accounts], $accounts);
    }

    /**
     * @param list<string> $accounts
     * @return array<array-key, list<string>> the tags by account
     */
    public function get(array $accounts): array
    {
        $accounts = array_values(array_map('strval', $accounts));
        return $this->call('im_get_tag', ['To_Account' => $accounts], $accounts);
    }

    private static function userTags(array $tags): array
    {
        // PHP makes an int of a key such as '42', which is no account
        $user = fn ($account, $of) => ['To_Account' => (string) $account, 'Tags' => array_values($of)];
        return array_map($user, array_keys($tags), $tags);
    }

    private function call(string $name, array $request, array $accounts): array
    {
        if ($accounts === []) {
            return [];
        }
        $body = json_encode($request, JSON_UNESCAPED_UNICODE);
        if ($body === false) {
            throw self::notText($accounts, $request['UserTags'] ?? $accounts);
        }
        [$status, $text] = $this->exchange("/v4/all_member_push/$name", $body, $accounts);
        $answer = json_decode($text, true);
        if (!isset($answer['ErrorCode'])) { // HTTP 400 or 403, whose text says why
            throw ImtagException::ofAll($accounts, $status, trim($text), 'not applied', 'see the text', false);
        }
        $read = array_column($answer['UserTags'] ?? [], 'Tags', 'To_Account');
        if (!empty($answer['ErrorList'])) { // whatever ErrorCode is: the users that it does not name are done
            throw new ImtagException($answer['ErrorList'], $read);
        }
        if ($answer['ErrorCode'] !== 0) {
            ['ErrorCode' => $code, 'ErrorInfo' => $why, 'Effect' => $effect, 'Remedy' => $remedy] = $answer;
            throw ImtagException::ofAll($accounts, $code, $why, $effect, $remedy, $answer['Retryable']);
        }
        return $read;
    }

    /** Some users have bytes that are no text, as a form may send them. The others may be called for again. */
    private static function notText(array $accounts, array $users): ImtagException
    {
        $why = 'no text: ' . json_last_error_msg();
        $failed = [];
        foreach ($users as $index => $user) {
            [$text, $remedy, $isText] = json_encode($user) === false
                ? [$why, 'send UTF-8', false]
                : ["not sent, as another user of the call has $why", 'call again without it', true];
            $of = ImtagException::ofAll([$accounts[$index]], 60003, $text, 'not applied', $remedy, $isText);
            $failed = [...$failed, ...array_values($of->failed)];
        }
        usort($failed, fn ($one, $other) => $one['Retryable'] <=> $other['Retryable']);
        return new ImtagException($failed);
    }

    /** @return array{int, string} the status and the body */
    private function exchange(string $path, string $body, array $accounts): array
    {
        $wait = $this->seconds + self::MORE;
        $connection = @stream_socket_client("unix://$this->socket", $code, $error, $wait);
        if ($connection === false && $code === 13) { // EACCES
            $remedy = 'put it into the group of the socket (imtag serve --group), and start this program anew';
            $why = "this user may not use the socket $this->socket: $error";
            throw ImtagException::ofAll($accounts, ImtagException::MAY_NOT, $why, 'not applied', $remedy, false);
        }
        if ($connection === false) {
            $why = "no daemon at $this->socket: $error";
            $remedy = 'see that it runs, and at this path';
            throw ImtagException::ofAll($accounts, ImtagException::NO_ANSWER, $why, 'not applied', $remedy, true);
        }
        stream_set_timeout($connection, (int) $wait, (int) (fmod($wait, 1) * 1_000_000));
        $head = "POST $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nImtag-Timeout: $this->seconds\r\n"
            . "Content-Type: application/json\r\nContent-Length: " . strlen($body) . "\r\n\r\n";
        @fwrite($connection, $head . $body);
        $answer = (string) stream_get_contents($connection);
        fclose($connection);
        [$head, $text] = explode("\r\n\r\n", $answer, 2) + ['', ''];
        $isWhole = preg_match('~^HTTP/1\.1 (\d+).*^content-length: (\d+)~ims', $head, $found);
        if (!$isWhole || strlen($text) !== (int) $found[2]) {
            [$code, $why] = [ImtagException::NO_ANSWER, 'the daemon did not answer'];
            throw ImtagException::ofAll($accounts, $code, $why, 'possibly applied', 'try again', true);
        }
        return [(int) $found[1], $text];
    }
}
