# The reference names all that the extension adds to a database, with its
# defaults and ranges, and the columns of the inspection functions.  The SQL of
# README.md runs, and links between documents lead somewhere.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $reference = slurp_file("$top/docs/reference.md");

# A bar within a table is written with a backslash
$reference =~ s/\\\|/|/g;

my %code = map { $_ => 1 } $reference =~ /`([^`\n]+)`/g;
my @lines = split /\n/, $reference;

my $node = new_node('docs');
$node->safe_psql('postgres', 'CREATE EXTENSION vector_hnsw');

# Objects of a catalog that belong to the extension, by the query's column
sub members
{
	my ($catalog, $column) = @_;

	return split /\n/, $node->safe_psql('postgres',
		"SELECT DISTINCT $column FROM $catalog c
		 JOIN pg_depend d ON d.classid = '$catalog'::regclass AND d.objid = c.oid
		 JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass
			AND d.refobjid = e.oid
		 WHERE d.deptype = 'e' AND e.extname = 'vector_hnsw' ORDER BY 1");
}

sub all_named
{
	my ($what, $pattern, @names) = @_;
	my @missing =
	  grep { my $regex = $pattern->($_); !grep { /$regex/ } keys %code } @names;

	cmp_ok(scalar(@names), '>', 0, "there are $what");
	is("@missing", '', "all $what are in docs/reference.md");
	return;
}

# A line of a table that begins with the name
sub row
{
	my ($name) = @_;
	my ($row) = grep { /^\| `\Q$name\E` \|/ } @lines;

	return $row // '';
}

my $whole = sub { my ($name) = @_; qr/^\Q$name\E$/ };
my $word = sub { my ($name) = @_; qr/^\Q$name\E(?:$|\()/ };

# From PostgreSQL 17 on array types are members, too
all_named('types', $whole, grep { !/^_/ } members('pg_type', 'typname'));
all_named('access methods', $whole, members('pg_am', 'amname'));
all_named('functions', $word, members('pg_proc', 'proname'));
all_named('operators', $whole, members('pg_operator', 'oprname'));
all_named('operator classes', $whole, members('pg_opclass', 'opcname'));
all_named('sources of casts',
	$whole, members('pg_cast', 'castsource::regtype'));
all_named('targets of casts',
	$whole, members('pg_cast', 'casttarget::regtype'));

# Settings, with default and range
my $settings = $node->safe_psql('postgres',
	"LOAD 'vector_hnsw';
	 SELECT name, boot_val, coalesce(min_val, ''), coalesce(max_val, ''),
		array_to_string(enumvals, ' ')
	 FROM pg_settings WHERE name LIKE 'hnsw.%'");
for my $setting (split /\n/, $settings)
{
	my ($name, $default, $min, $max, $values) = split /\|/, $setting, -1;
	my $row = row($name);

	like($row, qr/\| `?\Q$default\E`? \|/, "$name: default $default");
	like($row, qr/\| \Q$min\E to \Q$max\E \|/, "$name: $min to $max")
	  if $min ne '';
	like($row, qr/`\Q$_\E`/, "$name: value $_") for split / /, $values;
}

# Storage parameters: their names stand in the source alone, the server tells
# the ranges
my $source = slurp_file("$top/src/am/options.c");
my @options = $source =~ /add_\w+_reloption\(hnsw_relopt_kind, "(\w+)"/g;

all_named('storage parameters', $whole, @options);
$node->safe_psql('postgres', 'CREATE TABLE t (v vector(2))');
for my $option (@options)
{
	my (undef, undef, $error) = $node->psql('postgres',
		"CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH ($option = '-1')");
	my ($detail) = $error =~ /DETAIL:  (.*)/;
	my @values = ($detail // '') =~ /"([^"]+)"/g;
	my $row = row($option);

	isnt($row, '', "$option has a line of its own");
	if (($detail // '') =~ /between/)
	{
		like($row, qr/\| $values[0] to $values[1]\b/, "$option: @values");
	}
	else
	{
		like($row, qr/`\Q$_\E`/, "$option: value $_") for @values;
	}
}

# Columns of the inspection functions
my $columns = $node->safe_psql('postgres',
	"SELECT proname || ' ' || string_agg(name, ' ' ORDER BY i)
	 FROM pg_proc, unnest(proargnames, proargmodes) WITH ORDINALITY
		u (name, mode, i)
	 WHERE proname LIKE 'hnsw%' AND mode = 'o' GROUP BY proname");
for my $function (split /\n/, $columns)
{
	my ($name, @expected) = split / /, $function;
	my ($section) = $reference =~ /^### `$name\(.*?\n(.*?)^##/ms;
	my %documented = map { $_ => 1 }
	  map { /`(\w+)`/g } ($section // '') =~ /^\| (`[^|]*) \|/mg;

	is( join(' ', sort keys %documented),
		join(' ', sort @expected),
		"$name: columns");
}

# Metrics, by the names that operator classes have
for my $metric (sort map { /^[a-z]+_(\w+)_ops$/ } members('pg_opclass', 'opcname'))
{
	like(row('metric'), qr/`$metric`/, "hnsw_index_info: metric $metric");
}

# The example of README.md
my ($example) = slurp_file("$top/README.md") =~ /^```sql\n(.*?)^```/ms;

$node->safe_psql('postgres', 'DROP EXTENSION vector_hnsw CASCADE');
my (undef, undef, $error) =
  $node->psql('postgres', $example, on_error_stop => 1);
is($error, '', 'the example of README.md runs');

# Files and headings that the documents point to
sub anchors
{
	my ($file) = @_;
	my %anchors;

	for my $heading (slurp_file($file) =~ /^#+ (.*)/mg)
	{
		my $anchor = lc $heading;

		$anchor =~ s/[^\w\- ]//g;
		$anchor =~ tr/ /-/;
		$anchors{$anchor} = 1;
	}
	return \%anchors;
}

for my $file ('README.md', 'docs/guide.md', 'docs/reference.md',
	'docs/format.md', 'docs/migrating.md')
{
	my ($directory) = "$top/$file" =~ m{^(.*/)};
	my @missing;

	for my $link (slurp_file("$top/$file") =~ /\]\(([^)]+)\)/g)
	{
		my ($path, $anchor) = split /#/, $link;
		my $target = $path eq '' ? "$top/$file" : "$directory$path";

		push @missing, $link
		  unless -e $target
		  && (!defined $anchor || anchors($target)->{$anchor});
	}
	is("@missing", '', "$file: links lead somewhere");
}

check_log($node);
$node->stop;
done_testing();
