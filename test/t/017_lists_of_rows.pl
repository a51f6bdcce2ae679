# Lists of rows with equal vectors, in a table whose rows come and go: VACUUM
# takes lists away that are empty or fit into the one before, so that what a
# point takes is bound by the rows that it has.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 10000;
my $node = new_node('main', settings => "fsync = off\n");

prepare($node);

# Updates of note are not HOT, as it is indexed.
sub make_table
{
	my ($name, $sql) = @_;

	$node->safe_psql('postgres', <<"END");
CREATE TABLE $name (id int, note int, v vector(3)) WITH (fillfactor = 50);
CREATE INDEX ON $name (note);
INSERT INTO $name SELECT i, 0, $sql FROM generate_series(1, $rows) i;
CREATE INDEX ${name}_hnsw ON $name USING hnsw (v vector_l2_ops);
CREATE TABLE ${name}_query AS SELECT 1 AS id, '[0,0,0]'::vector AS v;
END
	return;
}

# Lists of rows are all that these indexes have in the overflow region.
sub lists
{
	my ($name) = @_;
	my ($items, $bytes, $points) = split /\|/,
	  $node->safe_psql('postgres',
		"SELECT overflow_items, overflow_bytes, points
		 FROM hnsw_index_stats('${name}_hnsw')");

	return { items => $items, bytes => $bytes, points => $points };
}

sub size
{
	my ($name) = @_;

	return $node->safe_psql('postgres',
		"SELECT pg_relation_size('${name}_hnsw')");
}

# changes(NAME, CYCLES, WHICH): updates some rows, with VACUUM after each cycle
sub changes
{
	my ($name, $cycles, $which) = @_;

	for my $i (1 .. $cycles)
	{
		my $where = $which->($i);

		$node->safe_psql('postgres',
			"UPDATE $name SET note = note + 1 WHERE $where");
		$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP ON) $name");
	}
	return;
}

# What there is now against an index made anew, which stays
sub like_a_new_one
{
	my ($name, $text) = @_;
	my $old = lists($name);

	check_all_rows($node, $name, $text);
	$node->safe_psql('postgres', "REINDEX INDEX ${name}_hnsw");
	my $new = lists($name);

	note "$text: @$old{'items', 'bytes'}, a new index @$new{'items', 'bytes'}";
	is($old->{points}, $new->{points}, "$text: no more points");
	cmp_ok($old->{items}, '<=', 2 * $new->{items} + 1,
		"$text: lists to be read by a scan");
	cmp_ok($old->{bytes}, '<=', 2 * $new->{bytes} + 6152,
		"$text: space of the lists");
	return;
}

# All rows have one vector, and all change
make_table('crowd', "'[1,2,3]'");
cmp_ok(lists('crowd')->{items}, '>=', 10, 'a crowd has several lists');
changes('crowd', 3, sub { 'true' });
my $size = size('crowd');
changes('crowd', 5, sub { 'true' });
is(size('crowd'), $size, 'all rows change again and again: as many pages');
like_a_new_one('crowd', 'all rows changed');

# A few change each time, everywhere
changes('crowd', 30, sub { "(id * 7 + $_[0]) % 10 = 0" });
like_a_new_one('crowd', 'some rows changed each time');

# What is left is less than one list
$node->safe_psql('postgres', 'DELETE FROM crowd WHERE id % 100 > 4');
changes('crowd', 1, sub { 'id % 100 = 0' });
like_a_new_one('crowd', 'few rows are left');
$node->safe_psql('postgres', 'DELETE FROM crowd WHERE id > 100');
changes('crowd', 1, sub { 'id = 1' });
cmp_ok(lists('crowd')->{bytes}, '<=', 100, 'hardly a row is left');
$node->safe_psql('postgres', 'DELETE FROM crowd WHERE id > 1');
changes('crowd', 2, sub { 'id = 1' });
is(lists('crowd')->{items}, 0, 'one row needs no list');
check_all_rows($node, 'crowd', 'one row');

# The same, with places that other rows want
$node->safe_psql('postgres',
	"INSERT INTO crowd SELECT i, 0, ARRAY[1, 2, i % 7]::vector
	 FROM generate_series(2, $rows) i");
changes('crowd', 5, sub { "id % 7 = $_[0]" });
changes('crowd', 5, sub { "id % 2 = $_[0] % 2" });
like_a_new_one('crowd', 'several points');

# Many points of some rows each
make_table('groups', 'ARRAY[i % 250, i % 250 / 10, 0]::vector');
changes('groups', 10, sub { "(id * 7 + $_[0]) % 4 = 0" });
like_a_new_one('groups', 'groups');
$node->safe_psql('postgres', 'DELETE FROM groups WHERE id > 1000');
changes('groups', 2, sub { 'id % 3 = 0' });
cmp_ok(lists('groups')->{bytes}, '<=', 250 * 3 * (8 + 4 * 6),
	'of each group few rows are left');
check_all_rows($node, 'groups', 'few rows of each group');

check_log($node);
$node->stop;
done_testing();
