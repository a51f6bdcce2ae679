# Damage to codes of variable size: the check says what is wrong, and searches,
# inserts and vacuum go on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use Test::More;

my $node = new_node('sparse_damage', damaged => 1);
my $block_size = 8192;

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION vector_hnsw;
CREATE FUNCTION sparse(i int) RETURNS sparsevec LANGUAGE sql IMMUTABLE AS $$
	SELECT format('{%s}/50000', string_agg(format('%s:%s', j * 400 + (hashint4(i % 9 * 1000 + j) & 255), 1 + (hashint4(i * 1000 + j) & 63)), ','))::sparsevec
	FROM generate_series(1, 40 + i % 50) j
$$;
SQL

# One index for each case, all the same
my @cases = (1 .. 10);
for my $i (@cases)
{
	$node->safe_psql('postgres',
		"CREATE TABLE items_$i (id int, v sparsevec(50000));
		 INSERT INTO items_$i SELECT i, sparse(i) FROM generate_series(1, 300) i;
		 CREATE INDEX items_${i}_v ON items_$i USING hnsw (v sparsevec_l2_ops)");
}
my %path = map {
	$_ => $node->data_dir . '/'
	  . $node->safe_psql('postgres', "SELECT pg_relation_filepath('items_${_}_v')")
} @cases;

sub read_index
{
	my ($i) = @_;

	open(my $file, '<:raw', $path{$i}) || die "$path{$i}: $!";
	local $/ = undef;
	my $bytes = <$file>;
	close($file);
	return $bytes;
}

sub write_index
{
	my ($i, $bytes) = @_;

	open(my $file, '>:raw', $path{$i}) || die "$path{$i}: $!";
	print $file $bytes;
	close($file) || die "$path{$i}: $!";
	return;
}

$node->stop;
my $sound = read_index(1);

# Where the first page of a region begins
sub page_of
{
	my ($region) = @_;

	for (my $at = 0; $at < length $sound; $at += $block_size)
	{
		my ($magic, $found, undef, $number) =
		  unpack('SCCL', substr($sound, $at + 24, 8));
		return $at if $magic == 0xF0A7 && $found == $region && $number == 0;
	}
	die "no page of region $region";
}

# The place of the pointer to the code of a point, by the layout of code pages:
# as many records of three factors and a pointer as fit, pointers at the end
my $per_page = int(($block_size - 32) / (12 + 6));
my $codes = page_of(2);
my $items = page_of(6);

sub pointer_at
{
	return $codes + $block_size - ($per_page - $_[0]) * 6;
}

sub pointer
{
	my ($page_no, $item) = @_;

	return pack('SSS', $page_no >> 16, $page_no & 0xFFFF, $item);
}

# The place of an item of the first overflow page
sub item_at
{
	return $items + unpack('S', substr($sound, $items + 32 + ($_[0] - 1) * 4, 2));
}

my $own = substr($sound, pointer_at(5), 6);
is(unpack('x2S', $own), 0, 'the code of a point is where it is looked for');
my $item = unpack('x4S', $own);

my @damages = (
	[ 'a pointer to no item', pointer_at(5), pointer(0, 1999),
		qr/pointer to an overflow item that does not exist/ ],
	[ 'a pointer to item 0', pointer_at(5), pointer(0, 0),
		qr/pointer to an overflow item that does not exist/ ],
	[ 'a pointer to no page', pointer_at(5), pointer(4000000000, 1),
		qr/pointer to an overflow page that does not exist/ ],
	[ 'the code of another point', pointer_at(5),
		substr($sound, pointer_at(6), 6),
		qr/overflow item that is used twice/ ],
	[ 'more elements', item_at($item), pack('S', 5000), qr/malformed code/ ],
	[ 'more bytes of indices', item_at($item) + 2, pack('S', 60000),
		qr/malformed code/ ],
	[ 'wide gaps', item_at($item) + 4, "\x1E", qr/malformed code/ ],
	[ 'gaps too wide', item_at($item) + 4, "\xFF", qr/malformed code/ ],
	[ 'another element', item_at($item + 1) - 1, undef, undef ],
	[ 'no pointers at all', $codes + 6000, "\xFF" x 2000, qr/overflow/ ]);

is(scalar(@damages), scalar(@cases), 'there is an index for each case');
for my $i (@cases)
{
	my ($what, $at, $bytes) = @{ $damages[ $i - 1 ] };
	my $damaged = $sound;

	$bytes = chr(ord(substr($sound, $at, 1)) ^ 0x55) unless defined $bytes;
	substr($damaged, $at, length $bytes, $bytes);
	is(length read_index($i), length $sound, "$what: the index is like the first");
	write_index($i, $damaged);
}

$node->start;
for my $i (@cases)
{
	my ($what, $at, $bytes, $complaint) = @{ $damages[ $i - 1 ] };
	my ($status, $out, $error) =
	  $node->psql('postgres', "SELECT hnsw_index_check('items_${i}_v')");

	like($error, $complaint, "$what: the check says so") if $complaint;
	($status, $out, $error) = $node->psql('postgres',
		"SET enable_seqscan = off; SET enable_sort = off;
		 SELECT count(*) FROM (SELECT id FROM items_$i ORDER BY v <-> sparse(5) LIMIT 20) s");
	is("$status: $out", '0: 20', "$what: a search finds rows");
	$node->psql('postgres',
		"INSERT INTO items_$i SELECT i, sparse(i) FROM generate_series(301, 320) i;
		 DELETE FROM items_$i WHERE id % 5 = 1");
	$node->psql('postgres', "VACUUM (INDEX_CLEANUP ON) items_$i");
	$node->psql('postgres', "DELETE FROM items_$i WHERE id % 5 = 2");
	$node->psql('postgres', "VACUUM (INDEX_CLEANUP ON) items_$i");
	is($node->safe_psql('postgres', 'SELECT 1'),
		1, "$what: changes do not harm the server");
}

check_log($node);
$node->stop;
done_testing();
