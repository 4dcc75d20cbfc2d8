<?php

declare(strict_types=1);

/** Some users of a call failed, or all of them. */
final class ImtagException extends RuntimeException
{
    /** The service, or the daemon, did not answer. */
    public const NO_ANSWER = 60008;

    /** This user may not use the daemon's socket; also HTTP's code for who may not call. */
    public const MAY_NOT = 403;

    /**
     * By account. Retryable: the user may be done if it is tried again later.
     *
     * @var array<array-key, array{ErrorCode: int, ErrorInfo: string, Effect: string, Remedy: string, Retryable: bool}>
     */
    public readonly array $failed;

    /**
     * @param list<array> $failed the answer's ErrorList
     * @param array<array-key, list<string>> $read the tags of the users whose tags were read
     */
    public function __construct(array $failed, public readonly array $read = [])
    {
        $this->failed = array_column($failed, null, 'To_Account');
        ['To_Account' => $account, 'ErrorCode' => $code, 'ErrorInfo' => $why] = $failed[0];
        ['Effect' => $effect, 'Remedy' => $remedy] = $failed[0];
        $others = count($failed) > 1 ? ', and ' . count($failed) - 1 . ' more' : '';
        parent::__construct("$account: $why ($effect; $remedy)$others", $code);
        foreach ($this->getTrace() as $frame) { // where Imtag was called, which is what one looks for
            if (($frame['class'] ?? '') === Imtag::class && isset($frame['file'])) {
                [$this->file, $this->line] = [$frame['file'], $frame['line']];
            }
        }
    }

    /** Every user of a call failed for the same reason. */
    public static function ofAll(
        array $accounts,
        int $code,
        string $why,
        string $effect,
        string $remedy,
        bool $retryable,
    ): self {
        $failed = ['ErrorCode' => $code, 'ErrorInfo' => $why, 'Effect' => $effect, 'Remedy' => $remedy];
        $failed['Retryable'] = $retryable;
        return new self(array_map(fn ($account) => ['To_Account' => (string) $account] + $failed, $accounts));
    }

    /**
     * Those who may be done if they are tried again later. That is safe, as the tags of a user are a set; but a change
     * that another one has followed meanwhile would undo that one.
     *
     * @return array<array-key, array> some of $failed
     */
    public function passing(): array
    {
        return array_filter($this->failed, fn (array $user) => $user['Retryable']);
    }
}
