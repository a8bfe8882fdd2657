<?php
// Run a Worker from start to file: start, callback, poll, page, export.
//
//     FYKE_KEY=... FYKE_WORKER=owner/website-content-crawler php run.php results.csv
//
// Needs the extension curl. See ../README.md for the variables.

declare(strict_types=1);

require __DIR__ . '/verify.php';

const SUCCEEDED = 3;
const FINAL_STATUSES = [3, 4, 5];
const PAGE_SIZE = 100;

$url = getenv('FYKE_URL') ?: 'http://127.0.0.1:8100';
$worker = getenv('FYKE_WORKER');
$input = json_decode(getenv('FYKE_INPUT') ?: '{}');
$secret = getenv('FYKE_WEBHOOK_SECRET') ?: '';
$port = getenv('FYKE_CALLBACK_PORT') ?: '8099';
$file = $argv[1] ?? 'results.csv';

/** POST and return `data`; wait and try again while the platform says "too many requests". */
function call(string $path, array $body): array
{
    global $url;
    for ($attempt = 0; ; $attempt++) {
        $headers = [];
        $curl = curl_init($url . $path);
        curl_setopt_array($curl, [
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => json_encode($body),
            CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'api-key: ' . getenv('FYKE_KEY')],
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => 30,
            CURLOPT_HEADERFUNCTION => function ($curl, string $line) use (&$headers): int {
                [$name, $value] = array_pad(explode(':', $line, 2), 2, '');
                $headers[strtolower(trim($name))] = trim($value);
                return strlen($line);
            },
        ]);
        $text = curl_exec($curl);
        if ($text === false) {
            fail("$path: " . curl_error($curl));
        }
        $answer = json_decode($text, true, 512, JSON_BIGINT_AS_STRING | JSON_THROW_ON_ERROR);
        if ($answer['code'] === 4290 && $attempt < 5) {
            sleep((int) ($headers['retry-after'] ?? 2 ** $attempt));
            continue;
        }
        if ($answer['code'] !== 0) {
            fail("$path: {$answer['code']} {$answer['message']}");
        }
        return $answer['data'];
    }
}

function fail(string $message): never
{
    fwrite(STDERR, $message . "\n");
    exit(1);
}

/**
 * Take one callback from the listening socket; null when none came in time or it was not genuine.
 * The same one may come twice: compare `webhook-id`. Behind a web server this is a page of yours.
 */
function receive($listener, float $seconds): ?array
{
    global $secret;
    $connection = @stream_socket_accept($listener, $seconds);
    if ($connection === false) {
        return null;
    }
    stream_set_timeout($connection, 5);
    $headers = [];
    fgets($connection);
    while (($line = trim((string) fgets($connection))) !== '') {
        [$name, $value] = array_pad(explode(':', $line, 2), 2, '');
        $headers[strtolower($name)] = trim($value);
    }
    $body = '';
    $length = (int) ($headers['content-length'] ?? 0);
    while (strlen($body) < $length && !feof($connection)) {
        $body .= fread($connection, $length - strlen($body));
    }
    $genuine = isGenuine($secret, $headers, $body, time());
    $status = $genuine ? '204 No Content' : '401 Unauthorized';
    fwrite($connection, "HTTP/1.1 $status\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    fclose($connection);
    return $genuine ? json_decode($body, true) : null;
}

$listener = null;
if ($secret !== '') {
    $listener = stream_socket_server("tcp://127.0.0.1:$port", $number, $reason) ?: fail($reason);
}

$started = call('/api/v1/scraper/run', [
    'scraper_slug' => $worker,
    'is_async' => true,
    'callback_url' => $listener ? "http://127.0.0.1:$port/callback" : '',
    'input' => ['parameters' => ['custom' => $input]],
]);
$run = $started['run_slug'];
echo "started $run\n";

while (true) {
    $detail = call('/api/v1/run/detail', ['run_slug' => $run]);
    if (in_array($detail['status'], FINAL_STATUSES, true)) {
        break;
    }
    sleep(1);
}
if ($detail['status'] !== SUCCEEDED) {
    fail("the run ended with status {$detail['status']}: {$detail['err_msg']}");
}
echo "succeeded after {$detail['duration']} s, {$detail['usage']} USD\n";

$rows = [];
$page = 1;
do {
    $listed = call('/api/v1/run/result/list', [
        'run_slug' => $run,
        'page_index' => $page++,
        'page_size' => PAGE_SIZE,
    ])['list'];
    array_push($rows, ...$listed);
} while (count($listed) === PAGE_SIZE);
echo 'read ' . count($rows) . " rows\n";

$link = call('/api/v1/run/result/export', ['run_slug' => $run, 'format' => 'csv'])['download_url'];
$target = fopen($file, 'wb') ?: fail("cannot write $file");
$curl = curl_init($link);
curl_setopt_array($curl, [CURLOPT_FILE => $target, CURLOPT_FAILONERROR => true, CURLOPT_TIMEOUT => 300]);
if (curl_exec($curl) === false) {
    fail('download: ' . curl_error($curl));
}
fclose($target);
echo "exported $file\n";

if ($listener) {
    $until = microtime(true) + 30;
    do {
        $payload = receive($listener, max(0.0, $until - microtime(true)));
    } while (microtime(true) < $until && !in_array($payload['status'] ?? 0, FINAL_STATUSES, true));
    if ($payload === null) {
        fail('no callback came');
    }
    echo "callback says {$payload['run_status']}\n";
}
