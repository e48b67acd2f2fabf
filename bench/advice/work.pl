# work.pl TEXT - as a service does: three requests, each of which sorts words by neighbour, line and length in hashes
# of hashes, and a wait after each.
use strict;

sub answer {
	my (%lines, %near, %by, $last);
	open my $file, "<", $ARGV[0] or die;
	while (<$file>) {
		chomp;
		my @words = split / /;
		$lines{$words[0]} = [@words];
		for my $word (@words) {
			$near{$word}{defined $last ? length $last : 0}++;
			$last = $word;
		}
	}
	my @sorted = sort { keys %{$near{$b}} <=> keys %{$near{$a}} || $a cmp $b } keys %near;
	push @{$by{length $_}}, $_ for @sorted;
	return scalar(@sorted) + keys %by;
}

for my $request (1 .. 3) {
	print answer(), "\n";
	select undef, undef, undef, 0.2;
}
