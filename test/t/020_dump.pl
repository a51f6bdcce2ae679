# pg_dump and restore: types, dimensions, indexes with their options, and
# what is in them, through each format.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('dump');

prepare($node);
load_vectors($node, 'sift');
$node->safe_psql('postgres', <<'SQL');
DELETE FROM sift WHERE id >= 3000;
CREATE INDEX sift_l2 ON sift USING hnsw (v vector_l2_ops);
CREATE INDEX sift_cosine ON sift USING hnsw (v vector_cosine_ops)
	WITH (m = 8, ef_construction = 40, quantizer = float) WHERE id % 2 = 0;

CREATE TABLE parts (id int, half halfvec(128), any_vector vector)
	PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1500);
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT id, v, subvector(v, 1, 1 + id % 7) FROM sift;
INSERT INTO parts VALUES (-1, NULL, NULL);
CREATE INDEX parts_some ON parts
	USING hnsw ((any_vector::vector(3)) vector_ip_ops)
	WHERE vector_dims(any_vector) = 3;

CREATE MATERIALIZED VIEW sums AS
	SELECT id % 100 AS id, sum(v)::vector(128) AS v FROM sift GROUP BY 1;
CREATE INDEX sums_l1 ON sums USING hnsw (v vector_l1_ops);

CREATE TABLE others AS SELECT id, v::halfvec(128) AS half,
	v::sparsevec(128) AS sparse,
	binary_quantize(v - array_fill(30, ARRAY[128])::vector) AS bits
	FROM sift WHERE id < 500;
ALTER TABLE others ALTER bits TYPE bit(128);
CREATE INDEX others_half ON others USING hnsw (half halfvec_cosine_ops);
CREATE INDEX others_sparse ON others USING hnsw (sparse sparsevec_l2_ops);
CREATE INDEX others_bits ON others USING hnsw (bits bit_jaccard_ops);
CREATE TABLE arrays AS SELECT array_agg(v) AS vs FROM sift WHERE id < 10;
SQL

my $contents = <<'SQL';
SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM sift t;
SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM parts t;
SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM sums t;
SELECT md5(t::text) FROM arrays t;
SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM others t;
SQL
my @indexes = qw(sift_l2 sift_cosine parts_1_any_vector_idx
  parts_2_any_vector_idx sums_l1 others_half others_sparse others_bits);
my $dir = $node->basedir;

sub same_schema
{
	my ($database) = @_;
	my $schema = $dir . "/$database.sql";

	$node->command_ok([ 'pg_dump', '--schema-only', '-f', $schema, $database ],
		"schema of $database");

	# Late minor releases mark each dump with a random word
	return slurp_file($schema) =~ s/^\\(?:un)?restrict .*\n//mgr;
}

sub restored
{
	my ($format, $restore) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $format");
	$node->command_ok($restore, "$format: restored");
	is(same_schema($format), same_schema('postgres'), "$format: same schema");
	is( $node->safe_psql($format, $contents),
		$node->safe_psql('postgres', $contents),
		"$format: same rows");
	for my $index (@indexes)
	{
		is( $node->safe_psql($format,
				"SELECT hnsw_index_check('$index', true) IS NOT NULL"),
			't',
			"$format: $index is sound");
	}
	is( $node->safe_psql(
			$format,
			"SELECT min(recall(i.ids, e.ids)) >= 0.9
			 FROM nearest_by_index('sift', '<->', 10, 20) i
			 JOIN nearest_exactly('sift', '<->', 10, 20) e USING (query)"),
		't',
		"$format: answers");
	return;
}

$node->command_ok([ 'pg_dump', '-f', "$dir/plain", 'postgres' ],
	'plain: dumped');
restored('plain',
	[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain", 'plain' ]);

$node->command_ok(
	[ 'pg_dump', '--rows-per-insert=100', '-f', "$dir/inserts", 'postgres' ],
	'inserts: dumped');
restored('inserts',
	[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/inserts", 'inserts' ]
);

$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dir/directory", 'postgres' ],
	'directory: dumped');
restored('directory',
	[ 'pg_restore', '-e', '-j2', '-d', 'directory', "$dir/directory" ]);

# Dropping and making anew, over what is there
$node->command_ok(
	[
		'pg_restore', '-e', '--clean', '-j2', '-d', 'directory',
		"$dir/directory"
	],
	'restored over itself');
is( $node->safe_psql('directory', $contents),
	$node->safe_psql('postgres', $contents),
	'restored over itself: same rows');

check_log($node);
$node->stop;
done_testing();
