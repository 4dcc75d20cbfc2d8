<?php

// Run it beside a daemon (`imtag serve --demo --socket imtag.sock`):
//
//     php tag.php imtag.sock
//
// To use it, copy Imtag.php, ImtagException.php and ImtagSocket.php. In a web request do not wait as this script does: put
// those who may be done later into a queue, or tell the user.

declare(strict_types=1);

require_once __DIR__ . '/ImtagException.php';
require_once __DIR__ . '/Imtag.php';

$imtag = new Imtag($argv[1] ?? null);
$tags = ['xiaojun012' => ['vip', 'beijing'], 'xiaojun013' => ['vip']];
$accounts = array_keys($tags);
$failed = 0;
for ($tries = 3; $tags !== [] && $tries > 0; $tries--) {
    try {
        $imtag->add($tags);
        $tags = [];
    } catch (ImtagException $e) {
        fwrite(STDERR, "not added: {$e->getMessage()}\n");
        $passing = $e->passing();
        $failed += count($e->failed) - count($passing);
        $tags = array_intersect_key($tags, $passing);
        sleep($tags === [] ? 0 : 1);
    }
}

try {
    $read = $imtag->get($accounts);
} catch (ImtagException $e) {
    $read = $e->read;
    fwrite(STDERR, "not read: {$e->getMessage()}\n");
}
foreach ($read as $account => $has) {
    echo $account, ': ', implode(' ', $has), "\n";
}
exit($failed + count($tags) === 0 ? 0 : 1);
