# The free space map is not logged: after a crash or a promotion it may know
# nothing.  VACUUM tells it again what room the overflow region has.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 4000;
my $node = new_node('main');

prepare($node);
$node->safe_psql('postgres', <<"END");
SELECT setseed(0.5);
CREATE TABLE items (id int, v sparsevec(100000));
CREATE FUNCTION sparse() RETURNS sparsevec LANGUAGE sql VOLATILE AS
	'SELECT (''{'' || string_agg(i || '':'' || random()::real, '','')
		|| ''}/100000'')::sparsevec
	FROM (SELECT DISTINCT 1 + (random() * 99999)::int AS i
		FROM generate_series(1, 60)) t';
INSERT INTO items SELECT i, sparse() FROM generate_series(1, $rows) i;
CREATE INDEX items_v ON items USING hnsw (v sparsevec_l2_ops);
END

sub overflow_pages
{
	return $node->safe_psql('postgres',
		q{SELECT overflow_pages FROM hnsw_index_stats('items_v')});
}

# A number of dead rows that VACUUM does not leave for later
sub delete_and_vacuum
{
	my ($from, $to) = @_;

	$node->safe_psql('postgres',
		"DELETE FROM items WHERE id BETWEEN $from AND $to");
	$node->safe_psql('postgres', 'VACUUM items');
	return;
}

my $built = overflow_pages();

cmp_ok($built, '>', 50, "codes take $built pages of the overflow region");
delete_and_vacuum(1, $rows / 2);
is( $node->safe_psql('postgres',
		q{SELECT free_points FROM hnsw_index_stats('items_v')}),
	$rows / 2,
	'half of the points are free');

# The map goes, and with it what it knew.
my $file = $node->data_dir . '/'
  . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('items_v')});

$node->stop;
ok(-e "${file}_fsm", 'there is a free space map');
unlink "${file}_fsm" or die "${file}_fsm: $!";
$node->start;

delete_and_vacuum($rows / 2 + 1, $rows / 2 + 200);
ok(-e "${file}_fsm", 'VACUUM has made another one');
$node->safe_psql('postgres',
	'INSERT INTO items SELECT i, sparse() FROM generate_series('
	  . ($rows + 1) . ', ' . ($rows + $rows / 2) . ') i');
is(overflow_pages(), $built, 'new codes are where the old ones were');
check_index($node, 'items_v', 'free space');

check_log($node);
$node->stop;
done_testing();
