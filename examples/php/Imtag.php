<?php

declare(strict_types=1);

require_once __DIR__ . '/ImtagSocket.php';

/**
 * The user tags of Tencent Chat, by the daemon `imtag serve` on this host. It needs PHP 8.1 and no extension.
 *
 * The daemon has packed, paced and repeated what a call asks for before it answers, which it does within 8 seconds. So
 * a failure is final for this call: each method throws an ImtagException, and no other, if any user failed. The other
 * users are done.
 */
final class Imtag
{
    private readonly ImtagSocket $socket;

    /**
     * @param ?string $socket the daemon's own default if it is null
     * @param float $seconds for each call, 8 at most: a web request should have fewer
     */
    public function __construct(?string $socket = null, float $seconds = 8)
    {
        $this->socket = new ImtagSocket($socket, $seconds);
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
        $user = fn ($account, $of) => ImtagSocket::row(['To_Account' => $account, 'Tags' => $of]);
        return array_map($user, array_keys($tags), $tags);
    }

    private function call(string $name, array $request, array $accounts): array
    {
        if ($accounts === []) {
            return [];
        }
        $notText = ImtagSocket::notText($request['UserTags'] ?? $accounts);
        if ($notText !== []) {
            throw self::refused($accounts, $notText);
        }
        $body = json_encode($request, JSON_UNESCAPED_UNICODE);
        try {
            [$status, , $text] = $this->socket->ask('POST', "/v4/all_member_push/$name", $body);
        } catch (ImtagNoAnswer $e) {
            $code = $e->retryable ? ImtagException::NO_ANSWER : ImtagException::MAY_NOT;
            throw ImtagException::ofAll($accounts, $code, $e->getMessage(), $e->effect, $e->remedy, $e->retryable);
        }
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

    /** Some users cannot be sent, for these reasons. The others may be called for again. */
    private static function refused(array $accounts, array $reasons): ImtagException
    {
        $failed = [];
        foreach ($accounts as $index => $account) {
            [$why, $remedy] = isset($reasons[$index])
                ? [$reasons[$index], 'send UTF-8']
                : ['not sent, as another user of the call has ' . current($reasons), 'call again without it'];
            $of = ImtagException::ofAll([$account], 60003, $why, 'not applied', $remedy, !isset($reasons[$index]));
            $failed = [...$failed, ...array_values($of->failed)];
        }
        usort($failed, fn ($one, $other) => $one['Retryable'] <=> $other['Retryable']);
        return new ImtagException($failed);
    }
}
