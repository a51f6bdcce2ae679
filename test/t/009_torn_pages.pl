# Torn pages: a crash in the middle of writing leaves one part of a page new
# and the other as it was at the last checkpoint.  The page images in the log
# heal that, whatever part it is, as long as every change to a page has had
# its image.
#
# A server makes changes after a checkpoint and is killed.  A copy of what is
# left recovers, which gives the pages as they would have been written; then
# each page of the index that differs from its state at the checkpoint is put
# together from both, and another copy has to recover from that.

use strict;
use warnings;

use File::Path qw(rmtree);
use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{VECTOR_HNSW_SEED} // time;
my $rounds = $ENV{VECTOR_HNSW_LONG} ? 20 : 2;

diag "VECTOR_HNSW_SEED=$seed";
srand($seed);

# Everything that a disk writes at once
my $sector = 512;

my $node = new_node('torn',
	damaged => 1,
	settings => "checkpoint_timeout = 1h\nmax_wal_size = 1GB\nfsync = off\n");
prepare($node);
load_vectors($node, 'sift');

my $block_size = $node->safe_psql('postgres', 'SHOW block_size');
my @tables = ('built', 'grown');
my %options = (
	built => 'm = 8, ef_construction = 32',
	grown => "m = 4, ef_construction = 16, quantizer = '4'");

$node->safe_psql('postgres', <<SQL) for @tables;
CREATE TABLE $_ (id int, v vector(128), note int);
INSERT INTO $_ SELECT id, v, 0 FROM sift
	WHERE id < CASE '$_' WHEN 'built' THEN 1000 ELSE 2 END;
CREATE INDEX ${_}_hnsw ON $_ USING hnsw (v vector_l2_ops) WITH ($options{$_});
CREATE TABLE ${_}_query AS TABLE sift_query;
SQL

my %file = map {
	$_ => $node->safe_psql('postgres',
		"SELECT pg_relation_filepath('${_}_hnsw')")
} @tables;

sub read_index
{
	my ($name) = @_;

	return slurp_file($node->data_dir . "/$file{$name}");
}

sub write_index
{
	my ($name, $bytes) = @_;

	open(my $file, '>:raw', $node->data_dir . "/$file{$name}") or die $!;
	print $file $bytes or die $!;
	close($file) or die $!;
	return;
}

# Puts the data directory back as it was after the crash.
sub restore_crash
{
	rmtree($node->data_dir);
	PostgreSQL::Test::RecursiveCopy::copypath(
		$node->backup_dir . '/crash', $node->data_dir);
	chmod(0700, $node->data_dir);
	return;
}

# Ways to choose, for each sector of a page, whether it is the new one
my %ways = (
	'the first half is new' => sub { $_[0] < $block_size / $sector / 2 },
	'the second half is new' => sub { $_[0] >= $block_size / $sector / 2 },
	'any sector may be new' => sub { rand(2) < 1 });

# tear(OLD, NEW, WAY): the file, and how many of its pages are torn
sub tear
{
	my ($old, $new, $way) = @_;
	my $torn = 0;

	$old .= "\0" x (length($new) - length($old))
	  if length($old) < length($new);
	for (my $page = 0; $page < length($new); $page += $block_size)
	{
		next
		  if substr($old, $page, $block_size) eq
		  substr($new, $page, $block_size);
		for my $i (0 .. $block_size / $sector - 1)
		{
			substr($old, $page + $i * $sector, $sector) =
			  substr($new, $page + $i * $sector, $sector)
			  if $way->($i);
		}
		$torn++;
	}
	return ($old, $torn);
}

sub change_rows
{
	my ($round) = @_;
	my $from = 2000 + 1000 * ($round % 5);

	for my $name (@tables)
	{
		$node->safe_psql('postgres',
			"INSERT INTO $name SELECT id, v, 0 FROM sift
				WHERE id BETWEEN $from AND $from + 149;
			 UPDATE $name SET note = $round WHERE id % 5 = 0;
			 UPDATE $name SET v = (SELECT v FROM sift
								   WHERE sift.id = $name.id + 77)
				WHERE id % 11 = 0;
			 DELETE FROM $name WHERE id % 7 = $round % 7");
		$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP ON) $name");
		$node->safe_psql('postgres',
			"INSERT INTO $name SELECT id, v, 0 FROM sift
				WHERE id BETWEEN $from + 200 AND $from + 249");
	}
	return;
}

# Kills the server and keeps what it leaves.
sub crash
{
	$node->stop('immediate');
	rmtree($node->backup_dir . '/crash');
	$node->backup_fs_cold('crash');
	return;
}

for my $round (1 .. $rounds)
{
	$node->safe_psql('postgres', 'CHECKPOINT');
	my %old = map { $_ => read_index($_) } @tables;
	change_rows($round);
	crash();

	$node->start;
	check_all_rows($node, $_, "round $round, crash") for @tables;
	$node->stop;
	my %new = map { $_ => read_index($_) } @tables;

	for my $way (sort keys %ways)
	{
		restore_crash();
		for my $name (@tables)
		{
			my ($bytes, $torn) =
			  tear($old{$name}, $new{$name}, $ways{$way});

			write_index($name, $bytes);
			cmp_ok($torn, '>=', 5, "round $round: $torn torn pages of $name");
		}
		$node->start;
		check_all_rows($node, $_, "round $round, $way") for @tables;
		$node->stop('immediate') if $way ne (sort keys %ways)[-1];
	}
}

# The same without page images, which shows that it would be seen
{
	my $way = $ways{'any sector may be new'};

	$node->append_conf('postgresql.conf', "full_page_writes = off\n");
	$node->restart;
	my %old = map { $_ => read_index($_) } @tables;
	change_rows($rounds + 1);
	crash();
	$node->start;
	check_all_rows($node, $_, 'without page images, whole pages') for @tables;
	$node->stop;
	my %new = map { $_ => read_index($_) } @tables;

	restore_crash();
	write_index($_, (tear($old{$_}, $new{$_}, $way))[0]) for @tables;
	if ($node->start(fail_ok => 1))
	{
		my @errors = map {
			($node->psql('postgres',
				"SELECT hnsw_index_check('${_}_hnsw', true)"))[2]
		} @tables;

		isnt(join('', @errors), '', 'without page images, torn pages: damaged');
		note @errors;
		$node->stop('immediate');
	}
}

check_log($node);
done_testing();
