# From pgvector to vector_hnsw, by the commands of docs/migrating.md, and what
# happens when the two meet.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('migrating');

if ($node->safe_psql('postgres',
		"SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'")
	eq '0')
{
	$node->stop;
	plan skip_all => 'pgvector is not installed with this PostgreSQL';
}

my $document = slurp_file("$FindBin::RealBin/../../docs/migrating.md");

# The block of the document that is below a line with this mark
sub commands
{
	my ($mark) = @_;
	my ($block) =
	  $document =~ /^<!-- test: \Q$mark\E -->\n```\w+\n(.*?)^```/ms;

	die "docs/migrating.md has no block \"$mark\"" unless defined $block;
	return $block;
}

# A database as pgvector's users have it
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', <<'SQL');
CREATE EXTENSION vector;
CREATE TABLE items (id int PRIMARY KEY, embedding vector(8) NOT NULL,
	half halfvec(8), sparse sparsevec(100), bits bit(16),
	category int DEFAULT 7);
SELECT setseed(0.5);
INSERT INTO items
	SELECT id, v, v,
		format('{%s:1.5,%s:-2}/100', 1 + id % 50, 60 + id % 30)::sparsevec,
		(id * 7 % 65536)::bit(16)
	FROM (SELECT id, array_agg(random())::vector(8) AS v
		FROM generate_series(1, 2000) AS id, generate_series(1, 8)
		GROUP BY id) r;
CREATE INDEX items_hnsw ON items USING hnsw (embedding vector_l2_ops)
	WITH (m = 12, ef_construction = 80);
CREATE INDEX items_cosine ON items USING hnsw (embedding vector_cosine_ops);
CREATE INDEX items_ivfflat ON items USING ivfflat (embedding vector_ip_ops)
	WITH (lists = 10);
CREATE VIEW nearest AS
	SELECT id FROM items ORDER BY embedding <-> '[1,1,1,1,1,1,1,1]' LIMIT 5;
CREATE FUNCTION distance_to(v vector) RETURNS float8 LANGUAGE sql
	AS 'SELECT v <-> ''[0,0,0,0,0,0,0,0]''';
SQL

my $contents = "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY id))
	FROM (SELECT id, embedding, half, sparse, bits, category FROM items) t";
my $exact = "SET enable_indexscan = off; SELECT id FROM nearest";
my %expected = map { $_ => $node->safe_psql('old', $_) } $contents, $exact;

sub migrated
{
	my ($database) = @_;

	for my $query ($contents, $exact)
	{
		is($node->safe_psql($database, $query),
			$expected{$query}, "$database: same rows");
	}
	is( $node->safe_psql(
			$database,
			"SELECT string_agg(indexdef, '; ' ORDER BY indexname)
			 FROM pg_indexes WHERE tablename = 'items' AND indexname <> 'items_pkey'")
		  =~ s/CREATE INDEX \w+ ON public.items USING //gr,
		'hnsw (embedding vector_cosine_ops);'
		  . q{ hnsw (embedding vector_l2_ops) WITH (m='12', ef_construction='80');}
		  . ' hnsw (embedding vector_ip_ops)',
		"$database: indexes");
	is( $node->safe_psql(
			$database,
			"SELECT bool_and(hnsw_index_check(oid, true) IS NOT NULL)
			 FROM pg_class WHERE relname ~ '^items_(hnsw|cosine|ivfflat)'"),
		't',
		"$database: indexes are sound");
	like(
		$node->safe_psql(
			$database, 'SET enable_seqscan = off; EXPLAIN SELECT * FROM nearest'),
		qr/Index Scan using items_hnsw/,
		"$database: the view uses the index");
	return;
}

# They do not go together
my ($status, undef, $error) =
  $node->psql('old', 'CREATE EXTENSION vector_hnsw');
isnt($status, 0, 'no second extension');
like(
	$error,
	qr/cannot be in one database with extension "vector".*HINT:.*migrating\.md/s,
	'the error names the other one');
($status, undef, $error) = $node->psql('old',
	"SELECT '[1]'::vector; LOAD 'vector_hnsw'");
like(
	$error,
	qr/cannot be loaded beside another one.*HINT:  Start a new session/s,
	'nor do libraries in a session');
is( $node->safe_psql('old', $contents),
	$expected{$contents}, 'pgvector goes on after that');

($status, undef, $error) = $node->psql('old',
	"SELECT '[1]'::vector; CREATE EXTENSION vector_hnsw");
like(
	$error,
	qr/cannot be in one database with extension "vector"/,
	'and CREATE EXTENSION says what it always does');

# A setting for both, made before any library is there
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION vector_hnsw');
is( $node->safe_psql(
		'other',
		"SET hnsw.ef_search = 77; SELECT '[1]'::vector; SHOW hnsw.ef_search"),
	"[1]\n77",
	'a setting made before the library is loaded');

# Operator classes of one's own
my $opclass = commands('operator class');

$node->safe_psql('other', <<"SQL");
$opclass
CREATE TABLE items (v vector(3));
CREATE INDEX ON items USING hnsw (v);
SQL
$opclass =~ s/my_l2_ops DEFAULT/pgvector_ops/;
$opclass =~ s/hnsw_vector_l2_support\(internal\)/vector_l2_squared_distance(vector, vector)/;
$node->safe_psql('old', $opclass);
(undef, undef, $error) = $node->psql('other', $opclass);
like(
	$error,
	qr/cannot be support function 1.*HINT: .* hnsw_vector_l2_support/s,
	'an operator class for pgvector is refused');
$node->safe_psql('old', 'DROP OPERATOR FAMILY pgvector_ops USING hnsw');

# Dump and restore
my %environment = (
	%ENV,
	PGHOST => $node->host,
	PGPORT => $node->port);

sub run_shell
{
	my ($mark) = @_;
	my $script = $node->basedir . '/script.sh';

	append_to_file($script, '');
	unlink $script;
	append_to_file($script, commands($mark));
	local %ENV = %environment;
	command_ok([ 'bash', '-e', '-o', 'pipefail', $script ], $mark);
	return;
}

run_shell('dump and restore');
migrated('new');

# In place, with a new session in the middle
$node->safe_psql('old', commands('in place, before'));
$node->safe_psql('old', commands('in place, after'));
migrated('old');
is( $node->safe_psql('old', "SELECT string_agg(extname, ' ') FROM pg_extension
		WHERE extname LIKE 'vector%'"),
	'vector_hnsw',
	'in place: the other extension is gone');

check_log($node);
$node->stop;
done_testing();
