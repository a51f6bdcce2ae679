# What each operator class finds, against exact answers: 10,000 real vectors as
# each type has them.  Inner products of vectors whose norms differ widely.
# Codes of variable size: rows that come and go, a crash, an operator class of
# another extension.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use File::Copy;
use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 10000;
my $queries = 50;

# What page images cover is replayed with them; here each change is
my $node = new_node('opclasses',
	settings => "full_page_writes = off\nmax_wal_size = 4GB\n");
prepare($node);
load_vectors($node, 'sift');
$node->safe_psql('postgres', <<'SQL');
-- norms from 1 to 100
CREATE FUNCTION norm_of(id int) RETURNS real LANGUAGE sql IMMUTABLE AS $$
	SELECT exp((hashint4(id) & 65535) / 65536.0 * ln(100.0))::real
$$;

CREATE FUNCTION scaled(v vector, id int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT l2_normalize(v) * array_fill(norm_of(id), ARRAY[128])::vector
$$;
SQL

# A table NAME and its queries, of sift by an EXPRESSION of v and id
sub make_table
{
	my ($name, $type, $expression) = @_;

	$node->safe_psql('postgres',
		"CREATE TABLE $name (id int, v $type);
		 INSERT INTO $name SELECT id, $expression FROM sift;
		 CREATE TABLE ${name}_query AS SELECT id, ($expression)::$type AS v
			FROM sift_query ORDER BY id LIMIT $queries;
		 ANALYZE $name");
	return;
}

# Recall of 10 rows; SETTINGS are of the search by index
sub recall_of
{
	my ($name, $operator, $settings) = @_;

	return $node->safe_psql('postgres',
		"SET enable_indexscan = off;
		 CREATE TEMP TABLE exact AS SELECT * FROM nearest_of('$name', '$operator', 10);
		 SET enable_indexscan = on; SET enable_seqscan = off;
		 SET enable_sort = off; $settings
		 SELECT avg(recall_by_distance(f.distances, e.distances))
		 FROM nearest_of('$name', '$operator', 10) f JOIN exact e USING (query)
		 WHERE ascends(f.distances) AND cardinality(f.ids) = 10
		 HAVING count(*) = $queries");
}

sub finds_nearly_all
{
	my ($name, $operator, $text, $limit) = @_;
	my $recall = recall_of($name, $operator, 'SET hnsw.ef_search = 100;');

	cmp_ok($recall || 0, '>=', $limit // 0.95, "$text: recall\@10 ($recall)");
	return;
}

sub build
{
	my ($name, $opclass, $options) = @_;

	$node->safe_psql('postgres',
		"DROP INDEX IF EXISTS ${name}_hnsw;
		 CREATE INDEX ${name}_hnsw ON $name USING hnsw (v $opclass)"
		  . ($options ? " WITH ($options)" : ''));
	return;
}

sub check_rows
{
	my ($index, $text) = @_;
	my ($status, $out, $error) = $node->psql('postgres',
		"SELECT hnsw_index_check('$index', true)");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$error =~ s/^.*WARNING: .* that no search can reach\nDETAIL: .*\nHINT: .*$//;
	is("$status: $error", '0: ', "$text: passes the check with all rows");
	return;
}

# How many rows come when all are asked for, and how many different ones
sub all_rows
{
	my ($name, $operator) = @_;

	return $node->safe_psql('postgres',
		"SET enable_seqscan = off; SET enable_sort = off;
		 SET hnsw.iterative_scan = relaxed_order;
		 SET hnsw.max_scan_tuples = 1000000; SET work_mem = '64MB';
		 SELECT count(*), count(DISTINCT id) FROM
			(SELECT id FROM $name ORDER BY v $operator
				(SELECT v FROM ${name}_query ORDER BY id LIMIT 1)) s");
}

#
# Each operator class
#
make_table('halves', 'halfvec(128)', 'v');
make_table('bits', 'bit(768)', 'bits_of(v)');
make_table('sparse', 'sparsevec(12900)', 'sparse_of(v, 100)');
make_table('sparser', 'sparsevec(129000000)', 'sparse_of(v, 1000000)');

my %operator = (
	l2 => '<->',
	ip => '<#>',
	cosine => '<=>',
	l1 => '<+>',
	hamming => '<~>',
	jaccard => '<%>');

for my $case (
	[ 'halves', 'halfvec', 'l2', '' ],
	[ 'halves', 'halfvec', 'ip', '' ],
	[ 'halves', 'halfvec', 'cosine', '' ],
	[ 'halves', 'halfvec', 'l1', '' ],
	[ 'bits', 'bit', 'hamming', '' ],
	[ 'bits', 'bit', 'jaccard', '' ],
	[ 'sparse', 'sparsevec', 'l2', '' ],
	[ 'sparse', 'sparsevec', 'ip', '' ],
	[ 'sparse', 'sparsevec', 'cosine', '' ],
	[ 'sparse', 'sparsevec', 'l1', '' ],
	[ 'sparse', 'sparsevec', 'l2', 'quantizer = float' ],
	[ 'sparser', 'sparsevec', 'cosine', '' ])
{
	my ($name, $type, $metric, $options) = @$case;
	my $opclass = "${type}_${metric}_ops";
	my $text = "$name, $opclass" . ($options ? ", $options" : '');

	build($name, $opclass, $options);
	is( $node->safe_psql('postgres',
			"SET enable_seqscan = off;
			 SELECT count(*) FROM nearest_of('$name', '$operator{$metric}', 1) \\g /dev/null
			 SELECT index FROM hnsw_scan_stats()"),
		"${name}_hnsw", "$text: index is used");
	finds_nearly_all($name, $operator{$metric}, $text);
	check_rows("${name}_hnsw", $text);
}

# Sizes
build('halves', 'halfvec_l2_ops');
build('sift', 'vector_l2_ops');
is( $node->safe_psql('postgres',
		"SELECT pg_relation_size('halves_hnsw') - pg_relation_size('sift_hnsw')"),
	0, 'an index of halfvec is as large as one of vector');
build('bits', 'bit_jaccard_ops');
cmp_ok(
	$node->safe_psql('postgres',
		"SELECT pg_relation_size('bits_hnsw') / $rows"),
	'<', 200, 'an index of bit(768) takes less than 200 bytes per row');
build('sparse', 'sparsevec_l2_ops');
cmp_ok(
	$node->safe_psql('postgres',
		"SELECT pg_relation_size('sparse_hnsw')::float8 / sum(pg_column_size(v)) FROM sparse"
	),
	'<', 0.6, 'an index of sparsevec is much smaller than its values');

#
# Inner products of vectors of norms from 1 to 100
#
for my $case (
	[ 'vector(128)', 'vector', 'scaled(v, id)' ],
	[ 'halfvec(128)', 'halfvec', 'scaled(v, id)' ],
	[ 'sparsevec(12900)', 'sparsevec', 'sparse_of(v, 100, norm_of(id) / vector_norm(v)::real)' ])
{
	my ($type, $name, $expression) = @$case;
	my $table = "spread_$name";

	make_table($table, $type, $expression);
	build($table, "${name}_ip_ops");
	finds_nearly_all($table, '<#>', "$name of norms from 1 to 100");
	is(all_rows($table, '<#>'),
		"$rows|$rows", "$name of norms from 1 to 100: all rows come");

	# the long ones after the build
	$node->safe_psql('postgres',
		"CREATE TEMP TABLE long AS SELECT * FROM $table ORDER BY v <#> v LIMIT 3000;
		 DELETE FROM $table WHERE id IN (SELECT id FROM long);
		 REINDEX TABLE $table;
		 INSERT INTO $table SELECT * FROM long");
	finds_nearly_all($table, '<#>', "$name, the longest inserted", 0.9);
	is(all_rows($table, '<#>'),
		"$rows|$rows", "$name, the longest inserted: all rows come");
	check_rows("${table}_hnsw", "$name, the longest inserted");

	# all of them
	$node->safe_psql('postgres',
		"CREATE TEMP TABLE copy AS SELECT * FROM $table WHERE id < 2000 ORDER BY hashint4(id + 1);
		 TRUNCATE $table;
		 INSERT INTO $table SELECT * FROM copy");
	finds_nearly_all($table, '<#>', "$name, all inserted", 0.9);
	is(all_rows($table, '<#>'), '2000|2000',
		"$name, all inserted: all rows come");
	check_rows("${table}_hnsw", "$name, all inserted");
	$node->safe_psql('postgres', "DROP TABLE $table");
}

#
# Codes of variable size: places are given back and used again
#
build('sparse', 'sparsevec_cosine_ops');
my $size = $node->safe_psql('postgres',
	"SELECT pg_relation_size('sparse_hnsw')");
for my $round (1 .. 2)
{
	$node->safe_psql('postgres',
		"DELETE FROM sparse WHERE id % 2 = $round - 1");
	$node->safe_psql('postgres', 'VACUUM sparse') for 1 .. 2;
	$node->safe_psql('postgres',
		"INSERT INTO sparse SELECT id, sparse_of(v, 100) FROM sift
		 WHERE id % 2 = $round - 1");
	check_rows('sparse_hnsw', "sparse rows exchanged, round $round");
}
cmp_ok(
	$node->safe_psql('postgres', "SELECT pg_relation_size('sparse_hnsw')"),
	'<=', 1.8 * $size, 'a sparse index keeps its size when all rows have been exchanged');
finds_nearly_all('sparse', '<=>', 'sparse rows exchanged');

# Codes of several items, up to the limit of the type, beside small ones
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION long_sparse(i int, n int) RETURNS sparsevec LANGUAGE sql IMMUTABLE AS $$
	SELECT format('{%s}/100000000', string_agg(format('%s:%s',
			j * 5000 + (hashint4(i % 6 * 16384 + j) & 4095), 1 + (hashint4(j * 7 + i) & 1023)), ','))::sparsevec
	FROM generate_series(1, n) j
$$;
CREATE TABLE long (id int, v sparsevec(100000000));
ALTER TABLE long ALTER v SET STORAGE EXTERNAL;
INSERT INTO long SELECT i, long_sparse(i, CASE i % 5 WHEN 0 THEN 16000 ELSE 1000 + i * 60 END)
	FROM generate_series(1, 60) i;
CREATE TABLE long_query AS SELECT * FROM long LIMIT 5;
CREATE INDEX long_hnsw ON long USING hnsw (v sparsevec_l1_ops) WITH (quantizer = float);
SQL
check_rows('long_hnsw', 'codes of several items');
$node->safe_psql('postgres', <<'SQL');
DELETE FROM long WHERE id % 3 = 0;
VACUUM (INDEX_CLEANUP ON) long;
VACUUM (INDEX_CLEANUP ON) long;
INSERT INTO long SELECT i, long_sparse(i, CASE i % 5 WHEN 0 THEN 16000 ELSE 1000 + i * 40 END)
	FROM generate_series(61, 120) i;
SQL
check_rows('long_hnsw', 'codes of several items, after changes');
is(all_rows('long', '<+>'), '100|100', 'codes of several items: all rows come');

#
# A crash amid changes; page images do not help
#
$node->safe_psql('postgres', 'CHECKPOINT');
$node->safe_psql('postgres', <<'SQL');
DELETE FROM sparse WHERE id % 5 = 2;
VACUUM (INDEX_CLEANUP ON) sparse;
VACUUM (INDEX_CLEANUP ON) sparse;
INSERT INTO sparse SELECT id, sparse_of(v, 100) FROM sift WHERE id % 5 = 2;
DELETE FROM long WHERE id % 4 = 0;
VACUUM (INDEX_CLEANUP ON) long;
VACUUM (INDEX_CLEANUP ON) long;
INSERT INTO long SELECT i, long_sparse(i, i * 50) FROM generate_series(121, 140) i;
SQL
$node->stop('immediate');
$node->start;
check_rows('sparse_hnsw', 'sparse after a crash');
check_rows('long_hnsw', 'codes of several items after a crash');
finds_nearly_all('sparse', '<=>', 'sparse after a crash');

#
# An operator class of another extension
#
my $module = PostgreSQL::Test::Utils::tempdir();
my $source = "$FindBin::RealBin/../modules/int_sets";
copy("$source/$_", "$module/$_") || die "copy $_: $!"
  for ('Makefile', 'int_sets.c');
is(system('make', '-s', '-C', $module, 'with_llvm=no'),
	0,
	'an operator class of another extension compiles with what is installed');
$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION int_set_distance(int[], int[]) RETURNS float8
	AS '$module/int_sets' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION int_set_support(internal) RETURNS internal
	AS '$module/int_sets' LANGUAGE C;
CREATE OPERATOR <~~> (LEFTARG = int[], RIGHTARG = int[],
	FUNCTION = int_set_distance, COMMUTATOR = <~~>);
CREATE OPERATOR CLASS int_set_ops FOR TYPE int[] USING hnsw AS
	OPERATOR 1 <~~> FOR ORDER BY float_ops,
	FUNCTION 1 int_set_support(internal);
CREATE FUNCTION set_of(v vector) RETURNS int[] LANGUAGE sql IMMUTABLE AS \$\$
	SELECT array_agg((i * 100 + h)::int)
	FROM unnest(v::real[]) WITH ORDINALITY u (e, i), unnest('{20, 50, 90}'::int[]) h
	WHERE e >= h
\$\$;
SQL
make_table('sets', 'int[]', 'set_of(v)');
build('sets', 'int_set_ops');
finds_nearly_all('sets', '<~~>', 'sets');
$node->safe_psql('postgres',
	'DELETE FROM sets WHERE id % 3 = 0; VACUUM sets;
	 INSERT INTO sets SELECT id, set_of(v) FROM sift WHERE id % 3 = 0');
finds_nearly_all('sets', '<~~>', 'sets that came and went');
check_rows('sets_hnsw', 'sets that came and went');
is( $node->safe_psql('postgres',
		"SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'int_set_ops'"),
	't', 'the operator class is valid');

# Some that are none
for my $case (
	[ 'old', qr/must give version/, 'for another version of the interface' ],
	[ 'bits', qr/gives form 0 and metric 5,/, 'whose form does not have its metric' ],
	[ 'empty', qr/type modifier -1 means 0 dimensions/, 'without dimensions' ])
{
	my ($name, $detail, $text) = @$case;
	my ($status, $out, $error) = $node->psql('postgres', <<"SQL");
CREATE FUNCTION int_set_${name}_support(internal) RETURNS internal
	AS '$module/int_sets' LANGUAGE C;
CREATE OPERATOR CLASS int_set_${name}_ops FOR TYPE int[] USING hnsw AS
	OPERATOR 1 <~~> FOR ORDER BY float_ops,
	FUNCTION 1 int_set_${name}_support(internal);
CREATE INDEX ON sets USING hnsw (v int_set_${name}_ops);
SQL

	like($error,
		qr/does not fit this version of vector_hnsw\nDETAIL: .*$detail/,
		"one $text is refused");
}

check_log($node);
$node->stop;
done_testing();
