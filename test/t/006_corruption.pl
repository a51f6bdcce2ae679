# Damaged indexes: hnsw_index_check finds what is wrong and says so, and a
# search answers or gives an error; nothing crashes, nothing hangs.
#
# Each kind of index has several copies, on tables of their own with the same
# rows.  A round stops the server, puts all files back, damages each of them
# once, and starts it again.
#
# VECTOR_HNSW_SEED repeats a run; VECTOR_HNSW_LONG makes it ten times as long.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswPages qw(@REGIONS $NONE);
use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $copies = 6;
my $rounds = $ENV{VECTOR_HNSW_LONG} ? 90 : 9;
my $seed = $ENV{VECTOR_HNSW_SEED} // time;

diag "VECTOR_HNSW_SEED=$seed";
srand($seed);

# Equal vectors make lists of heap rows, in two items from 1026 on
my %kinds = (
	float => {
		dimensions => 12,
		rows => 1500,
		equal => 1100,
		opclass => 'l2',
		operator => '<->'
	},
	plain => {
		dimensions => 12,
		rows => 1500,
		equal => 1100,
		opclass => 'l2',
		operator => '<->',
		options => 'link_format = plain'
	},
	eight => {
		dimensions => 48,
		rows => 1000,
		equal => 30,
		opclass => 'cosine',
		operator => '<=>'
	},
	four => {
		dimensions => 40,
		rows => 1000,
		equal => 30,
		opclass => 'ip',
		operator => '<#>',
		options => "quantizer = '4'"
	},
	linear => {
		dimensions => 24,
		rows => 1000,
		equal => 30,
		opclass => 'l1',
		operator => '<+>',
		options => "quantizer = '8', link_format = plain"
	},
	wide => {
		dimensions => 3000,
		rows => 60,
		equal => 3,
		opclass => 'l2',
		operator => '<->',
		options => 'quantizer = float'
	});
my @indexes;

for my $kind (sort keys %kinds)
{
	push @indexes, map { "${kind}_$_" } 1 .. $copies;
}

sub kind_of
{
	return $_[0] =~ /^(\w+)_\d+$/ ? $kinds{$1} : die;
}

my $node = new_node('corruption',
	damaged => 1,
	settings => "fsync = off\nshared_buffers = 16MB\nmax_wal_size = 1GB\n"
	  . "statement_timeout = 10s\nmaintenance_work_mem = 64MB\n");
my $block_size = $node->safe_psql('postgres', 'SHOW block_size');

#
# Tables and indexes
#

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION vector_hnsw;

-- Coordinates that look random and are always the same
CREATE FUNCTION example(id int, dimensions int) RETURNS vector
LANGUAGE sql IMMUTABLE AS
'SELECT array_agg((hashint8(id * 100000::bigint + i) & 1023) / 1024.0)::vector
 FROM generate_series(1, dimensions) i';

-- What a statement comes to
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'good';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || ' ' || detail;
END $$;
SQL

for my $name (@indexes)
{
	my $kind = kind_of($name);
	my $options = $kind->{options} ? "WITH ($kind->{options})" : '';
	my $source = $name =~ /_1$/
	  ? "SELECT i AS id, example(greatest(i - $kind->{equal}, 0),
								 $kind->{dimensions}) AS v
		 FROM generate_series(1, $kind->{rows} + $kind->{equal}) i"
	  : 'TABLE ' . $name =~ s/_\d+$/_1/r;

	$node->safe_psql('postgres',
		"CREATE TABLE $name (id int, v vector($kind->{dimensions}));
		 INSERT INTO $name $source;
		 CREATE INDEX ${name}_hnsw ON $name
			USING hnsw (v vector_$kind->{opclass}_ops) $options");
}
$node->safe_psql('postgres', 'ANALYZE');

my %path = map {
	$_ => $node->data_dir . '/'
	  . $node->safe_psql('postgres',
		"SELECT pg_relation_filepath('${_}_hnsw')")
} @indexes;

#
# Reading and writing the files
#

sub read_file
{
	my ($path) = @_;

	open(my $file, '<:raw', $path) or die "$path: $!";
	local $/;
	my $bytes = <$file>;
	close($file);
	return $bytes;
}

sub write_file
{
	my ($path, $bytes) = @_;

	open(my $file, '>:raw', $path) or die "$path: $!";
	print $file $bytes or die "$path: $!";
	close($file) or die "$path: $!";
	return;
}

my %sound;

sub pages_of
{
	return HnswPages->new($sound{ $_[0] }, $block_size);
}

# Links move to the overflow region where a page is full, which is rare: make
# it happen.
sub make_links_away
{
	my ($name) = @_;
	my $pages = pages_of($name);
	my $moved = 0;

	for my $point (100 .. 140)
	{
		$moved += $pages->move_links_away($point)
		  unless $point == $pages->meta('entry_point');
	}
	die 'no links could be moved' if $moved < 3;
	$sound{$name} = $pages->bytes;
	return;
}

# damage(NAME => BYTES, ...): puts these and all other files in place
sub damage
{
	my (%damaged) = @_;

	$node->stop;
	for my $name (@indexes)
	{
		write_file($path{$name}, $damaged{$name} // $sound{$name});
	}
	$node->start;
	return;
}

#
# What is tried with each index
#

sub vector_literal
{
	my ($dimensions) = @_;

	return '[' . join(',', map { ($_ * 37 % 101) / 101 } 1 .. $dimensions) . ']';
}

# Pairs of a name and a statement
sub statements
{
	my ($name) = @_;
	my $kind = kind_of($name);
	my $index = "${name}_hnsw";
	my $query = vector_literal($kind->{dimensions});
	my $nearest = "SELECT id FROM $name ORDER BY v $kind->{operator} ";

	return (
		check => "SELECT hnsw_index_check('$index', true)",
		stats => "SELECT hnsw_index_stats('$index')",
		info => "SELECT hnsw_index_info('$index')",
		regions => "SELECT hnsw_index_regions('$index')",
		links => "SELECT hnsw_index_links('$index')",
		prewarm => "SELECT hnsw_index_prewarm('$index')",
		nearest => "$nearest '$query' LIMIT 10",
		first => "$nearest (SELECT v FROM $name LIMIT 1) LIMIT 10",
		last => "$nearest (SELECT v FROM $name OFFSET 50 LIMIT 1) LIMIT 10",
		deep => "$nearest '$query' LIMIT 500",
		coded => "SET LOCAL hnsw.rerank = off; $nearest '$query' LIMIT 100");
}

# run_statements([NAME, WHAT, STATEMENT], ...): what they came to, by NAME and
# WHAT; dies when the server does not answer to the end.
sub run_statements
{
	my (@statements) = @_;
	my $script = "SET enable_seqscan = off; SET enable_sort = off;\n"
	  . "SET client_min_messages = error;\n";
	my %result;

	for (@statements)
	{
		my ($name, $what, $statement) = @$_;

		$script .= "SELECT '$name', '$what', attempt(\$x\$$statement\$x\$);\n";
	}

	# A statement that runs out of time is an error here, since attempt does
	# not catch that.
	my ($status, $out, $error) = $node->psql('postgres', $script,
		on_error_stop => 0, timeout => 300);
	for (split /\n/, $out)
	{
		my ($name, $what, $result) = split /\|/, $_, 3;

		$result{$name}{$what} = $result if defined $result;
	}
	note $error if $error ne '';
	die "the server did not survive this (seed $seed)" if $status != 0;
	return \%result;
}

sub statements_on
{
	my (@names) = @_;
	my @list;

	for my $name (@names)
	{
		my @pairs = statements($name);

		while (my ($what, $statement) = splice(@pairs, 0, 2))
		{
			push @list, [ $name, $what, $statement ];
		}
	}
	return @list;
}

#
# Sound indexes
#

$node->stop;
%sound = map { $_ => read_file($path{$_}) } @indexes;
$node->start;
make_links_away($_) for grep { /^plain/ } @indexes;
damage();

my $result = run_statements(statements_on(@indexes));
for my $kind (sort keys %kinds)
{
	my %seen;

	for my $name (map { "${kind}_$_" } 1 .. $copies)
	{
		$seen{$_}++ for values %{ $result->{$name} };
	}
	is(join(',', keys %seen), 'good', "$kind: sound indexes give no error");
	my $plan = $node->safe_psql('postgres',
		"SET enable_seqscan = off; EXPLAIN (COSTS OFF) " . {
			statements("${kind}_1") }->{nearest});
	like($plan, qr/Index Scan using ${kind}_1_hnsw/, "$kind: index is used");
	my $pages = pages_of("${kind}_1");
	note "$kind: " . join(', ', map { "$_ " . $pages->region($_) } @REGIONS);
}

#
# Faults with a name
#

# A point with a list of heap rows, and one without that has links only
sub with_list
{
	my ($pages) = @_;

	return $pages->find(sub { $pages->has_flag($_[0], 'more_tids') });
}

sub plain_point
{
	my ($pages, $from) = @_;

	return $pages->find(
		sub {
			$pages->node($_[0], 'info') == $HnswPages::FLAGS{present}
			  && $pages->var_length($_[0]) > 8;
		},
		$from);
}

# The last page is not full
sub roomy_point
{
	my ($pages) = @_;

	return plain_point($pages, $pages->meta('npoints') - 10);
}

sub upper_point
{
	my ($pages, $level, $from) = @_;

	return $pages->find(
		sub {
			$pages->level($_[0]) == $level
			  && $_[0] != $pages->meta('entry_point');
		},
		$from);
}

# Links of level 1: the slot of a point that has some, as position and point
sub upper_slot
{
	my ($pages, $level) = @_;
	my $point = upper_point($pages, $level // 1);

	return ($pages->slot($pages->first_slot($point)), $point);
}

sub set_meta
{
	my ($name, $value) = @_;

	return sub { $_[0]->meta($name, $value); };
}

# Replaces the links of a point by a function of them
sub edit_links
{
	my ($edit) = @_;

	return sub {
		my ($pages) = @_;
		my $point = roomy_point($pages);
		my ($before, @links) = $pages->split_var($point);

		$pages->set_links($point, $edit->($point, @links)) or die;
	};
}

# Changes bits of a byte in the first page of a region, counted from its end,
# where the code of the last record ends
sub change_code
{
	my ($region, $offset, $bits) = @_;

	return sub {
		my ($pages) = @_;
		my $position = $pages->page($region, 0) + $block_size + $offset;

		$pages->put($position, 'C', $pages->at($position, 'C') ^ $bits);
	};
}

# Changes a factor of point 3, of those that have two
sub change_factor
{
	my ($factor) = @_;

	return sub {
		my ($pages) = @_;
		my $position = $pages->page('codes', 0) + 32 + 8 * 3 + 4 * $factor;

		$pages->put($position, 'f', $pages->at($position, 'f') + 0.01);
	};
}

# Makes a point free, followed by another one in its list
sub free_point
{
	my ($pages, $point, $next) = @_;
	my $slot = $pages->level($point) > 0 ? substr($pages->var($point), 0, 4) : '';

	$pages->node($point, 'tid', 0, 0, 0);
	$pages->node($point, 'info',
		$pages->level($point) | $HnswPages::FLAGS{dead});
	substr($pages->{bytes}, $pages->var_position($point), length($slot) + 4) =
	  $slot . pack('L', $next);
	$pages->var_length($point, length($slot) + 4);
	return;
}

my $nan = unpack('L', pack('f', 9**9**9 / 9**9**9));
my $infinity = unpack('L', pack('f', 9**9**9));

# Kind, what is done, the error, and its detail.  Each has a copy of its own.
my @faults = (
	# metapage
	[ 'float', sub { $_[0]->put(0, 'a*', "\0" x $block_size) },
		'has an unexpected zero page', 'Block 0' ],
	[ 'float', set_meta(magic => 0x12345678),
		'has a wrong magic number', 'expected 48765848, found 12345678' ],
	[ 'eight', set_meta(version => 2),
		'has an unsupported format version', 'expected version 1, found 2' ],
	[ 'eight', set_meta(may_read => 4),
		'has unknown feature bits', 'found 4 and 0' ],
	[ 'four', set_meta(may_write => 0x80),
		'has unknown feature bits', 'found 0 and 80' ],
	[ 'float', set_meta(dimensions => 11),
		'has a wrong number of dimensions', 'expected 12, found 11' ],
	[ 'eight', set_meta(metric => 4), 'has a wrong metric',
		'expected 3, that of its operator class, found 4' ],
	[ 'linear', set_meta(quantizer => 3),
		'has an invalid quantizer', 'for metric 4, found 3' ],
	[ 'plain', set_meta(link_format => 3),
		'has an invalid link format', 'found 3' ],
	[ 'plain', set_meta(select_flags => 0x88),
		'has invalid selection flags', 'found 88' ],
	[ 'four', set_meta(m => 1),
		'has an invalid number of links per point', 'found 1' ],
	[ 'four', set_meta(ef_construction => 3),
		'has an invalid ef_construction', 'found 3' ],
	[ 'wide', set_meta(nodes_per_page => 1000),
		'has an invalid number of nodes per page', 'found 1000' ],
	[ 'four', sub { $_[0]->put(32 + 40, 'L', $nan) },
		'has an invalid lift', 'found' ],
	[ 'float', set_meta(npoints => $NONE),
		'has an invalid number of points', 'found 4294967295' ],
	[ 'eight', set_meta(entry_point => 5000),
		'has an entry point that does not exist', 'found 5000' ],
	[ 'eight', set_meta(entry_level => 16),
		'has an invalid level of the entry point', 'found 16' ],
	[ 'eight',
		sub { $_[0]->meta('entry_level', $_[0]->meta('entry_level') + 1) },
		'has an entry point of another level', 'expected level' ],
	[ 'eight', set_meta(entry_point => $NONE),
		'has points but no entry point', '1001 points with heap rows' ],
	[ 'float', set_meta(npoints => 100000),
		'has a region that is too small', 'region "codes"' ],
	[ 'float', set_meta(nslots => 1000000),
		'has a region that is too small', 'region "upper levels"' ],

	# directory
	[ 'four', sub { $_[0]->put($_[0]->directory('nodes') + 4, 'L', 145) },
		'has an invalid number of extents', 'region "nodes".*found 145' ],
	[ 'four', sub { $_[0]->put($_[0]->directory('nodes') + 12, 'L', 0) },
		'has an empty extent', 'region "nodes"' ],
	[ 'four', sub { $_[0]->put($_[0]->directory('codes'), 'L', 1) },
		'has a region whose extents do not add up', 'expected 1 pages' ],
	[ 'four',
		sub {
			my ($pages) = @_;

			$pages->put($pages->directory('codes') + 8, 'L',
				($pages->region('nodes'))[0]);
		},
		'has extents that overlap',
		'found it in "(codes|nodes)" and "(codes|nodes)"' ],
	[ 'four', sub { $_[0]->put($_[0]->directory('refinement') + 8, 'L', 0) },
		'has extents that overlap', 'Block 0: .*"meta"' ],
	[ 'wide', sub { $_[0]->cut($_[0]->blocks - 1) },
		'is shorter than its directory says', 'found \d+ blocks' ],
	[ 'wide', sub { $_[0]->put($_[0]->directory('codes') + 8, 'L', 1 << 31) },
		'is much shorter than its directory says', 'blocks 2147483648 to' ],

	# pages
	[ 'float',
		sub { $_[0]->put($_[0]->page('codes', 3), 'a*', "\0" x $block_size) },
		'has an unexpected zero page', 'page 3 of region "codes"' ],
	[ 'float',
		sub { $_[0]->put($_[0]->page('nodes', 2), 'a*', "\0" x $block_size) },
		'has an unexpected zero page', 'page 2 of region "nodes"' ],
	[ 'eight', sub { $_[0]->put($_[0]->page('codes', 1) + 24, 'S', 0x1234) },
		'has a page with a wrong tag', 'found magic 1234' ],
	[ 'four', sub { $_[0]->put($_[0]->page('refinement', 0) + 26, 'C', 2) },
		'has a page with a wrong tag', 'region 3 .*found .* region 2,' ],
	[ 'wide', sub { $_[0]->put($_[0]->page('codes', 5) + 28, 'L', 6) },
		'has a page with a wrong tag', 'page 5, found .* page 6' ],
	[ 'plain', sub { $_[0]->put($_[0]->page('nodes', 0) + 12, 'S', 32) },
		'has a page with a wrong free space', 'found 32 to' ],
	[ 'linear', sub { $_[0]->put($_[0]->page('codes', 0) + 12, 'S', 100) },
		'has a page with a wrong free space', 'found 100 to' ],
	[ 'plain', sub { $_[0]->put($_[0]->page('overflow', 0) + 12, 'S', 35) },
		'has a page with a wrong free space', 'found 35 to' ],
	[ 'wide', sub { $_[0]->put($_[0]->page('codes', 5) + 18, 'S', 8192 | 3) },
		'has a page with a wrong header', 'found 8192, 8192, 3' ],

	# numbers
	[ 'eight',
		sub { $_[0]->put($_[0]->page('parameters', 0) + 32 + 4 * 7, 'L', $nan) },
		'has an invalid parameter', 'coordinate 7: .*found NaN' ],
	[ 'eight',
		sub { $_[0]->put($_[0]->page('codes', 0) + 32 + 8 * 3, 'L', $infinity) },
		'has a code with an invalid factor', 'point 3, factor 0: .*found Inf' ],
	[ 'four',
		sub { $_[0]->put($_[0]->page('refinement', 0) + 32 + 4 * 9, 'L', $nan) },
		'has a code with an invalid factor', 'point 9, factor 0' ],
	[ 'float',
		sub { $_[0]->put($_[0]->page('codes', 1) - 4, 'L', $nan) },
		'has a vector with an invalid coordinate', 'coordinate 11' ],
	[ 'wide',
		sub { $_[0]->put($_[0]->page('codes', 9) - 4, 'L', $nan) },
		'has a vector with an invalid coordinate', 'point 4, coordinate 2031' ],

	# nodes
	[ 'plain', sub { $_[0]->node(plain_point($_[0]), 'var_offset', 8190) },
		'has a node whose variable part is out of range', 'at 8190' ],
	[ 'plain', sub { $_[0]->var_length(plain_point($_[0]), 2000) },
		'has a node whose variable part is out of range', 'found 2000' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $one = plain_point($pages, 100);
			my $other = plain_point($pages, $one + 1);

			$pages->node($one, 'var_offset',
				$pages->node($other, 'var_offset') + 4);
		},
		'has nodes whose variable parts overlap', 'those of point' ],
	[ 'linear',
		sub {
			my ($pages) = @_;
			my $one = plain_point($pages, 10);
			my $other = plain_point($pages, $one + 1);

			$pages->node($one, 'var_offset',
				$pages->node($other, 'var_offset'));
			$pages->var_length($one, $pages->var_length($other));
		},
		'has nodes whose variable parts overlap', 'those of point' ],
	[ 'float', sub { $_[0]->var_length(upper_point($_[0], 1), 3) },
		'has a node whose variable part is too short', 'level 1: .*found 3' ],
	[ 'float',
		sub {
			my ($pages) = @_;
			my $point = plain_point($pages);

			$pages->node($point, 'info',
				$pages->node($point, 'info') | $HnswPages::FLAGS{more_tids});
			$pages->set_var($point, "\0" x 6);
		},
		'has a node with an invalid pointer to an overflow item', 'found 0' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $npoints = $pages->meta('npoints');

			$pages->meta('npoints', $npoints - 1);
		},
		'has a node beyond its last point', 'as there are 1500 points' ],
	[ 'plain',
		sub { $_[0]->node(plain_point($_[0]), 'info', 0) },
		'has a malformed point that is not in use',
		'flags 00 and \d+ bytes of links' ],
	[ 'plain',
		sub {
			my ($pages) = @_;

			substr($pages->{bytes},
				$pages->var_position(upper_point($pages, 1)), 4) =
			  pack('L', 0xFFFFFFF0);
		},
		'has a point whose upper slot does not exist', 'found 4294967280' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $one = upper_point($pages, 1);
			my $other = upper_point($pages, 1, $one + 1);

			$pages->put($pages->var_position($other), 'L',
				$pages->first_slot($one));
		},
		'has an upper slot that is used twice', 'found slot \d+ of point' ],

	# upper levels
	[ 'linear', sub { $_[0]->put((upper_slot($_[0]))[0], 'L', 17) },
		'has an upper slot of another point', 'found point 17' ],
	[ 'linear', sub { $_[0]->put((upper_slot($_[0]))[0] + 4, 'C', 2) },
		'has an upper slot of another level', 'expected level 1, found level 2'
	],
	[ 'linear', sub { $_[0]->put((upper_slot($_[0]))[0] + 5, 'C', 17) },
		'has a point with too many links', 'expected at most 16 links, found 17'
	],
	[ 'linear',
		sub {
			my ($position, $point) = upper_slot($_[0]);

			$_[0]->put($position + 8, 'L', $point);
		},
		'has a point that is linked to itself', 'level 1' ],
	[ 'linear',
		sub {
			my ($position) = upper_slot($_[0]);

			$_[0]->put($position + 8, 'L', $_[0]->at($position + 12, 'L'));
		},
		'has a point with the same link twice', 'level 1: .*twice' ],
	[ 'linear', sub { $_[0]->put((upper_slot($_[0]))[0] + 8, 'L', 1001) },
		'has a link to a point that does not exist',
		'points below 1001, found 1001' ],
	[ 'linear',
		sub { $_[0]->put((upper_slot($_[0]))[0] + 8, 'L', plain_point($_[0])) },
		'has a link to a point that is not at its level', 'of level 0' ],

	# links of level 0
	[ 'float',
		sub {
			my ($pages) = @_;
			my $point = plain_point($pages);

			$pages->put($pages->var_position($point), 'a*', "\0" x 8);
		},
		'has a point with malformed links', 'level 0' ],
	[ 'plain', edit_links(sub { my ($point, @links) = @_; (1, $point) }),
		'has a point that is linked to itself', 'level 0' ],
	[ 'plain', edit_links(sub { (3, 5, 5, 8) }),
		'has a point with the same link twice', 'found 5 twice' ],
	[ 'plain', edit_links(sub { (3, 9, 5) }),
		'has a point whose links do not ascend', 'above 9 after it, found 5' ],
	[ 'plain', edit_links(sub { (3, 9, 1501) }),
		'has a link to a point that does not exist', 'found 1501' ],
	[ 'plain', edit_links(sub { (1 .. 33) }),
		'has a point with too many links', 'at most 32 links, found 33' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $point = plain_point($pages);

			$pages->node($point, 'info', 0);
			$pages->node($point, 'tid', 0, 0, 0);
			$pages->var_length($point, 0);
		},
		'has a link to a point that is not in use', 'found \d+' ],

	# heap rows
	[ 'float',
		sub {
			my ($pages) = @_;

			$pages->node(50, 'tid', $pages->node(60, 'tid'));
		},
		'has a heap row twice', 'than those of point 50' ],
	[ 'float', sub { $_[0]->node(50, 'tid', 1, 0, 1) },
		'has a heap row beyond the end of the table', 'found .65536,1.' ],
	[ 'float',
		sub {
			my ($pages) = @_;

			$pages->put($pages->tid_list(with_list($pages)) + 8 + 6 * 20,
				'SSS', 0, 1, 0);
		},
		'has an invalid heap row in a list', 'found .1,0.' ],
	[ 'float',
		sub {
			my ($pages) = @_;

			$pages->put($pages->tid_list(with_list($pages)) + 6, 'S', 2000);
		},
		'has a list of heap rows that is too short', 'room for 2000' ],
	[ 'float',
		sub {
			my ($pages) = @_;
			my $point = with_list($pages);
			my ($before) = $pages->split_var($point);

			# the list that comes next comes before
			my $position = $pages->tid_list($point);
			my $next = $pages->item($pages->at($position, 'SSS'));
			$pages->put($next, 'a*', substr($before, -6));
		},
		'has lists of heap rows in a circle', 'after 2 lists' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my ($before) = $pages->split_var(with_list($pages));
			my $other = roomy_point($pages);
			my ($none, @links) = $pages->split_var($other);

			$pages->node($other, 'info',
				$pages->node($other, 'info') | $HnswPages::FLAGS{more_tids});
			$pages->set_var($other,
				substr($before, -6) . pack('L*', @links)) or die;
		},
		'has an overflow item that is used twice', 'is also that of point' ],

	# overflow
	[ 'float',
		sub {
			my ($pages) = @_;

			$pages->put($pages->tid_list(with_list($pages)), 'SSS', 0, 99, 1);
		},
		'has a pointer to an overflow page that does not exist',
		'found item .99,1.' ],
	[ 'float',
		sub {
			my ($pages) = @_;

			$pages->put($pages->tid_list(with_list($pages)), 'SSS', 0, 0, 77);
		},
		'has a pointer to an overflow item that does not exist',
		'found no item 77' ],
	[ 'plain', sub { $_[0]->put($_[0]->item_entry(0, 0, 1), 'S', 40) },
		'has an overflow item that is out of range', 'item 1: .* at 40' ],
	[ 'plain',
		sub {
			my ($pages) = @_;

			$pages->put($pages->item_entry(0, 0, 2), 'SS',
				$pages->at($pages->item_entry(0, 0, 1), 'SS'));
		},
		'has overflow items that overlap', 'those of item' ],

	# free points
	[ 'plain', sub { $_[0]->meta('free_points', 1501) },
		'has a free point that does not exist', 'Block 0, .*found 1501' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $point = plain_point($pages);

			free_point($pages, $point, 1501);
			$pages->meta('free_points', $point);
		},
		'has a free point that does not exist', 'List of level 0: .*found 1501' ],
	[ 'plain', sub { $_[0]->meta('free_points', plain_point($_[0])) },
		'has a point in a list of free points that is not one of them',
		'of level 0, found level and flags 10' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $point = upper_point($pages, 1);

			free_point($pages, $point, $NONE);
			$pages->meta('free_points', $point);
		},
		'has a point in a list of free points that is not one of them',
		'of level 0, found level and flags 81' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $one = plain_point($pages, 10);
			my $other = plain_point($pages, $one + 1);

			free_point($pages, $one, $other);
			free_point($pages, $other, $one);
			$pages->meta('free_points', $one);
		},
		'has a free point twice in its lists', 'of level 0' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $point = plain_point($pages);

			free_point($pages, $point, $NONE);
			$pages->var_length($point, 3);
		},
		'has a malformed free point', 'and 3 bytes' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $point = plain_point($pages);

			free_point($pages, $point, $NONE);
			$pages->node($point, 'tid', 0, 1, 1);
		},
		'has a heap row at a point that is not in use', 'expected none' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $point = plain_point($pages);

			free_point($pages, $point, $NONE);
			$pages->var_length($point, 0);
		},
		'has a free point that no list leads to', 'list of level 0' ],
	[ 'plain',
		sub {
			my ($pages) = @_;
			my $point = plain_point($pages);

			free_point($pages, $point, $NONE);
			$pages->meta('free_points', $point);
		},
		'has a link to a point that is not in use', 'found \d+' ],

	# rows of the table
	[ 'float', change_code('codes', -12 * 4 + 1, 0x40),
		'has a row at a point with another code', 'as byte 1 of its code' ],
	[ 'eight', change_code('codes', -6, 2),
		'has a row at a point with another code', 'as byte 42 of its code' ],
	[ 'four', change_code('codes', -1, 0x10),
		'has a row at a point with another code', 'as byte 23 of its code' ],
	[ 'four', change_code('refinement', -24, 1),
		'has a row at a point with another code',
		'as byte 0 of its refinement' ],
	[ 'linear', change_code('codes', -24, 1),
		'has a row at a point with another code', 'as byte 0 of its code' ],
	[ 'wide', change_code('codes', -1, 1),
		'has a row at a point with another code', 'as byte 8127 of its code' ],
	[ 'eight', change_factor(1), 'has a row at a point with other factors',
		'expected factor 1 to be' ],
	[ 'linear', change_factor(0), 'has a row at a point with other factors',
		'expected factor 0 to be' ],
	[ 'linear',
		sub {
			my ($pages) = @_;
			my @tid = $pages->node(50, 'tid');

			$pages->node(50, 'tid', $pages->node(60, 'tid'));
			$pages->node(60, 'tid', @tid);
		},
		'has a row at a point with another code', 'point [56]0, row' ],
	[ 'linear',
		sub {
			my ($pages) = @_;

			$pages->node(plain_point($pages), 'tid', 0, 0, 0);
		},
		'lacks a row of its table', 'expected a point' ],
	[ 'float',
		sub {
			my ($pages) = @_;
			my $list = $pages->tid_list(with_list($pages));

			$pages->put($list + 6, 'S', $pages->at($list + 6, 'S') - 1);
		},
		'lacks a row of its table', 'expected a point' ]);

# Each fault into the next copy of its kind, and a round whenever there is
# none
sub check_faults
{
	my (%faults) = @_;
	my %damaged;

	for my $name (keys %faults)
	{
		my $pages = pages_of($name);

		$faults{$name}[1]->($pages);
		$damaged{$name} = $pages->bytes;
	}
	damage(%damaged);

	my $result = run_statements(statements_on(sort keys %faults));
	for my $name (sort keys %faults)
	{
		my ($kind, $edit, $message, $detail) = @{ $faults{$name} };

		like(
			$result->{$name}{check},
			qr/^(XX002|0A000) index "${name}_hnsw" (?:$message) .*$detail/,
			"$kind: check says it $message");
		survives($result->{$name}, "$name, $message");
	}
	return;
}

# The damaged index gave rows or errors of these classes only.  What the server
# says of a row that is nowhere in the table has no class of its own.
my $expected = qr/^(?:good$
	|XX00[12]\ |0A000\ |22000\ different\ vector\ dimensions
	|XX000\ could\ not\ open\ file\ .*\ \(target\ block)/x;

sub survives
{
	my ($result, $what) = @_;
	my @wrong;

	for (sort keys %$result)
	{
		push @wrong, "$_: $result->{$_}" unless $result->{$_} =~ $expected;
	}
	is(scalar keys %$result, 11, "$what: all statements came to an end");
	is(join("\n", @wrong), '', "$what: rows or errors that say what is wrong");
	return;
}

my %round;
for my $fault (@faults)
{
	my $kind = $fault->[0];
	my ($free) = grep { !$round{"${kind}_$_"} } 1 .. $copies;

	if (!$free)
	{
		check_faults(%round);
		%round = ();
		$free = 1;
	}
	$round{"${kind}_$free"} = $fault;
}
check_faults(%round);

# What costs results or time, but is no fault of the structure, is a warning.
{
	my $pages = pages_of('plain_1');
	my $entry = $pages->meta('entry_point');

	$pages->set_links($entry);
	my $other = pages_of('float_1');
	my $level = $other->meta('entry_level');
	my $lower = upper_point($other, $level - 1);

	$other->meta('entry_point', $lower);
	$other->meta('entry_level', $level - 1);
	damage(plain_1 => $pages->bytes, float_1 => $other->bytes);

	my ($status, $out, $error) =
	  $node->psql('postgres', "SELECT hnsw_index_check('plain_1_hnsw')");
	is($status, 0, 'lost points are no error');
	like($error, qr/WARNING: .* has 1500 points that no search can reach/,
		'lost points are counted');

	($status, $out, $error) =
	  $node->psql('postgres', "SELECT hnsw_index_check('float_1_hnsw')");
	is($status, 0, 'a low entry point is no error');
	like($error, qr/WARNING: .* points above its entry point/,
		'points above it are counted');
}

#
# Random damage
#

sub random_bytes
{
	my ($n) = @_;

	return pack('C*', map { int(rand(256)) } 1 .. $n);
}

my %ways = (
	flip => sub {
		my ($pages, $position) = @_;

		for (0 .. int(rand(4)))
		{
			my $at = $position + $_;
			my $byte = $pages->at($at, 'C');
			$pages->put($at, 'C', $byte ^ (1 << int(rand(8))));
		}
	},
	noise => sub {
		my ($pages, $position) = @_;

		$pages->put($position, 'a*', random_bytes(1 + int(rand(64))));
	},
	zeros => sub {
		my ($pages, $position) = @_;

		$pages->put($position, 'a*', "\0" x (1 + int(rand(64))));
	},
	ones => sub {
		my ($pages, $position) = @_;

		$pages->put($position, 'a*', "\xFF" x (1 + int(rand(64))));
	},
	body => sub {
		my ($pages, $position, $page) = @_;

		$pages->put($page + 32, 'a*', random_bytes($block_size - 32));
	},
	empty => sub {
		my ($pages, $position, $page) = @_;

		$pages->put($page, 'a*', "\0" x $block_size);
	},
	other => sub {
		my ($pages, $position, $page) = @_;
		my $from = int(rand($pages->blocks)) * $block_size;

		$pages->put($page, 'a*', substr($pages->bytes, $from, $block_size));
	},
	other_body => sub {
		my ($pages, $position, $page) = @_;
		my $from = int(rand($pages->blocks)) * $block_size + 32;

		$pages->put($page + 32, 'a*',
			substr($pages->bytes, $from, $block_size - 32));
	});

# Most damage is small: large damage is found at once
my @likely = (('flip') x 6, ('noise') x 4, ('zeros') x 3, ('ones') x 3);
my @large = sort keys %ways;

# damage_once(PAGES, REGION): returns what was done
sub damage_once
{
	my ($pages, $region) = @_;
	my @blocks = $pages->region($region);
	my $block = $blocks[ int(rand(@blocks)) ];
	my $way = rand() < 0.85 ? $likely[ rand(@likely) ] : $large[ rand(@large) ];

	# half of it where a page has its numbers, and little in the header, where
	# the server looks itself
	my $from = rand() < 0.1 ? 0 : 24;
	my $to = rand() < 0.5 ? 200 : $block_size - 64;
	my $offset = $from + int(rand($to - $from));
	my $page = $block * $block_size;

	$ways{$way}->($pages, $page + $offset, $page);
	return "$way at $offset of block $block ($region)";
}

# Regions of all kinds by turns
my @places;
for my $kind (sort keys %kinds)
{
	my $pages = pages_of("${kind}_1");

	for my $region (@REGIONS)
	{
		push @places, [ $kind, $region ] if $pages->region($region);
	}
}

my $turn = 0;
my %outcomes;
my %turns;

# A region of this kind, each as often as the others
sub next_region
{
	my ($kind) = @_;
	my @regions = map { $_->[1] } grep { $_->[0] eq $kind } @places;

	return $regions[ $turns{$kind}++ % @regions ];
}

sub random_round
{
	my ($round, $more) = @_;
	my (%damaged, %done);

	for my $name (@indexes)
	{
		my ($kind) = $name =~ /^(\w+)_\d+$/;
		my $pages = pages_of($name);

		$done{$name} = damage_once($pages, next_region($kind));
		$damaged{$name} = $pages->bytes;
	}
	note "round $round: $_: $done{$_}" for sort keys %done;
	damage(%damaged);

	my $result = run_statements(statements_on(@indexes));
	for my $name (@indexes)
	{
		survives($result->{$name}, "round $round, $name, $done{$name}");
		$outcomes{"check: " . substr($result->{$name}{check}, 0, 5)}++;
		$outcomes{"scan: " . substr($result->{$name}{deep}, 0, 5)}++;
	}
	return;
}

random_round($_) for 1 .. $rounds;
note "$_: $outcomes{$_}" for sort keys %outcomes;

# Vacuum has to live with the same
for my $name (@indexes)
{
	my ($status, $out, $error) = $node->psql('postgres',
		"DELETE FROM $name WHERE id % 3 = 0;
		 VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) $name");

	like("$status $error", qr/^(0 $|3 .*ERROR:  (?!canceling))/s,
		"vacuum of $name came to an end");
}

check_log($node);
$node->stop;
done_testing();
