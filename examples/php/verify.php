<?php
declare(strict_types=1);

/**
 * Standard Webhooks: HMAC-SHA256 over id, time and body, no older than five minutes.
 * The names in $headers are in lower case; $now is in Unix seconds.
 */
function isGenuine(string $secret, array $headers, string $body, int $now): bool
{
    $id = $headers['webhook-id'] ?? '';
    $sentAt = $headers['webhook-timestamp'] ?? '';
    if (!ctype_digit($sentAt) || abs($now - (int) $sentAt) > 300) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret));
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sentAt.$body", $key, true));
    foreach (explode(' ', $headers['webhook-signature'] ?? '') as $given) {
        if (hash_equals($expected, $given)) {
            return true;
        }
    }
    return false;
}
