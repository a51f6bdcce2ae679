# Logical replication of a table with an index on both sides: the first copy
# as text and as binary, then changes; the replica identity is the primary
# key, or the whole row with its vector.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = new_node('publisher',
	init => { allows_streaming => 'logical' },
	settings => "wal_level = logical\n");
my $subscriber = new_node('subscriber');

for my $node ($publisher, $subscriber)
{
	prepare($node);
	load_vectors($node, 'sift');
	$node->safe_psql('postgres', <<'SQL');
DELETE FROM sift WHERE id >= 2000;
CREATE TABLE keyed (id int PRIMARY KEY, v vector(128), other int);
CREATE TABLE whole (id int, v vector(128), half halfvec(128));
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE INDEX keyed_hnsw ON keyed USING hnsw (v vector_l2_ops);
CREATE INDEX whole_hnsw ON whole USING hnsw (v vector_cosine_ops);
CREATE VIEW keyed_query AS SELECT * FROM sift_query;
CREATE VIEW whole_query AS SELECT * FROM sift_query;
SQL
}

my %operator = (keyed => '<->', whole => '<=>');
my $connection = $publisher->connstr . ' dbname=postgres';

sub same_on_both
{
	my ($text) = @_;

	$publisher->wait_for_catchup("sub_$_") for keys %operator;
	for my $table (sort keys %operator)
	{
		my $contents =
		  "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY id)) FROM $table t";

		is( $subscriber->safe_psql('postgres', $contents),
			$publisher->safe_psql('postgres', $contents),
			"$text: $table has the same rows");
		check_index($_, "${table}_hnsw", "$text: ${table}_hnsw on " . $_->name)
		  for $publisher, $subscriber;
		is( $subscriber->safe_psql(
				'postgres',
				"SELECT avg(recall_by_distance(i.distances, e.distances)) >= 0.95
				 FROM nearest_by_index('$table', '$operator{$table}', 10, 20) i
				 JOIN nearest_exactly('$table', '$operator{$table}', 10, 20) e
					USING (query)"),
			't',
			"$text: answers of the subscriber's ${table}_hnsw");
	}
	return;
}

$publisher->safe_psql('postgres', <<'SQL');
INSERT INTO keyed SELECT id, v, 0 FROM sift WHERE id < 1000;
INSERT INTO whole SELECT id, v, v FROM sift WHERE id < 300;
CREATE PUBLICATION pub_keyed FOR TABLE keyed;
CREATE PUBLICATION pub_whole FOR TABLE whole;
SQL

my %form = (keyed => 'true', whole => 'false');
for my $table (sort keys %operator)
{
	$subscriber->safe_psql('postgres',
		"CREATE SUBSCRIPTION sub_$table CONNECTION '$connection'
		 PUBLICATION pub_$table WITH (binary = $form{$table})");
}
$subscriber->poll_query_until('postgres',
	"SELECT count(*) = 2 AND bool_and(srsubstate IN ('r', 's'))
	 FROM pg_subscription_rel") or die 'tables are not copied';
same_on_both('first copy');

$publisher->safe_psql('postgres', <<'SQL');
INSERT INTO keyed SELECT id, v, 0 FROM sift WHERE id >= 1000;
UPDATE keyed SET v = s.v FROM sift s WHERE s.id = (keyed.id + 1) % 2000
	AND keyed.id % 5 = 0;
UPDATE keyed SET other = 1 WHERE id % 3 = 0;
DELETE FROM keyed WHERE id % 7 = 0;
INSERT INTO whole SELECT id, v, v FROM sift WHERE id BETWEEN 300 AND 600;
UPDATE whole SET v = s.v FROM sift s WHERE s.id = whole.id + 1
	AND whole.id % 5 = 0;
DELETE FROM whole WHERE id % 7 = 0;
INSERT INTO whole VALUES (-1, NULL, NULL);
SQL
same_on_both('changes');

$_->safe_psql('postgres', 'VACUUM keyed; VACUUM whole')
  for $publisher, $subscriber;
same_on_both('VACUUM on both sides');

$publisher->safe_psql('postgres', 'TRUNCATE keyed, whole');
$publisher->safe_psql('postgres',
	'INSERT INTO keyed SELECT id, v, 0 FROM sift WHERE id < 500;
	 INSERT INTO whole SELECT id, v, v FROM sift WHERE id < 100');
same_on_both('TRUNCATE');

check_log($_) for $publisher, $subscriber;
$subscriber->stop;
$publisher->stop;
done_testing();
