<?php

declare(strict_types=1);

/**
 * The user tags of Tencent Chat, by the daemon `imtag serve` on this host. It needs PHP 8.1 and no extension.
 *
 * The daemon has packed, paced and repeated what a call asks for before it answers, which it does within 8 seconds. So
 * a failure is final for this call: each method throws an ImtagException if any user failed. The other users are done.
 */
final class Imtag
{
    private const SECONDS = 10;

    public function __construct(private readonly string $socket = '/run/imtag/imtag.sock')
    {
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
        $this->call('im_remove_all_tags', ['To_Account' => array_map('strval', $accounts)], $accounts);
    }

    /**
     * @param list<string> $accounts
     * @return array<array-key, list<string>> the tags by account
     */
    public function get(array $accounts): array
    {
        return $this->call('im_get_tag', ['To_Account' => array_map('strval', $accounts)], $accounts);
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
        $body = json_encode($request, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
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

    /** @return array{int, string} the status and the body */
    private function exchange(string $path, string $body, array $accounts): array
    {
        $connection = @stream_socket_client("unix://$this->socket", $code, $error, self::SECONDS);
        if ($connection === false) {
            $why = "no daemon at $this->socket: $error";
            $remedy = 'see that it runs, and that this user may use its socket';
            throw ImtagException::ofAll($accounts, ImtagException::NO_ANSWER, $why, 'not applied', $remedy, true);
        }
        stream_set_timeout($connection, self::SECONDS);
        $head = "POST $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
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
