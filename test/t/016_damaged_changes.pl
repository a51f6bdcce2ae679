# Damage that inserts and vacuums meet: they say what is wrong and come to an
# end, and what they write does not spread it.
#
# Each case has a table of its own, and all are damaged while the server is
# down.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswPages;
use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('damaged_changes',
	damaged => 1,
	settings => "fsync = off\nstatement_timeout = 20s\n"
	  . "shared_buffers = 1MB\n");
my $block_size = $node->safe_psql('postgres', 'SHOW block_size');

my @cases = qw(wrong_form wrong_metric no_ef high_ef);

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION vector_hnsw;
CREATE FUNCTION example(id int) RETURNS vector LANGUAGE sql IMMUTABLE AS
'SELECT array_agg((hashint8(id * 100000::bigint + i) & 1023) / 1024.0)::vector
 FROM generate_series(1, 8) i';
SQL

for my $name (@cases, 'open_index')
{
	$node->safe_psql('postgres',
		"CREATE TABLE $name (id int, v vector(8));
		 INSERT INTO $name SELECT i, example(i) FROM generate_series(1, 800) i;
		 CREATE INDEX ${name}_hnsw ON $name USING hnsw (v vector_l2_ops)
			WITH (m = 8, link_format = plain)");
}
my %path = map {
	$_ => $node->data_dir . '/'
	  . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${_}_hnsw')")
} @cases, 'open_index';

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

my %damage = (
	wrong_form => sub { $_[0]->meta('quantizer', 6) },
	wrong_metric => sub { $_[0]->meta('metric', 2) },
	no_ef => sub { $_[0]->meta('ef_construction', 0) },
	high_ef => sub { $_[0]->meta('ef_construction', 65535) },

	open_index => sub { });

$node->stop;
for my $name (sort keys %path)
{
	my $pages = pages_of($name);

	$damage{$name}->($pages);
	write_pages($name, $pages);
}
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

for my $name (@cases)
{
	for my $sql (insert($name, 1001, 1010), nearest($name),
		"DELETE FROM $name WHERE id % 3 = 0; VACUUM (INDEX_CLEANUP ON) $name")
	{
		my $error = try($sql);

		like($error, qr/ERROR:  XX002: metapage of index "${name}_hnsw" is corrupted.*$metapage{$name}/s,
			"$name: the metapage is found to be damaged");
	}
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

check_log($node);
$node->stop;
done_testing();
