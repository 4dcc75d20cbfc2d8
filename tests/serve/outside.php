<?php

// Gives the classes of examples/php what may come from outside, at a socket and at one that keeps what it is asked.

declare(strict_types=1);

require getenv('LIBIMTAG') . '/examples/php/Imtag.php';
require getenv('LIBIMTAG') . '/examples/php/ImtagException.php';
require getenv('LIBIMTAG') . '/examples/php/ImtagQueue.php';

$imtag = new Imtag($argv[1]);
$queue = new ImtagQueue($argv[1]);
$bytes = substr('é', 0, 1);
$say = function (string $what, callable $call) use ($bytes): void {
    try {
        $call();
        echo "$what: done\n";
    } catch (ImtagException $e) {
        $passing = implode(' ', array_keys($e->passing()));
        echo "$what: ", str_replace($bytes, '?', $e->getMessage()), "; passing: $passing\n";
    } catch (ImtagQueueException $e) {
        $again = $e->retryAfter === null ? '' : ', try again';
        echo "$what: {$e->getMessage()}$again\n";
    }
};

$victims = '[{"To_Account":"victim","Tags":["owned"]}]';
$post = "x\r\nContent-Type: application/json\r\nContent-Length: " . strlen($victims) . "\r\n\r\n$victims";
$mine = [['To_Account' => 'mine', 'Tags' => ['vip']]];
foreach (['a request' => $post, 'an end' => "x\n", 'a blank' => 'x y', 'a letter' => 'ü', 'none' => ''] as $what => $key) {
    $say("key of $what", fn () => $queue->post($mine, $key));
}
$say('key of 256', fn () => $queue->post($mine, str_repeat('x', 256)));
$say('key of 255', fn () => $queue->post($mine, str_repeat('~', 255)));
$say('key of signs', fn () => $queue->post($mine, "!\"'@{}[]%25\\"));
$say('id of a request', fn () => $queue->states("1 HTTP/1.1\r\nHost: x\r\n\r\n"));
$say('id of another path', fn () => $queue->states('../failures?limit=1'));
$say('id of none', fn () => $queue->states(''));

$say('rows', fn () => $queue->post([...$mine, ['To_Account' => 'half', 'Tags' => ['vip', $bytes]]], 'rows'));
$say('users', fn () => $imtag->add(['mine' => ['vip'], 'half' => ['vip', $bytes]]));
$say('accounts', fn () => $imtag->get(['mine', $bytes . 'half']));

// keys of an array that are numbers, and a list with a gap
$tags = ['42' => [1 => 'vip', 3 => 'beijing']];
$rows = array_map(fn ($account) => ['To_Account' => $account, 'Tags' => $tags[$account]], array_keys($tags));
$post = $queue->post([7 => $rows[0]], 'numbers');
do {
    usleep(20_000);
    $states = $queue->states($post);
} while ($states['done'] === 0);
foreach ($imtag->get(['victim', '42']) as $account => $has) {
    echo "$account: ", implode(' ', $has), "\n";
}
$say('brief', fn () => (new ImtagQueue($argv[2], seconds: 1.5))->deleteFailures([4 => '7-1']));
