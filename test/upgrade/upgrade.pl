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
my @indexes = qw(sift_l2 sift_plain hog_cosine logged_not items_l2);
my @versions;

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
CREATE INDEX hog_cosine ON hog USING hnsw (v vector_cosine_ops);
CREATE UNLOGGED TABLE u AS SELECT * FROM sift WHERE id < 500;
CREATE INDEX logged_not ON u USING hnsw (v vector_l2_ops);

-- One that grew by inserts
CREATE TABLE items (id int, v vector(128));
CREATE INDEX items_l2 ON items USING hnsw (v vector_l2_ops);
INSERT INTO items SELECT * FROM sift;
CREATE VIEW items_query AS SELECT * FROM sift_query;
SQL
changed_and_checked($node, 0);

for my $n (1 .. $#prefixes)
{
	my $new = cluster($n);
	my $text = "$versions[-2] to $versions[-1]";
	my %questions = (
		'sift by <->' => sub { answers($_[0], 'sift', '<->', 50) },
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
