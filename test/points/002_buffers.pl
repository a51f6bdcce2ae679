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
$node->append_conf('postgresql.conf', "shared_buffers = 128kB\n");
$node->restart;
my %expected = map { $_ => answers($node, $_, '<->', 50) } ('sift', 'hog');

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

# A search that meets all points of a page meets those that nobody has written,
# too: ids of inserts that ended.  They look as if they were at the centroid, and
# so come right behind the few rows that are away from it.  After 441 rows, 21 to
# a page of refinement and 20 to one of codes, the next page of refinement is zero.
{
	my $insert = sub {
		my ($from, $to, $away) = @_;

		return "INSERT INTO few
			SELECT id, (SELECT array_agg(CASE i WHEN 1 THEN $away
							ELSE random() END ORDER BY i)::vector
						FROM generate_series(1, 768) i WHERE id > 0)
			FROM generate_series($from, $to) id;";
	};
	my $nearest = "SET enable_seqscan = off; SET enable_sort = off;
		SET hnsw.ef_search = 40;
		SELECT count(*), count(*) FILTER (WHERE id >= 412) FROM
			(SELECT id FROM few ORDER BY v <-> (SELECT v FROM few WHERE id = 430)
			 LIMIT 40) r;";

	$node->safe_psql('postgres',
		'CREATE TABLE few (id int, v vector(768));
		 CREATE INDEX few_hnsw ON few USING hnsw (v vector_l2_ops);'
		  . $insert->(1, 411, 0)
		  . 'REINDEX INDEX few_hnsw;'
		  . $insert->(412, 441, 100));
	for my $id (442 .. 491)
	{
		my ($result, $out, $error) = $node->psql('postgres',
			"SET hnsw_test.cancel_at = 'insert-point-taken';"
			  . $insert->($id, $id, 100));

		is($result, 3, 'an insert ends with its id') if $id == 442;
	}
	is($node->safe_psql('postgres', $nearest),
		'40|30', 'points that were never written are no results');
	is( $node->safe_psql('postgres',
			"SET enable_seqscan = off; SET enable_sort = off;
			 SET hnsw.iterative_scan = relaxed_order;
			 SELECT count(*) FROM
				(SELECT id FROM few ORDER BY v <->
					(SELECT v FROM few WHERE id = 430)) r"),
		'441',
		'and all others are');
	$node->safe_psql('postgres', 'VACUUM few');
	is($node->safe_psql('postgres', $nearest),
		'40|30', 'nor are they when they are free');
	check_index($node, 'few_hnsw', 'the index is sound');
}

check_log($node);
$node->stop;
done_testing();
