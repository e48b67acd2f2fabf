# work.pl TEXT - words by line, by length and by neighbour, in hashes of hashes.
use strict;
my (%lines, %near, $n, $last);
while (<>) {
	chomp;
	my @words = split / /;
	$lines{$words[0]} = [@words];
	for my $word (@words) {
		$near{$word}{defined $last ? length $last : 0}++;
		$last = $word;
	}
	%lines = () if ++$n % 3000 == 0;
}
my @sorted = sort { keys %{$near{$b}} <=> keys %{$near{$a}} || $a cmp $b } keys %near;
my %by;
push @{$by{length $_}}, $_ for @sorted;
print scalar(@sorted), " $sorted[0] ", scalar(keys %by), "\n";
