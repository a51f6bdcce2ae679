# Few buffers: indexes several times larger than what the server may keep in
# memory find at least as much as with plenty, and the same every time, in one
# session and in several, with cursors open, in temporary tables; no pin is left
# behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{VECTOR_HNSW_LONG} ? 60 : 4;

my $node = new_node('buffers', settings => "shared_buffers = 64MB\n");
prepare($node);
load_vectors($node, 'sift');
load_vectors($node, 'hog');

# One of each shape: 8-bit codes, floats, 4-bit codes with refinement
$node->safe_psql('postgres',
	'CREATE INDEX hog_hnsw ON hog USING hnsw (v vector_l2_ops);
	 CREATE TABLE flat AS SELECT * FROM sift;
	 CREATE TABLE flat_query AS SELECT * FROM sift_query;
	 CREATE INDEX flat_hnsw ON flat USING hnsw (v vector_l2_ops)
		WITH (quantizer = float);
	 CREATE INDEX sift_hnsw ON sift USING hnsw (v vector_l2_ops);
	 ANALYZE;');

my @names = ('hog', 'flat', 'sift');
$node->safe_psql('postgres',
	'CREATE TABLE flat_truth AS SELECT * FROM sift_truth');
my $few_points = 'SET hnsw.ef_search = 20;';
my %ample = map { $_ => recall($node, $_, $few_points, 10) } @names;

# Rows that pass a filter, as many as a scan finds that may not look at all
my $filtered = 'SET enable_seqscan = off; SET enable_sort = off;
	SET hnsw.max_scan_tuples = 1000;
	SELECT count(*) FROM flat_query q, LATERAL
		(SELECT id FROM flat WHERE id % 50 = 0 ORDER BY v <-> q.v LIMIT 50) r
	WHERE q.id < 20;';
my $ample_filtered = $node->safe_psql('postgres', $filtered);

# What concurrent sessions compare with
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION try(wanted text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	wrong	record;
BEGIN
	SELECT * INTO wrong
		FROM nearest_by_index(wanted, '<->', 50, 20) f
		JOIN expected e ON e.name = wanted AND e.query = f.query
		WHERE e.ids IS DISTINCT FROM f.ids LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'wrong answer from %: %', wanted, wrong;
	END IF;
END $$;
SQL

# SELECT of the rows nearest to the first query
sub nearest_rows
{
	my ($name, $limit) = @_;
	my $query = $node->safe_psql('postgres',
		"SELECT v FROM ${name}_query WHERE id = 0");

	return "SELECT id FROM $name ORDER BY v <-> '$query' LIMIT $limit";
}

for my $size ('128kB', '1MB')
{
	$node->append_conf('postgresql.conf', "shared_buffers = $size\n");
	$node->restart;
	cmp_ok(
		$node->safe_psql('postgres',
			"SELECT pg_relation_size('flat_hnsw') / pg_size_bytes('$size')"),
		'>=', 5, "$size: the index is several times larger");
	for my $name (@names)
	{
		check_index($node, "${name}_hnsw", "$size: $name passes the check");
		cmp_ok(recall($node, $name, $few_points, 10),
			'>=', $ample{$name}, "$size: as good answers from $name");
	}
}

cmp_ok($node->safe_psql('postgres', $filtered),
	'>=', $ample_filtered, 'as many rows pass a filter');

# Whatever is in memory when a search begins
my %few = map { $_ => answers($node, $_, '<->', 50) } @names;
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE expected AS
	SELECT name, query, ids
	FROM unnest('{hog, flat, sift}'::text[]) AS name,
		 nearest_by_index(name, '<->', 50, 20);
SQL
$node->restart;
is(answers($node, $_, '<->', 50), $few{$_}, "same answers from $_")
  for reverse @names;

# Pages that are used all the time stay in memory, whatever passes by.
{
	my $other = nearest_rows('flat', 10);

	$node->append_conf('postgresql.conf', "shared_buffers = 2MB\n");
	$node->restart;
	cmp_ok(
		$node->safe_psql('postgres', "SELECT pg_relation_size('flat_hnsw')"),
		'>', 4 * 1024 * 1024, '2MB: the index is larger');
	my $plan = $node->safe_psql('postgres',
		"SET enable_seqscan = off; SET enable_sort = off; SET hnsw.rerank = off; SET hnsw.ef_search = 10;
		 PREPARE again AS $other;\n"
		  . "EXECUTE again \\g /dev/null\n" x 40
		  . "SELECT query, ids FROM nearest_by_index('flat', '<->', 10, 100)
			 \\g /dev/null
		 EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) EXECUTE again;");
	my ($hit) = $plan =~ /Buffers: shared hit=(\d+)/;
	my $read = $plan =~ /Buffers: shared .*?read=(\d+)/ ? $1 : 0;
	cmp_ok($hit, '>', 100, 'a search uses many pages');
	cmp_ok($read, '<', $hit / 4,
		'those of a query that was often asked are in memory after others');
}
$node->append_conf('postgresql.conf', "shared_buffers = 1MB\n");
$node->restart;

# Sessions that take the buffers from each other
{
	my $script = $node->basedir . '/try.sql';
	my ($out, $error);

	append_to_file($script, join('', map { "SELECT try('$_');\n" } @names));
	my $done = IPC::Run::run(
		[
			$node->installed_command('pgbench'), '-n', '-c', '4', '-T',
			$seconds, '-f', $script, $node->connstr('postgres')
		],
		'<', \undef, '>', \$out, '2>', \$error);
	ok($done, 'scans in 4 sessions');
	is($error, '', 'none has an error');
	note $out;
}

# Cursors that wait, several on one index, while another session scans
{
	my $rows = nearest_rows('flat', 500);
	my $whole = $node->safe_psql('postgres',
		"SET enable_seqscan = off; SET enable_sort = off; $rows");
	my $session = $node->background_psql('postgres');
	my ($first, $second) = ('', '');

	$session->query_safe(
		"SET enable_seqscan = off; SET enable_sort = off; BEGIN;
		 DECLARE a CURSOR FOR $rows;
		 DECLARE b CURSOR FOR $rows;");
	for my $step (1 .. 5)
	{
		$first .= $session->query_safe('FETCH 100 FROM a') . "\n";
		$node->safe_psql('postgres', "SELECT try('flat')");
		$second .= $session->query_safe('FETCH 100 FROM b') . "\n";
	}
	$session->query_safe('COMMIT');
	is($first, "$whole\n", 'a cursor gives the same rows');
	is($second, "$whole\n", 'so does another one beside it');

	# A cursor that an error, a savepoint or the end of the session ends
	$session->query_safe("BEGIN; SAVEPOINT s; DECLARE a CURSOR FOR $rows;
		FETCH 100 FROM a; ROLLBACK TO s; COMMIT");
	$session->query_safe("BEGIN; DECLARE a CURSOR FOR $rows;
		FETCH 100 FROM a; ROLLBACK");
	$session->query_safe("DECLARE h CURSOR WITH HOLD FOR $rows");
	is($session->query_safe('FETCH 500 FROM h'), $whole, 'cursor WITH HOLD');
	$session->query_safe("BEGIN; DECLARE a CURSOR FOR $rows;
		FETCH 100 FROM a;");
	$session->quit;
}

# Scans that are cancelled wherever they are
for my $timeout (1 .. 20)
{
	$node->psql('postgres',
		"SET statement_timeout = $timeout;
		 SELECT count(*) FROM nearest_by_index('flat', '<->', 500, 20)");
}
is(answers($node, 'flat', '<->', 50),
	$few{flat}, 'same answers after scans that were cancelled');

# LATERAL: one scan after the other, a limit each
is( $node->safe_psql('postgres',
		"SET enable_seqscan = off; SET enable_sort = off;
		 SELECT q.id, array_agg(r.id ORDER BY r.d)
		 FROM flat_query q, LATERAL
			(SELECT id, v <-> q.v AS d FROM flat ORDER BY v <-> q.v LIMIT 50) r
		 WHERE q.id < 20 GROUP BY q.id ORDER BY q.id"),
	$few{flat}, 'same answers through LATERAL');

# Temporary tables have buffers of their own
is( $node->safe_psql('postgres',
		"SET temp_buffers = '800kB';
		 CREATE TEMP TABLE flat AS SELECT * FROM public.flat;
		 CREATE INDEX t_hnsw ON flat USING hnsw (v vector_l2_ops)
			WITH (quantizer = float);
		 SELECT hnsw_index_check('t_hnsw') \\g /dev/null
		 SELECT query, ids FROM nearest_by_index('flat', '<->', 50, 20);
		 SELECT index FROM hnsw_scan_stats()"),
	"$few{flat}\nt_hnsw",
	'same answers from a temporary table');
is( $node->safe_psql('postgres',
		"SET temp_buffers = '800kB';
		 CREATE TEMP TABLE hog AS SELECT * FROM public.hog;
		 CREATE INDEX t_hnsw ON hog USING hnsw (v vector_l2_ops);
		 SELECT hnsw_index_check('t_hnsw') \\g /dev/null
		 SELECT query, ids FROM nearest_by_index('hog', '<->', 50, 20);
		 DELETE FROM hog WHERE id % 3 = 0;
		 VACUUM hog;
		 SELECT hnsw_index_check('t_hnsw') \\g /dev/null
		 SELECT bool_or(id % 3 = 0)
		 FROM nearest_by_index('hog', '<->', 50, 20), unnest(ids) id"),
	"$few{hog}\nf",
	'and from a temporary table with refined codes, and its VACUUM');

# A build needs no more buffers than a scan
$node->safe_psql('postgres', 'REINDEX INDEX flat_hnsw');
check_index($node, 'flat_hnsw', 'built with few buffers');
is(answers($node, 'flat', '<->', 50),
	$few{flat}, 'same answers from an index built with few buffers');

check_log($node);
$node->stop;
done_testing();
