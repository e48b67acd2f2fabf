# count.pl N - strings and hashes: perl's own sizes and lifetimes, one line that depends on all of them.
use strict;
use warnings;

my ($x, %count, @lines) = (54321);
for my $i (1 .. $ARGV[0]) {
	$x = ($x * 1103515245 + 12345) & 0x7fffffff;
	my $word = sprintf('%x', $x % 2003);
	push @lines, $word x (1 + $x % 9);
	$count{$_}++ for split //, $lines[-1];
	$count{$word} .= length $lines[-1];
	splice @lines, $x % @lines, 1 if $i % 3 == 0;
}
my $sum = 0;
$sum = ($sum * 31 + unpack '%32C*', "$_=$count{$_}") % 1000000007 for sort keys %count;
my $text = join ',', sort @lines;
$text =~ s/([0-9a-f])\1+/$1/g;
print scalar(keys %count), ' ', length $text, " $sum\n";
