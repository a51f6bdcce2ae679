# Builds that do not fit maintenance_work_mem.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use Test::More;

my $node = new_build_node('build_in_parts');
$node->safe_psql('postgres', <<'SQL');
-- each vector three times, and one very often
CREATE TABLE copies (id int, v vector(128)) WITH (parallel_workers = 2);
INSERT INTO copies SELECT id * 3 + i, v FROM generate_series(0, 2) i, sift
	WHERE id < 5000 ORDER BY i, id;
INSERT INTO copies SELECT 20000 + i, v FROM generate_series(1, 3000) i, sift
	WHERE id = 7;

-- groups that are far from each other
CREATE TABLE islands (id int, v vector(64)) WITH (parallel_workers = 2);
INSERT INTO islands SELECT i, array_agg(CASE WHEN j = i % 20 THEN 1e6 ELSE 0 END
		+ hashint4(i * 64 + j)::float8 / 1e9)::vector
	FROM generate_series(0, 5999) i, generate_series(0, 63) j GROUP BY i;
SQL

# What a build says that needs too much
sub build_with
{
	my ($table, $memory, $settings, $options) = @_;
	my ($status, $out, $error) = $node->psql('postgres',
		"SET maintenance_work_mem = '$memory'; @{[ $settings // '' ]};
		 DROP INDEX IF EXISTS in_parts;
		 CREATE INDEX in_parts ON $table USING hnsw (v vector_l2_ops)
		 @{[ $options // '' ]}");

	$error =~ s/^.*index "in_parts" does not exist, skipping\n?//m;
	return $error;
}

sub parts
{
	my ($message) = @_;

	return $message =~ /was built in (\d+) parts/ ? $1 : 0;
}

sub links
{
	return $node->safe_psql('postgres',
		"SELECT md5(string_agg(l::text, ' ' ORDER BY l::text))
		 FROM hnsw_index_links('in_parts') l");
}

# A quarter of what is needed: all rows are there, found as well as ever, and
# workers make no difference.
for my $case ([ 'sift', '1100kB' ], [ 'hog', '1024kB' ])
{
	my ($table, $memory) = @$case;
	my %at_once;
	my %same;

	is(build_with($table, '64MB'), '', "$table: built at once");
	$at_once{$_} =
	  recall($node, $table, "SET hnsw.ef_search = $_;", 10) for (40, 80);

	for my $workers (0, 2)
	{
		my $message = build_with($table, $memory,
			"SET max_parallel_maintenance_workers = $workers");

		cmp_ok(parts($message), '>', 1,
			"$table, $workers workers: built in parts");
		like(
			$message,
			qr/DETAIL:  \d+ rows need \d+ kB at once.*HINT:  With maintenance_work_mem of at least \d+ MB/s,
			'and says what it lacks');
		is( $node->psql('postgres', "SELECT hnsw_index_check('in_parts', true)"),
			0,
			'every row is there');
		$same{ links() } = 1;
	}
	is(scalar keys %same, 1, "$table: workers make no difference");
	for my $ef (40, 80)
	{
		my $recall =
		  recall($node, $table, "SET hnsw.ef_search = $ef;", 10);

		cmp_ok($recall, '>=', $at_once{$ef} - 0.012,
			"$table, ef $ef: recall in parts ($recall, at once $at_once{$ef})"
		);
	}
}

# Equal vectors share a point, in parts as well.
my $message = build_with('copies', '1MB');
cmp_ok(parts($message), '>', 1, 'equal vectors: built in parts');
is( $node->psql('postgres', "SELECT hnsw_index_check('in_parts', true)"),
	0, 'equal vectors: every row is there');
is( $node->safe_psql('postgres',
		"SELECT points FROM hnsw_index_info('in_parts')"),
	5000,
	'equal vectors share a point');

# What is equal takes little memory.
$node->safe_psql('postgres',
	'CREATE TABLE one AS SELECT i AS id, v FROM generate_series(1, 20000) i, sift
	 WHERE sift.id = 7');
is(build_with('one', '1MB'), '', 'one vector, very often: fits');

# But not none: the table of hashes that counts these rows takes 16 MB, and
# they themselves as much, of which the build knows when it begins.
$node->safe_psql('postgres', <<'SQL');
CREATE UNLOGGED TABLE many (id int, v vector(2));
INSERT INTO many SELECT i, format('[%s,0]', least(i, 1000))::vector
	FROM generate_series(1, 1390000) i;
CREATE FUNCTION peak_memory() RETURNS bigint LANGUAGE sql AS
$$ SELECT substring(pg_read_file('/proc/self/status')
					FROM 'VmHWM:\s*(\d+) kB')::bigint $$;
SQL
like(
	build_with('many', '16400kB'),
	qr/1390000 rows need \d+ kB, maintenance_work_mem is 16400 kB.\s*HINT:  Set maintenance_work_mem to 17 MB\.$/,
	'many equal vectors: an error says what they need');
SKIP:
{
	skip 'no /proc/self/status', 1 unless -r '/proc/self/status';
	my ($before, $after) = split /\n/, $node->safe_psql('postgres',
		"SET max_parallel_workers_per_gather = 0;
		 SET max_parallel_maintenance_workers = 0;
		 SET maintenance_work_mem = '17MB';
		 SELECT sum(v) FROM many WHERE id < 10 \\g /dev/null
		 SELECT peak_memory();
		 CREATE INDEX in_parts ON many USING hnsw (v vector_l2_ops);
		 SELECT peak_memory()");
	my $growth = $after - $before;

	cmp_ok($growth, '<', 19 * 1024,
		"many equal vectors: the build takes no more ($growth kB)");
	is( $node->psql('postgres', "SELECT hnsw_index_check('in_parts', true)"),
		0, 'every row is there');
}
$node->safe_psql('postgres', 'DROP TABLE many');

# Two strings that count as one, as their hashes are equal, which a UUID of the
# same bytes shows: both get a point all the same.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE strings (id int, b bit(128));
INSERT INTO strings SELECT i, ('x' || md5(i::text))::bit(128)
	FROM generate_series(1, 4000) i;
INSERT INTO strings VALUES
	(4001, x'f708cfedd4bf3df10000000000000000'),
	(4002, x'45e3194dec71fa0c0000000000000000');
CREATE FUNCTION counted_as(id uuid) RETURNS bigint LANGUAGE sql AS
'SELECT uuid_hash_extended(id, uuid_hash_extended(id, 0))';
SQL
is( $node->safe_psql('postgres',
		"SELECT counted_as('f708cfedd4bf3df10000000000000000')
			  = counted_as('45e3194dec71fa0c0000000000000000')"),
	unpack('L', "\1\0\0\0") == 1 ? 't' : 'f',
	'two strings count as one where bytes have this order');
for my $case ([ '4000', '64MB' ], [ '0', '64MB' ], [ '0', '1MB' ])
{
	my ($from, $memory) = @$case;

	is( $node->psql('postgres',
			"SET maintenance_work_mem = '$memory';
			 SET client_min_messages = error;
			 CREATE INDEX strings_b ON strings USING hnsw (b bit_hamming_ops)
				WHERE id > $from;
			 SELECT hnsw_index_check('strings_b', true);
			 DROP INDEX strings_b"),
		0, "both are built, rows after $from with $memory");
}

# The least that is said to do is enough.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE often (id int, v vector(8)) WITH (parallel_workers = 2);
INSERT INTO often SELECT i, array_agg(hashint4(i % 20000 * 8 + j)::float8 / 1e9)::vector
	FROM generate_series(1, 60000) i, generate_series(1, 8) j GROUP BY i;
SQL
$message = build_with('often', '1MB');
like($message, qr/or to at least \d+ MB to build in parts/,
	'too many repeated rows even for parts: an error');
my ($least) = $message =~ /at least (\d+) MB/;
cmp_ok(parts(build_with('often', ($least // 1) . 'MB')),
	'>', 1, 'with as much as it says it is built in parts');
is( $node->psql('postgres', "SELECT hnsw_index_check('in_parts', true)"),
	0, 'every row is there');

# Islands are not cut off from each other.
$message = build_with('islands', '1MB');
cmp_ok(parts($message), '>', 1, 'islands: built in parts');
is( $node->psql('postgres', "SELECT hnsw_index_check('in_parts', true)"),
	0, 'islands: every row is there and can be reached');

# Other metrics, codes and links
for my $options ('m = 4, ef_construction = 20',
	"selection = 'simple'", 'extend_candidates = on, keep_pruned = off',
	"quantizer = 4, link_format = 'plain'")
{
	$message = build_with('sift', '1100kB', '', "WITH ($options)");
	cmp_ok(parts($message), '>', 1, "$options: built in parts")
	  if $options !~ /m = 4/;
	is( $node->psql('postgres', "SELECT hnsw_index_check('in_parts', true)"),
		0, "$options: every row is there");
}
for my $opclass ('ip', 'cosine', 'l1')
{
	$node->safe_psql('postgres',
		"SET maintenance_work_mem = '1100kB';
		 SET client_min_messages = error;
		 DROP INDEX in_parts;
		 CREATE INDEX in_parts ON sift USING hnsw (v vector_${opclass}_ops)");
	is( $node->psql('postgres', "SELECT hnsw_index_check('in_parts', true)"),
		0, "$opclass: every row is there");
	my $operator = { ip => '<#>', cosine => '<=>', l1 => '<+>' }->{$opclass};
	cmp_ok(
		$node->safe_psql('postgres',
			"SELECT avg(recall_by_distance(i.distances, e.distances))
			 FROM nearest_by_index('sift', '$operator', 10, 30) i
			 JOIN nearest_exactly('sift', '$operator', 10, 30) e
				USING (query)"),
		'>=', 0.93,
		"$opclass: recall");
}

# It goes on as any index does.
$node->safe_psql('postgres',
	"DELETE FROM sift WHERE id % 3 = 0;
	 VACUUM sift;
	 INSERT INTO sift SELECT id + 20000, v FROM sift WHERE id % 3 = 1");
is( $node->psql('postgres', "SELECT hnsw_index_check('in_parts', true)"),
	0, 'rows come and go');

is( $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_ls_dir('base/pgsql_tmp', true, false)"),
	0,
	'no temporary file is left');
check_log($node);
$node->stop;

done_testing();
