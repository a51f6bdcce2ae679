# What a build does without waiting for anybody can take long, too: a cancel at
# its beginning ends it, and not what comes after it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('interrupts');
prepare($node);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE items (id int, v vector(8));
INSERT INTO items SELECT i, array_agg(hashint4(i * 8 + j)::float8 / 1e9)::vector
	FROM generate_series(1, 4000) i, generate_series(1, 8) j GROUP BY i;
SQL

for my $case (
	[ 'build-connect', '64MB' ],
	[ 'build-order', '64MB' ],
	[ 'build-measure', '64MB' ],
	[ 'build-nodes-per-page', '64MB' ],
	[ 'build-limits', '1MB' ],
	[ 'build-measure', '1MB' ])
{
	my ($point, $memory) = @$case;
	my ($status, $out, $error) = $node->psql('postgres',
		"SET maintenance_work_mem = '$memory';
		 SET hnsw_test.cancel_at = '$point';
		 CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)");

	like(
		$error,
		qr/canceling statement due to user request/,
		"cancelled at $point, with $memory");
	ok(!index_exists($node, 'items_v'), 'no index is left');
}

check_log($node);
$node->stop;
done_testing();
