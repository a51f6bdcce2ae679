# postgres_fdw: a table partitioned over two servers answers a search with
# the indexes of both.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $main = new_node('main');
my @shards = map { new_node("shard$_", settings => "autovacuum = off\n") } 0, 1;

prepare($main);
load_vectors($main, 'sift');
$main->safe_psql('postgres', <<'SQL');
CREATE EXTENSION postgres_fdw;
CREATE TABLE items (id int NOT NULL, v vector(128)) PARTITION BY HASH (id);
CREATE VIEW items_query AS SELECT * FROM sift_query;
SQL

# What the remote session plans goes to its server's log.
my $options = join(' ',
	'-c session_preload_libraries=auto_explain',
	'-c auto_explain.log_min_duration=0',
	'-c auto_explain.log_analyze=on',
	'-c hnsw.ef_search=100');

for my $i (0, 1)
{
	my $shard = $shards[$i];
	my ($host, $port) = ($shard->host, $shard->port);

	$shard->safe_psql('postgres',
		'CREATE EXTENSION vector_hnsw;
		 CREATE TABLE items (id int NOT NULL PRIMARY KEY, v vector(128));
		 CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)');
	$main->safe_psql('postgres',
		"CREATE SERVER shard$i FOREIGN DATA WRAPPER postgres_fdw
			OPTIONS (host '$host', port '$port', dbname 'postgres',
				extensions 'vector_hnsw', options '$options');
		 CREATE USER MAPPING FOR CURRENT_USER SERVER shard$i;
		 CREATE FOREIGN TABLE items_$i PARTITION OF items
			FOR VALUES WITH (MODULUS 2, REMAINDER $i)
			SERVER shard$i OPTIONS (table_name 'items', batch_size '500')");
}

# The rows go where they belong, through the parent
$main->safe_psql('postgres',
	'INSERT INTO items SELECT id, v FROM sift; ANALYZE items');
$_->safe_psql('postgres', 'VACUUM ANALYZE items') for @shards;
my $counts = join ' ',
  map { $_->safe_psql('postgres', 'SELECT count(*) FROM items') } @shards;
like($counts, qr/^[45]\d\d\d [45]\d\d\d$/, "rows of the shards: $counts");

my $query = $main->safe_psql('postgres', 'SELECT v FROM sift_query WHERE id = 0');
my $search = "SELECT id FROM items ORDER BY v <-> '$query' LIMIT 10";
my $prepared = "PREPARE s (vector) AS
	SELECT id FROM items ORDER BY v <-> \$1 LIMIT 10; ";

sub pushed_down
{
	my ($text, $before, $command) = @_;
	my $plan = $main->safe_psql('postgres',
		"$before EXPLAIN (VERBOSE, COSTS OFF) $command");
	my @remote = $plan =~ /Remote SQL: (.*)/g;

	like($plan, qr/Merge Append/, "$text: Merge Append");
	unlike($plan, qr/\bSort\b(?! Key)/, "$text: no sort here");
	is(scalar(grep { /ORDER BY \(v OPERATOR\(public\.<->\) / } @remote),
		2, "$text: both servers sort")
	  or diag $plan;
	return;
}

# Each shard's last plan was one of its index
sub index_scans
{
	my ($text, $before, $command) = @_;
	my @offsets = map { -s $_->logfile } @shards;
	my $ids = $main->safe_psql('postgres', "$before $command");

	for my $i (0, 1)
	{
		$shards[$i]->wait_for_log(qr/Index Scan using items_v on/,
			$offsets[$i]);
		unlike(slurp_file($shards[$i]->logfile, $offsets[$i]),
			qr/Seq Scan on/, "$text: shard $i does not read the table");
	}
	return $ids;
}

my $truth = $main->safe_psql('postgres',
	"SELECT id FROM sift ORDER BY v <-> '$query', id LIMIT 10");

pushed_down('constant', '', $search);
is(index_scans('constant', '', $search), $truth, 'constant: the answer');

my $generic = "SET plan_cache_mode = force_generic_plan; $prepared";
pushed_down('generic plan', $generic, "EXECUTE s ('$query')");
is(index_scans('generic plan', $generic, "EXECUTE s ('$query')"),
	$truth, 'generic plan: the answer');

# Beyond the ef_search of the shards, and with a filter
is( index_scans('filter', '',
		"SELECT count(*), bool_and(id < 8000) FROM (SELECT id FROM items
		 WHERE id < 8000 ORDER BY v <-> '$query' LIMIT 300) r"),
	'300|t',
	'filter and LIMIT 300: as many rows as asked for');

# Recall, and rows in order
is( $main->safe_psql(
		'postgres',
		"SELECT count(*), avg(recall(n.ids, t.ids[1:10])) >= 0.98,
			bool_and(ascends(distances))
		 FROM nearest('items', '<->', 10, 30) n
		 JOIN sift_truth t ON t.id = n.query"),
	'30|t|t',
	'recall of both shards together');

# Changes through the parent reach the indexes
$main->safe_psql('postgres',
	"DELETE FROM items WHERE id IN ($1)")
  if join(',', split /\n/, $truth) =~ /^((?:\d+,){4}\d+)/;
my $after = $main->safe_psql('postgres', $search);
is( join(' ', (split /\n/, $after)[ 0 .. 4 ]),
	join(' ', (split /\n/, $truth)[ 5 .. 9 ]),
	'deleted rows are not found');
for my $shard (@shards)
{
	$shard->safe_psql('postgres', 'VACUUM items');
	check_index($shard, 'items_v', 'VACUUM of ' . $shard->name);
}
is($main->safe_psql('postgres', $search), $after, 'the answer after VACUUM');

# Without the server option the operator stays here, and all rows come.
$main->safe_psql('postgres', 'ALTER SERVER shard0 OPTIONS (DROP extensions)');
unlike(
	$main->safe_psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) $search"),
	qr/shard0.*ORDER BY|ORDER BY.*ORDER BY/s,
	'without "extensions" that server does not sort');

check_log($_) for $main, @shards;
$_->stop for $main, @shards;
done_testing();
