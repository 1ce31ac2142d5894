<?php
/**
 * What WordPress makes of an address that stands alone on a line of a post, and of HTML of an author who may not write any, by
 * WordPress' own files; no database and no site is there.
 *
 * php wordpress.php FOLDER < {"url": ..., "html": ...}  ->  {"version": ..., "embedded": ..., "kept": ..., "asked": [...]}
 */
[, $folder] = $argv;
define('ABSPATH', rtrim($folder, '/') . '/');
define('WPINC', 'wp-includes');
define('WP_DEBUG', false);
function is_feed() { return false; }

foreach (['version', 'compat', 'plugin', 'load', 'functions', 'l10n', 'formatting', 'kses', 'shortcodes', 'media', 'http',
          'class-wp-http', 'class-http', 'general-template', 'link-template', 'pluggable', 'class-wp-oembed', 'embed'] as $name) {
    $file = ABSPATH . WPINC . "/$name.php";
    if (is_file($file)) require_once $file;
}
// What would ask the database.
add_filter('pre_option', fn($found, $name) => $name === 'blog_charset' ? 'UTF-8' : '', 10, 2);
// WordPress itself asks no server of its own machine.
$asked = [];
add_filter('pre_http_request', function ($done, $said, $url) use (&$asked) {
    $asked[] = $url;
    $body = file_get_contents($url, false, null, 0, $said['limit_response_size'] ?? null);
    return ['body' => $body, 'headers' => [], 'response' => ['code' => $body === false ? 404 : 200, 'message' => '']];
}, 10, 3);
add_filter('oembed_dataparse', 'wp_filter_oembed_result', 10, 3); // as wp-includes/default-filters.php has it

$told = json_decode(stream_get_contents(STDIN));
$embedded = _wp_oembed_get_object()->get_html($told->url, ['width' => 600, 'height' => 900]);
echo json_encode(['version' => $wp_version, 'embedded' => $embedded, 'kept' => wp_kses_post($told->html), 'asked' => $asked]);
