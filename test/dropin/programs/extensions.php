<?php // Extensions are libraries opened with RTLD_DEEPBIND: each allocates, and each frees what others gave it.
function has(string $name): bool { return extension_loaded($name); }

for ($i = 0; $i < 300; $i++) {
	$words[] = str_repeat("wört$i ", $i % 40);
	if (has('mbstring'))
		$words[] = mb_strtoupper(mb_substr(mb_convert_encoding($words[$i], 'UTF-16LE', 'UTF-8'), 0, 30));
}
if (has('mbstring'))
	echo mb_convert_case('straße und fluß', MB_CASE_TITLE), ' ', mb_detect_encoding('é'), "\n";
if (has('intl')) {
	$c = collator_create('de_DE');
	$list = ['Zebra', 'Äpfel', 'Apfel', 'zahl', 'Öl', 'ofen'];
	$c->sort($list);
	echo implode(' ', $list), ' ', (new NumberFormatter('de_DE', NumberFormatter::DECIMAL))->format(1234567.891), "\n";
	echo Normalizer::normalize("e\u{301}"), ' ', transliterator_transliterate('Any-Latin; Latin-ASCII', 'Москва'), "\n";
}
if (has('curl')) {
	$h = curl_init('file://' . __FILE__);
	curl_setopt($h, CURLOPT_RETURNTRANSFER, true);
	echo strlen(curl_exec($h)) === filesize(__FILE__) ? "curl read this file\n" : "curl failed\n";
	curl_close($h);
}
if (has('dom')) {
	$d = new DOMDocument;
	$root = $d->appendChild($d->createElement('list'));
	for ($i = 0; $i < 200; $i++)
		$root->appendChild($d->createElement('word', "w$i"))->setAttribute('n', (string)$i);
	echo md5($d->saveXML()), ' ', (new DOMXPath($d))->query('//word[@n>150]')->length, "\n";
}
if (has('opcache'))
	echo function_exists('opcache_get_status') ? "opcache\n" : "no opcache\n";
echo md5(serialize($words)), ' ', preg_match_all('/w(\w+)t(\d+)/u', implode('', $words)), "\n";
echo implode(' ', array_map(fn($x) => bin2hex(gzcompress(str_repeat('a', $x * 100))), range(1, 5))), "\n";
