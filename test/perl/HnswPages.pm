# HnswPages.pm
#	  The file of an hnsw index as a test reads and damages it, while the
#	  server is down.  What is where: src/pages/page_format.h.
#
# Positions are bytes from the start of the file.  at(POSITION, TEMPLATE)
# reads numbers in the form of pack(), put(POSITION, TEMPLATE, ...) writes
# them.

package HnswPages;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(@REGIONS $NONE);

our @REGIONS =
  ('meta', 'parameters', 'codes', 'refinement', 'nodes', 'upper levels',
	'overflow');

# No point
our $NONE = 0xFFFFFFFF;

my $body = 32;

# Numbers of the metapage: place within the body, and form
my %numbers = (
	magic => [ 0, 'L' ],
	version => [ 4, 'L' ],
	may_read => [ 8, 'L' ],
	may_write => [ 12, 'L' ],
	dimensions => [ 16, 'L' ],
	metric => [ 20, 'C' ],
	quantizer => [ 21, 'C' ],
	link_format => [ 22, 'C' ],
	select_flags => [ 23, 'C' ],
	m => [ 24, 'S' ],
	ef_construction => [ 26, 'S' ],
	nodes_per_page => [ 28, 'L' ],
	lift_sq => [ 40, 'f' ],
	npoints => [ 48, 'L' ],
	nslots => [ 52, 'L' ],
	entry_point => [ 56, 'L' ],
	entry_level => [ 60, 'L' ],
	free_points => [ 64 + 6 * (8 + 8 * 144), 'L' ]);

my $directories = 64;
my $directory_size = 8 + 8 * 144;

my $node_size = 12;
my %node_numbers = (
	tid => [ 0, 'SSS' ],
	var_offset => [ 6, 'S' ],
	var_size => [ 8, 'S' ],
	info => [ 10, 'C' ]);

our %FLAGS =
  (present => 0x10, more_tids => 0x20, links_away => 0x40, dead => 0x80);

# new(BYTES, BLOCK_SIZE)
sub new
{
	my ($class, $bytes, $block_size) = @_;

	return bless { bytes => $bytes, block_size => $block_size }, $class;
}

sub bytes { return $_[0]{bytes}; }

sub blocks { return $_[0]->size / $_[0]{block_size}; }

sub at
{
	my ($self, $position, $template) = @_;

	return unpack($template, substr($self->{bytes}, $position, 8192));
}

sub put
{
	my ($self, $position, $template, @values) = @_;
	my $new = pack($template, @values);

	die "outside of the file" if $position + length($new) > $self->size;
	substr($self->{bytes}, $position, length($new)) = $new;
	return;
}

sub size { return length($_[0]{bytes}); }

sub cut
{
	my ($self, $blocks) = @_;

	$self->{bytes} = substr($self->{bytes}, 0, $blocks * $self->{block_size});
	return;
}

sub block { return $_[1] * $_[0]{block_size}; }

# The metapage

sub meta
{
	my ($self, $name, $value) = @_;
	my ($offset, $template) = @{ $numbers{$name} };

	$self->put($body + $offset, $template, $value) if defined $value;
	return $self->at($body + $offset, $template);
}

sub region_number
{
	my ($name) = @_;
	my ($number) = grep { $REGIONS[$_] eq $name } 0 .. $#REGIONS;

	return $number;
}

# Where the directory of a region is: npages, nextents, then start and npages
# of each extent
sub directory
{
	my ($self, $name) = @_;

	return $body + $directories + $directory_size * (region_number($name) - 1);
}

# All blocks of a region in order
sub region
{
	my ($self, $name) = @_;

	my @blocks = $name eq 'meta' ? (0) : ();

	return @blocks if $name eq 'meta';
	my ($npages, $nextents, @extents) =
	  $self->at($self->directory($name), 'L' x 290);

	for (1 .. $nextents)
	{
		my ($start, $n) = splice(@extents, 0, 2);
		push @blocks, $start .. $start + $n - 1;
	}
	return @blocks;
}

# Position of a page of a region
sub page
{
	my ($self, $name, $page_no) = @_;

	return $self->block(($self->region($name))[$page_no]);
}

# pd_lower and pd_upper of the page at a position
sub bounds
{
	my ($self, $page, @bounds) = @_;

	$self->put($page + 12, 'SS', @bounds) if @bounds;
	return $self->at($page + 12, 'SS');
}

# Nodes

sub node_page
{
	my ($self, $point) = @_;

	return $self->page('nodes', int($point / $self->meta('nodes_per_page')));
}

sub node_position
{
	my ($self, $point) = @_;

	return $self->node_page($point) + $body +
	  $node_size * ($point % $self->meta('nodes_per_page'));
}

# node(POINT, NAME, [VALUES])
sub node
{
	my ($self, $point, $name, @values) = @_;
	my ($offset, $template) = @{ $node_numbers{$name} };
	my $position = $self->node_position($point) + $offset;

	$self->put($position, $template, @values) if @values;
	return $self->at($position, $template);
}

# Length of the variable part; set, there is no slack behind it
sub var_length
{
	my ($self, $point, $length) = @_;

	$self->node($point, 'var_size', $length) if defined $length;
	return $self->node($point, 'var_size') & 0x7FF;
}

sub level { return $_[0]->node($_[1], 'info') & 15; }

sub has_flag
{
	my ($self, $point, $flag) = @_;

	return ($self->node($point, 'info') & $FLAGS{$flag}) != 0;
}

# Position of the variable part
sub var_position
{
	my ($self, $point) = @_;

	return $self->node_page($point) + $self->node($point, 'var_offset');
}

sub var
{
	my ($self, $point) = @_;

	return substr(
		$self->{bytes},
		$self->var_position($point),
		$self->var_length($point));
}

# Gives a node another variable part, in the free space of its page.  False
# when there is no room.
sub set_var
{
	my ($self, $point, $var) = @_;
	my $page = $self->node_page($point);
	my ($lower, $upper) = $self->bounds($page);

	return 0 if $upper - length($var) < $lower;
	$upper -= length($var);
	$self->bounds($page, $lower, $upper);
	$self->put($page + $upper, 'a*', $var);
	$self->node($point, 'var_offset', $upper);
	$self->var_length($point, length($var));
	return 1;
}

# The first point with a property
sub find
{
	my ($self, $what, $from) = @_;

	for my $point (($from // 0) .. $self->meta('npoints') - 1)
	{
		return $point if $what->($point);
	}
	die 'no point is like that';
}

# What stands before the links in the variable part, and the links of a plain
# list
sub split_var
{
	my ($self, $point) = @_;
	my $before = ($self->level($point) > 0 ? 4 : 0) +
	  ($self->has_flag($point, 'more_tids') ? 6 : 0);
	my $var = $self->var($point);

	return (substr($var, 0, $before), unpack('L*', substr($var, $before)));
}

sub set_links
{
	my ($self, $point, @links) = @_;
	my ($before) = $self->split_var($point);

	return $self->set_var($point, $before . pack('L*', @links));
}

# Upper slots

sub first_slot
{
	my ($self, $point) = @_;

	return unpack('L', $self->var($point));
}

# Position of a slot: point L, level C, nlinks C, S, links L*
sub slot
{
	my ($self, $slot) = @_;
	my $size = 8 + 4 * $self->meta('m');
	my $per_page = int(($self->{block_size} - $body) / $size);

	return $self->page('upper levels', int($slot / $per_page)) + $body +
	  $size * ($slot % $per_page);
}

# Overflow

# Position of the first list of heap rows of a point: a pointer SSS to the
# next, how many S, heap rows SSS each
sub tid_list
{
	my ($self, $point) = @_;
	my ($before) = $self->split_var($point);

	return $self->item(unpack('SSS', substr($before, -6)));
}

# Position of the entry for an item in its page: offset S, length S
sub item_entry
{
	my ($self, $high, $low, $item) = @_;

	return $self->page('overflow', $high << 16 | $low) + $body +
	  4 * ($item - 1);
}

sub item
{
	my ($self, $high, $low, $item) = @_;
	my $entry = $self->item_entry($high, $low, $item);

	return $self->page('overflow', $high << 16 | $low) +
	  $self->at($entry, 'S');
}

# Adds an item to an overflow page; returns the pointer to it, or nothing.
sub add_item
{
	my ($self, $page_no, $item) = @_;
	my $page = $self->page('overflow', $page_no);
	my ($lower, $upper) = $self->bounds($page);

	return if $upper - $lower < length($item) + 4;
	$upper -= length($item);
	$self->put($page + $upper, 'a*', $item);
	$self->put($page + $lower, 'SS', $upper, length($item));
	$self->bounds($page, $lower + 4, $upper);
	return ($page_no >> 16, $page_no & 0xFFFF, ($lower + 4 - $body) / 4);
}

# Moves the links of a point to the overflow region, as a full page does.
sub move_links_away
{
	my ($self, $point) = @_;
	my ($before, @links) = $self->split_var($point);
	my $npages = () = $self->region('overflow');

	for my $page_no (0 .. $npages - 1)
	{
		my @where = $self->add_item($page_no, pack('L*', @links))
		  or next;
		$self->set_var($point, $before . pack('SSS', @where)) or return 0;
		$self->node($point, 'info',
			$self->node($point, 'info') | $FLAGS{links_away});
		return 1;
	}
	return 0;
}

1;
