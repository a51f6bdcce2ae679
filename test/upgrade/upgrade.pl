# pg_upgrade, from each PostgreSQL of VECTOR_HNSW_PREFIXES to the next: indexes
# go over as files, answer the same, and take changes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @prefixes = split / /, $ENV{VECTOR_HNSW_PREFIXES};
my @versions;

# Tables of the other types, made of the vectors of sift, their indexes, and
# the operators that these answer
my @others = (
	{
		name => 'halves',
		type => 'halfvec(128)',
		value => 'v',
		indexes => {
			halves_l2 => '(v halfvec_l2_ops)',
			halves_cosine => '(v halfvec_cosine_ops) WITH (quantizer = float)'
		},
		operators => [ '<->', '<=>' ]
	},
	{
		name => 'sparse',
		type => 'sparsevec(12900)',
		value => 'sparse_of(v, 100)',
		indexes => {
			sparse_ip => '(v sparsevec_ip_ops)',
			sparse_l1 => '(v sparsevec_l1_ops) WITH (quantizer = float)'
		},
		operators => [ '<#>', '<+>' ]
	},
	{
		name => 'bits',
		type => 'bit(768)',
		value => 'bits_of(v)',
		indexes => {
			bits_hamming => '(v bit_hamming_ops)',
			bits_jaccard => '(v bit_jaccard_ops)'
		},
		operators => [ '<~>', '<%>' ]
	});
my @indexes = (
	qw(sift_l2 sift_plain sift_ip hog_cosine logged_not items_l2),
	map { sort keys %{ $_->{indexes} } } @others);

# A cluster of the n-th installation.  From 18 on initdb turns checksums on,
# and pg_upgrade wants the same on both sides.
sub cluster
{
	my ($n) = @_;
	my $name = "pg$n";
	my $node =
	  PostgreSQL::Test::Cluster->new($name, install_path => $prefixes[$n]);
	my ($version) =
	  qx{"$prefixes[$n]/bin/postgres" --version} =~ /PostgreSQL\) (\d+)/;

	$node->init(
		extra => [
			'--locale=C', '--encoding=UTF8',
			$version >= 18 ? '--no-data-checksums' : ()
		]);
	$node->append_conf('postgresql.conf',
		"wal_level = replica\nautovacuum = off\njit = off\n");
	push @versions, $version;
	return $node;
}

sub changed_and_checked
{
	my ($node, $round) = @_;

	$node->safe_psql('postgres', <<"SQL");
INSERT INTO items SELECT id + 10000 * $round, v FROM sift WHERE id % 7 = $round;
DELETE FROM items WHERE id % 5 = $round;
VACUUM items;
DELETE FROM hog WHERE id % 9 = $round;
VACUUM hog;
UPDATE sift SET v = (SELECT v FROM sift_query WHERE id = $round)
	WHERE id = 11 * $round;
SQL
	for my $other (@others)
	{
		my ($name, $value) = $other->@{ 'name', 'value' };

		$node->safe_psql('postgres', <<"SQL");
INSERT INTO $name SELECT id + 10000 * $round, $value FROM sift WHERE id % 7 = $round;
DELETE FROM $name WHERE id % 5 = $round;
VACUUM $name;
UPDATE $name SET v = (SELECT v FROM ${name}_query WHERE id = $round)
	WHERE id % 100 = 11 * $round;
SQL
		finds_nearly_all($node, $name, $_) for @{ $other->{operators} };
	}
	for my $index (@indexes)
	{
		check_index($node, $index, "$versions[-1]: $index");
	}
	cmp_ok(
		$node->safe_psql(
			'postgres',
			"SELECT avg(recall_by_distance(i.distances, e.distances))
			 FROM nearest_by_index('items', '<->', 10, 50) i
			 JOIN nearest_exactly('items', '<->', 10, 50) e USING (query)"),
		'>=', 0.95,
		"$versions[-1]: recall");
	return;
}

sub by_index
{
	my ($node, $name, $operator, $k) = @_;

	return $node->safe_psql('postgres',
		"SET enable_seqscan = off; SET enable_sort = off;
		 SELECT query, ids, distances FROM nearest_of('$name', '$operator', $k)
		 ORDER BY query");
}

sub finds_nearly_all
{
	my ($node, $name, $operator) = @_;
	my ($recall, $index) = split /\n/, $node->safe_psql('postgres',
		"SET enable_indexscan = off;
		 CREATE TEMP TABLE exact AS SELECT * FROM nearest_of('$name', '$operator', 10);
		 SET enable_indexscan = on; SET enable_seqscan = off; SET enable_sort = off;
		 SET hnsw.ef_search = 100;
		 SELECT avg(recall_by_distance(i.distances, e.distances))
		 FROM nearest_of('$name', '$operator', 10) i JOIN exact e USING (query);
		 SELECT index FROM hnsw_scan_stats()");

	like($index, qr/^${name}_/, "$versions[-1]: $name by $operator: index is used");
	cmp_ok($recall, '>=', 0.95, "$versions[-1]: recall of $name by $operator");
	return;
}

my $node = cluster(0);

$node->start;
prepare($node);
load_vectors($node, $_) for 'sift', 'hog';
$node->safe_psql('postgres', <<'SQL');
DELETE FROM sift WHERE id >= 3000;
DELETE FROM hog WHERE id >= 1000;
CREATE INDEX sift_l2 ON sift USING hnsw (v vector_l2_ops);
CREATE INDEX sift_plain ON sift USING hnsw (v vector_l1_ops)
	WITH (link_format = plain, quantizer = float, m = 8);
CREATE INDEX sift_ip ON sift USING hnsw (v vector_ip_ops)
	WITH (quantizer = float);
CREATE INDEX hog_cosine ON hog USING hnsw (v vector_cosine_ops);
CREATE UNLOGGED TABLE u AS SELECT * FROM sift WHERE id < 500;
CREATE INDEX logged_not ON u USING hnsw (v vector_l2_ops);

-- One that grew by inserts
CREATE TABLE items (id int, v vector(128));
CREATE INDEX items_l2 ON items USING hnsw (v vector_l2_ops);
INSERT INTO items SELECT * FROM sift;
CREATE VIEW items_query AS SELECT * FROM sift_query;
SQL
for my $other (@others)
{
	my ($name, $type, $value) = $other->@{ 'name', 'type', 'value' };

	$node->safe_psql('postgres',
		"CREATE TABLE $name (id int, v $type);
		 INSERT INTO $name SELECT id, $value FROM sift;
		 CREATE TABLE ${name}_query AS SELECT id, ($value)::$type AS v
			FROM sift_query WHERE id < 20");
	$node->safe_psql('postgres',
		"CREATE INDEX $_ ON $name USING hnsw $other->{indexes}{$_}")
	  for sort keys %{ $other->{indexes} };
}
changed_and_checked($node, 0);

for my $n (1 .. $#prefixes)
{
	my $new = cluster($n);
	my $text = "$versions[-2] to $versions[-1]";
	my %questions = (
		'sift by <->' => sub { answers($_[0], 'sift', '<->', 50) },
		'sift by <#>' => sub { answers($_[0], 'sift', '<#>', 50) },
		'sift by <+>' => sub { answers($_[0], 'sift', '<+>', 50) },
		'hog by <=>' => sub { answers($_[0], 'hog', '<=>', 50) },
		'items by <->' => sub { answers($_[0], 'items', '<->', 50) },
		'files' => sub {
			$_[0]->safe_psql('postgres',
				"SELECT relname, relfilenode, pg_relation_size(oid)
				 FROM pg_class WHERE relam =
					(SELECT oid FROM pg_am WHERE amname = 'hnsw')
				 ORDER BY relname");
		},
	);
	for my $other (@others)
	{
		my $name = $other->{name};

		for my $operator (@{ $other->{operators} })
		{
			$questions{"$name by $operator"} =
			  sub { by_index($_[0], $name, $operator, 50) };
		}
		$questions{"values of $name"} = sub {
			$_[0]->safe_psql('postgres',
				"SELECT md5(string_agg(id || ' ' || v, ',' ORDER BY id)) FROM $name"
			);
		};
	}
	my %before = map { $_ => $questions{$_}->($node) } keys %questions;

	$node->stop;
	chdir $new->basedir or die;
	command_ok(
		[
			"$prefixes[$n]/bin/pg_upgrade",
			'-b' => "$prefixes[ $n - 1 ]/bin",
			'-B' => "$prefixes[$n]/bin",
			'-d' => $node->data_dir,
			'-D' => $new->data_dir,
			'-p' => $node->port,
			'-P' => $new->port,
			'-s' => $new->host,
			'-U' => scalar getpwuid($<),
		],
		"pg_upgrade from $text");
	$new->start;
	$new->safe_psql('postgres', 'ANALYZE');
	for my $question (sort keys %questions)
	{
		is($questions{$question}->($new), $before{$question},
			"$text: $question");
	}
	changed_and_checked($new, $n);
	check_log($node);
	$node = $new;
}

check_log($node);
$node->stop;
done_testing();
