# How many searches a plan made, as EXPLAIN (from 18 on) and the statistics
# tell: one for each time that a scan begins.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('explain', settings => "enable_seqscan = off\n");

prepare($node);
load_vectors($node, 'sift');
$node->safe_psql('postgres',
	'CREATE INDEX sift_hnsw ON sift USING hnsw (v vector_l2_ops);
	 ANALYZE sift;');

my $near = '(SELECT v FROM sift_query WHERE id = 0)';
my @plans = (
	[ 'one scan', 1, "SELECT id FROM sift ORDER BY v <-> $near LIMIT 5" ],
	[
		'a scan beyond ef_search', 1,
		"SELECT id FROM sift ORDER BY v <-> $near LIMIT 200" ],
	[
		'a scan for each of seven rows', 7,
		'SELECT n.id FROM (SELECT v FROM sift_query WHERE id < 7) q,'
		  . ' LATERAL (SELECT id FROM sift ORDER BY v <-> q.v LIMIT 3) n' ]);

sub scans
{
	return $node->safe_psql('postgres',
		"SELECT idx_scan FROM pg_stat_user_indexes
		 WHERE indexrelname = 'sift_hnsw'");
}

for my $plan (@plans)
{
	my ($name, $searches, $query) = @$plan;
	my $before = scans();
	my $explained = $node->safe_psql('postgres',
		"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $query");

	like($explained, qr/Index Scan using sift_hnsw/, "$name: by the index");
	if ($node->pg_version >= 18)
	{
		like(
			$explained,
			qr/Index Scan using sift_hnsw.*\n(?:.*\n)*?.*Index Searches: $searches$/m,
			"$name: searches in the plan");
	}
	ok( $node->poll_query_until(
			'postgres', "SELECT idx_scan = $before + $searches
			 FROM pg_stat_user_indexes WHERE indexrelname = 'sift_hnsw'"),
		"$name: searches in the statistics");
}
check_index($node, 'sift_hnsw', 'the index passes the check');

done_testing();
