# A scan looks at a page without a pin, and other scans take its buffer before
# it is done: it has to find that out, read the page again, and answer as ever.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('looks', settings => "shared_buffers = 16MB\n");
prepare($node);
load_vectors($node, 'sift');
load_vectors($node, 'hog');
$node->safe_psql('postgres',
	'CREATE INDEX sift_hnsw ON sift USING hnsw (v vector_l2_ops);
	 CREATE INDEX hog_hnsw ON hog USING hnsw (v vector_l2_ops);
	 ANALYZE;');
my %expected = map { $_ => answers($node, $_, '<->', 50) } ('sift', 'hog');

$node->append_conf('postgresql.conf', "shared_buffers = 128kB\n");
$node->restart;

sub wait_until_stopped_at
{
	my ($point) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_locks
		 WHERE locktype = 'advisory' AND NOT granted
			AND objid::bigint = hashtext('$point')::bigint & 4294967295");
}

# The first answer tells the session where pages are, the second one stops.
sub lose_buffer
{
	my ($look, $again, $name, $other) = @_;
	my $query =
	  "SELECT query, ids FROM nearest_by_index('$name', '<->', 50, 20)";
	my $guard = start_session($node);

	ask($guard, "SELECT pg_advisory_lock(hashtext('$_'))")
	  for ($look, $again);
	my $scan =
	  start_sql($node, $query, "SET hnsw_test.stop_at = '$look, $again'",
		$query);
	ok(wait_until_stopped_at($look), "$name: stops at $look");
	is(answers($node, $other, '<->', 50),
		$expected{$other}, 'another index takes all buffers');
	ask($guard, "SELECT pg_advisory_unlock(hashtext('$look'))");
	ok(wait_until_stopped_at($again), "$name: stops at $again");
	finish_session($guard);

	my ($result, $out, $error) = finish_sql($scan);
	is($out, "$expected{$name}\n" x 2, "$name: same answers both times");
	is($error, '', 'no error');
	return;
}

lose_buffer('look-at-records', 'records-gone', 'sift', 'hog');
lose_buffer('look-at-records', 'records-gone', 'hog', 'sift');
lose_buffer('look-at-links', 'links-changed', 'sift', 'hog');

check_log($node);
$node->stop;
done_testing();
