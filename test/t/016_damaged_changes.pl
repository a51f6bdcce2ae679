# Damage that inserts and vacuums meet: they say what is wrong and come to an
# end, and what they write does not spread it.
#
# Each case has a table of its own, and all are damaged while the server is
# down.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswPages qw($NONE);
use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('damaged_changes',
	damaged => 1,
	settings => "fsync = off\nstatement_timeout = 20s\n"
	  . "shared_buffers = 1MB\n");
my $block_size = $node->safe_psql('postgres', 'SHOW block_size');

# Free points, most of them of level 0
my @freed = qw(bad_next bad_upper_next far_slot taken_slot full_pages
  equal_rows vacuumed wrong_end wrong_codes wrong_slots open_index);

# Points that are dead, and not free yet
my @dead = qw(dead_pages);

my @sound = qw(wrong_form wrong_metric no_ef high_ef new_feature);

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION vector_hnsw;
CREATE FUNCTION example(id int) RETURNS vector LANGUAGE sql IMMUTABLE AS
'SELECT array_agg((hashint8(id * 100000::bigint + i) & 1023) / 1024.0)::vector
 FROM generate_series(1, 8) i';
SQL

for my $name (@sound, @freed, @dead)
{
	$node->safe_psql('postgres',
		"CREATE TABLE $name (id int, v vector(8));
		 INSERT INTO $name SELECT i, example(i) FROM generate_series(1, 800) i;
		 CREATE INDEX ${name}_hnsw ON $name USING hnsw (v vector_l2_ops)
			WITH (m = 8, link_format = plain)");
}
$node->safe_psql('postgres',
	"DELETE FROM $_ WHERE id % 4 = 0; VACUUM (INDEX_CLEANUP ON) $_")
  for @freed;

# A transaction that began before the points were marked keeps them dead.
{
	my $session = start_session($node);

	$node->safe_psql('postgres', "DELETE FROM $_ WHERE id % 4 = 0") for @dead;
	ask($session, 'BEGIN; SELECT txid_current()');
	$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP ON) $_") for @dead;
	ask($session, 'COMMIT');
	finish_session($session);
}

my %path = map {
	$_ => $node->data_dir . '/'
	  . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${_}_hnsw')")
} @sound, @freed, @dead;

sub pages_of
{
	my ($name) = @_;

	return HnswPages->new(slurp_file($path{$name}), $block_size);
}

sub write_pages
{
	my ($name, $pages) = @_;

	open(my $file, '>:raw', $path{$name}) or die "$path{$name}: $!";
	print $file $pages->bytes or die "$path{$name}: $!";
	close($file) or die "$path{$name}: $!";
	return;
}

#
# The damage
#

# The first of the free points of a level
sub first_free
{
	my ($pages, $level) = @_;

	return $pages->at(32 + 64 + 6 * (8 + 8 * 144) + 4 * $level, 'L');
}

sub is_dead
{
	my ($pages, $point) = @_;

	return ($pages->node($point, 'info') & 0x90) == 0x90;
}

# Where the number of the next free point is
sub place_of_next
{
	my ($pages, $point) = @_;

	return $pages->var_position($point) + ($pages->level($point) > 0 ? 4 : 0);
}

# Free space of all node pages is in pieces, and one node that nobody has to
# read is out of range.
sub fill_pages
{
	my ($pages, $is_victim) = @_;
	my $npages = () = $pages->region('nodes');
	my $per_page = $pages->meta('nodes_per_page');
	my $damaged = 0;

	for my $page_no (0 .. $npages - 1)
	{
		my $page = $pages->page('nodes', $page_no);
		my ($lower) = $pages->bounds($page);

		next if $page_no * $per_page >= $pages->meta('npoints');
		$pages->bounds($page, $lower, $lower);
		for my $point ($page_no * $per_page .. ($page_no + 1) * $per_page - 1)
		{
			next if $point >= $pages->meta('npoints');
			next unless $is_victim->($pages, $point);
			$pages->node($point, 'var_offset', $block_size - 2);
			$damaged++;
			last;
		}
	}
	return $damaged;
}

sub is_listed
{
	my ($pages, $point) = @_;

	return ($pages->node($point, 'info') & 0xFF) == 0x80
	  && $pages->var_length($point) > 0;
}

# Sets the bounds of the free space of all pages of a region that are written
sub set_bounds
{
	my ($pages, $region, $lower, $upper) = @_;
	my $npages = () = $pages->region($region);

	for (0 .. $npages - 1)
	{
		my $page = $pages->page($region, $_);
		my ($old_lower, $old_upper) = $pages->bounds($page);

		$pages->bounds($page, $lower // $old_lower, $upper)
		  if $old_upper > 0;
	}
	return;
}

# All bytes of the pages of a region
sub region_bytes
{
	my ($pages, $region) = @_;

	return join '',
	  map { $pages->at($_ * $block_size, "a$block_size") }
	  $pages->region($region);
}

my %damage = (
	wrong_form => sub { $_[0]->meta('quantizer', 6) },
	wrong_metric => sub { $_[0]->meta('metric', 2) },
	no_ef => sub { $_[0]->meta('ef_construction', 0) },
	high_ef => sub { $_[0]->meta('ef_construction', 65535) },
	new_feature => sub { $_[0]->meta('may_write', 0x80) },

	# free points
	bad_next => sub {
		my ($pages) = @_;

		$pages->put(place_of_next($pages, first_free($pages, 0)),
			'L', $pages->meta('npoints') + 5);
	},
	bad_upper_next => sub {
		my ($pages) = @_;

		$pages->put(place_of_next($pages, first_free($pages, 1)),
			'L', 0xFFFFFF00);
	},
	far_slot => sub {
		my ($pages) = @_;

		$pages->put($pages->var_position(first_free($pages, 1)),
			'L', $pages->meta('nslots'));
	},
	taken_slot => sub {
		my ($pages) = @_;
		my $other = $pages->find(
			sub { $pages->level($_[0]) > 0 && $pages->has_flag($_[0], 'present') }
		);

		$pages->put($pages->var_position(first_free($pages, 1)),
			'L', $pages->first_slot($other));
	},

	# pages
	full_pages => sub { fill_pages($_[0], \&is_listed) or die },
	equal_rows => sub { fill_pages($_[0], \&is_listed) or die },
	vacuumed => sub { fill_pages($_[0], \&is_listed) or die },
	dead_pages => sub { fill_pages($_[0], \&is_dead) or die },
	wrong_end => sub { set_bounds($_[0], 'nodes', undef, $block_size) },
	wrong_codes => sub { set_bounds($_[0], 'codes', 64, $block_size) },
	wrong_slots => sub { set_bounds($_[0], 'upper levels', 32, $block_size) },
	open_index => sub { });

$node->stop;
my %free_before;
for my $name (sort keys %path)
{
	my $pages = pages_of($name);

	$free_before{$name} = first_free($pages, 0);
	isnt(first_free($pages, $_), $NONE, "$name: free points of level $_")
	  for grep { $name =~ /^(?:bad|far|taken)/ } 0, 1;
	$damage{$name}->($pages);
	write_pages($name, $pages);
}
my %region = (
	wrong_end => 'nodes',
	wrong_codes => 'codes',
	wrong_slots => 'upper levels');
my %bytes =
  map { $_ => region_bytes(pages_of($_), $region{$_}) } keys %region;
$node->start;

#
# What comes of it
#

sub try
{
	my ($sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres',
		"\\set VERBOSITY verbose\n" . "SET enable_seqscan = off;\n$sql",
		on_error_stop => 1);

	return wantarray ? ($out, $error) : $error;
}

sub insert
{
	my ($name, $from, $to) = @_;

	return "INSERT INTO $name SELECT i, example(i) FROM generate_series($from, $to) i;\n";
}

# A search that has to find something
sub nearest
{
	my ($name) = @_;

	return "SELECT count(*) FROM (SELECT id FROM $name ORDER BY v <-> example(3) LIMIT 10) s;\n";
}

my %metapage = (
	wrong_form => qr/Invalid quantizer: 6\./,
	wrong_metric => qr/Invalid metric: 2\./,
	no_ef => qr/Invalid ef_construction: 0\./,
	high_ef => qr/Invalid ef_construction: 65535\./);

for my $name (sort keys %metapage)
{
	for my $sql (insert($name, 1001, 1010), nearest($name),
		"DELETE FROM $name WHERE id % 3 = 0; VACUUM (INDEX_CLEANUP ON) $name")
	{
		my $error = try($sql);

		like($error, qr/ERROR:  XX002: metapage of index "${name}_hnsw" is corrupted.*$metapage{$name}/s,
			"$name: the metapage is found to be damaged");
	}
}

like(
	scalar(try($_)),
	qr/ERROR:  0A000: index "new_feature_hnsw" uses features \(0x80\) that this version/,
	'an index of a later version is not changed')
  for insert('new_feature', 1001, 1010),
  'DELETE FROM new_feature WHERE id = 5; VACUUM (INDEX_CLEANUP ON) new_feature';
is((try(nearest('new_feature')))[0], 10, 'but read');

for my $level (0, 1)
{
	my $name = $level == 0 ? 'bad_next' : 'bad_upper_next';
	my $error = try(insert($name, 1001, 1300));

	like($error, qr/WARNING:  XX002: index "${name}_hnsw" is corrupted at point \d+/,
		"$name: a warning names the point");
	like($error, qr/list of free points of level $level it is followed by point \d+, which does not exist/,
		"$name: and the one that is missing");
	unlike($error, qr/ERROR/, "$name: rows are inserted all the same");
	is(scalar(try(insert($name, 1301, 1320))),
		'', "$name: and more after them");
	is((try(nearest($name)))[0], 10, "$name: queries find rows");
}

like(
	scalar(try(insert('far_slot', 1001, 1300))),
	qr/ERROR:  XX002: index "far_slot_hnsw" is corrupted at point \d+.*upper slot does not exist/s,
	'a free point with a slot that does not exist is not used');
like(
	scalar(try(insert('taken_slot', 1001, 1300))),
	qr/ERROR:  XX002: index "taken_slot_hnsw" is corrupted at point \d+.*belongs to another point/s,
	'nor is a slot of another point written over');
is((try(nearest($_)))[0], 10, "$_: queries find rows")
  for qw(far_slot taken_slot);

my $corrupted_page = qr/ERROR:  XX002: index "\w+_hnsw" contains corrupted page at block \d+.*point \d+/s;

like(scalar(try(insert('full_pages', 1001, 1300))),
	$corrupted_page, 'an insert ends when a page cannot take a list');
like(
	scalar(
		try(join '', map { insert('equal_rows', 1, 400) } 1 .. 3)),
	$corrupted_page,
	'and when it cannot take more rows of a point');
like(
	scalar(
		try("DELETE FROM vacuumed WHERE id % 4 = 1;
			 VACUUM (INDEX_CLEANUP ON) vacuumed")),
	$corrupted_page,
	'so does a vacuum');
like(
	scalar(
		try('DELETE FROM dead_pages WHERE id = 1;
			 VACUUM (INDEX_CLEANUP ON) dead_pages')),
	$corrupted_page,
	'and one that gives back points');
is((try(nearest($_)))[0], 10, "$_: queries find rows")
  for qw(full_pages equal_rows vacuumed dead_pages);

# Free space that is none becomes zeros in whatever is written.
for my $name (sort keys %region)
{
	like(
		scalar(try(insert($name, 1001, 1300))),
		qr/ERROR:  XX002: index "${name}_hnsw" contains corrupted page at block \d+.*free space from/s,
		"$name: pages with wrong bounds do not change");
}

# A metapage that is damaged while a session has the index open.  Pages leave
# shared buffers when enough others are read.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE others (id int, v text);
ALTER TABLE others ALTER v SET STORAGE plain;
INSERT INTO others SELECT i, repeat('x', 2000) FROM generate_series(1, 4000) i;
CREATE INDEX ON others (id);
SQL

sub change_open_index
{
	my ($edit) = @_;

	$node->safe_psql('postgres', 'CHECKPOINT');
	$node->safe_psql('postgres',
		"SET enable_seqscan = off; SET enable_bitmapscan = off;
		 SET enable_hashjoin = off; SET enable_mergejoin = off;
		 SET enable_material = off; SET enable_memoize = off;
		 SELECT sum(length(v)) FROM
			(SELECT (hashint4(i) & 65535) % 4000 + 1 AS id
			 FROM generate_series(1, 8000) i) r JOIN others USING (id)");
	my $pages = pages_of('open_index');
	$edit->($pages);
	write_pages('open_index', $pages);
	return;
}

{
	my $session = start_session($node);
	my @statements = (nearest('open_index'), insert('open_index', 1, 1));

	ask($session, "SET enable_seqscan = off; SET enable_sort = off; $_")
	  for @statements;
	for my $setting (qw(m ef_construction dimensions))
	{
		my $value;

		change_open_index(
			sub {
				$value = $_[0]->meta($setting);
				$_[0]->meta($setting, $value - 1);
			});
		for (@statements)
		{
			my (undef, $error) = try_to_ask($session, $_);

			like($error, qr/ERROR:  metapage of index "open_index_hnsw" is corrupted.*was built has changed/s,
				"another $setting under an open index is found");
		}
		change_open_index(sub { $_[0]->meta($setting, $value) });
		is(ask($session, $statements[0]), 10, "the old $setting is good");
	}
	finish_session($session);
}

$node->stop;
is( region_bytes(pages_of($_), $region{$_}) eq $bytes{$_},
	1, "$_: the pages are what they were")
  for sort keys %region;
is(first_free(pages_of('dead_pages'), 0),
	$free_before{dead_pages},
	'a point that stays dead is in no list of free points');
$node->start;

check_log($node);
$node->stop;
done_testing();
