<?php

// Run it beside a daemon (`imtag serve --demo --socket imtag.sock`):
//
//     php later.php imtag.sock
//
// To use it, copy ImtagQueue.php and ImtagSocket.php. A web request ends once its changes are stored; what became of
// them is another program's, such as a cron job's: both are here, one after the other.

declare(strict_types=1);

require_once __DIR__ . '/ImtagQueue.php';

$queue = new ImtagQueue($argv[1] ?? null);

// the web request
$rows = [
    ['To_Account' => 'xiaojun012', 'Tags' => ['vip', 'beijing']],
    ['To_Account' => 'xiaojun013', 'Tags' => ['vip']],
];
$key = 'order-' . bin2hex(random_bytes(8)); // what the order has by itself, such as its number
for ($tries = 3;; $tries--) {
    try {
        $post = $queue->post($rows, $key);
        break;
    } catch (ImtagQueueException $e) {
        fwrite(STDERR, "not stored: {$e->getMessage()}\n");
        if ($e->retryAfter === null || $tries === 1) {
            exit(1);
        }
        sleep($e->retryAfter);
    }
}
echo "stored\n";

// the cron job
try {
    do {
        usleep(100_000);
        $states = $queue->states($post);
    } while ($states['queued'] + $states['sending'] > 0);
    $failures = $queue->failures();
    foreach ($failures as $failure) {
        echo "failed: {$failure['account']}: {$failure['reason']} ({$failure['effect']}; {$failure['remedy']})\n";
    }
    $queue->deleteFailures(array_column($failures, 'id'));
} catch (ImtagQueueException $e) {
    fwrite(STDERR, "not read: {$e->getMessage()}\n");
    exit(1);
}
