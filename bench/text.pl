#!/usr/bin/env perl
#
# bench/text.pl
#	  Benchmark of the text form of values; bench/run --text calls it inside
#	  the Debian root.
#
# The input and output functions are called by SQL on the rows of a table.
# What a query costs that reads the same rows without calling them is
# subtracted.  Figures are CPU time of the server process, which it reads from
# /proc/self, and runs alternate between the contenders.

use strict;
use warnings;

use FindBin qw($RealBin);
use Getopt::Long qw(GetOptions);

use lib $RealBin;
use Bench;

my %opt = (
	'rows' => 2000,
	'rounds' => 7,
	'shared-buffers' => '512MB',
	'maintenance-work-mem' => '64MB');
GetOptions(
	\%opt, 'work=s', 'rows=i', 'rounds=i', 'keep-server',
	'shared-buffers=s', 'maintenance-work-mem=s') or exit 2;
$opt{cluster} = 'pgdata_text';

my $CPU = q{SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)};

my @contenders = (
	{ name => 'pgvector', db => 'text_pgvector', extension => 'vector' },
	{
		name => 'vector_hnsw',
		db => 'text_vector_hnsw',
		extension => 'vector_hnsw' });

# Values as SQL array expressions of a row number i
my @values = (
	[ 'vector', '768 floats', elements(768, 'random_normal(0, 0.036)') ],
	[
		'vector', '768 numbers of 4 decimals',
		elements(768, 'round(random_normal(0, 0.1)::numeric, 4)')
	],
	[
		'vector', '128 bytes',
		elements(128, 'least(255, abs(random_normal(0, 60)))::int')
	],
	[ 'halfvec', '768 floats', elements(768, 'random_normal(0, 0.036)') ],
	[
		'sparsevec', '150 of 30000 floats',
		elements(30000,
			'CASE WHEN random() < 0.005 THEN random_normal() ELSE 0 END')
	]);
my %times;

main();

# CASE keeps the subquery from being evaluated only once.
sub elements
{
	my ($dim, $element) = @_;

	return "(SELECT array_agg(($element)::real) FROM generate_series(1, $dim)"
	  . ' WHERE i IS NOT NULL)';
}

sub main
{
	bench_init(%opt);
	install_extension();
	start_server();
	make_tables();
	for my $round (1 .. $opt{rounds})
	{
		say_progress("round $round of $opt{rounds}");
		for my $c ($round % 2 ? @contenders : reverse @contenders)
		{
			measure($c, $_) for 0 .. $#values;
		}
	}
	report();
	publish_results();
	return;
}

# Both get the same texts, made by the first.
sub make_tables
{
	for my $c (@contenders)
	{
		say_progress("$c->{name}: making values");
		psql('postgres', "DROP DATABASE IF EXISTS $c->{db}",
			"CREATE DATABASE $c->{db}");
		psql($c->{db}, "CREATE EXTENSION $c->{extension}");
		for my $i (0 .. $#values)
		{
			my ($type, undef, $array) = @{ $values[$i] };

			psql(
				$c->{db}, "CREATE TABLE t$i (t text, v $type)",
				"ALTER TABLE t$i ALTER t SET STORAGE EXTERNAL",
				'SELECT setseed(0.5)',
				"INSERT INTO t$i SELECT v::text, v"
				  . " FROM (SELECT $array\::$type AS v"
				  . " FROM generate_series(1, $opt{rows}) i) s",
				"VACUUM (FREEZE) t$i");
		}
	}
	for my $i (0 .. $#values)
	{
		my @sums = map {
			psql($_->{db},
				"SELECT md5(string_agg(t || (v::text = t)::text, ''))"
				  . " FROM t$i")
		} @contenders;

		die "the extensions print different texts\n" if $sums[0] ne $sums[1];
	}
	return;
}

# Microseconds of CPU time for each value, beyond what a baseline takes
sub measure
{
	my ($c, $i) = @_;
	my $type = $values[$i][0];
	my $read = "SELECT count(textout(t)) FROM t$i";
	my $parse = "SELECT count(${type}_in(textout(t), 0, -1)) FROM t$i";
	my $dims = $type eq 'sparsevec' ? 'l2_norm' : 'vector_dims';
	my $fetch = "SELECT count($dims(v)) FROM t$i";
	my $print = "SELECT count(${type}_out(v)) FROM t$i";
	my @cpu;

	@cpu = grep { /^\d{7,}$/ } split /\n/,
	  psql($c->{db}, $parse, $print, map { ($CPU, $_) } $read,
		$parse, $fetch, $print, 'SELECT 1');
	die "expected 5 times, got @cpu\n" if @cpu != 5;
	my @spent = map { ($cpu[ $_ + 1 ] - $cpu[$_]) / $opt{rows} / 1000 } 0 .. 3;

	push @{ $times{ $c->{name} }{$i}{parse} }, $spent[1] - $spent[0];
	push @{ $times{ $c->{name} }{$i}{print} }, $spent[3] - $spent[2];
	return;
}

sub report
{
	my $text = "# Text form\n\n" . machine_line() . server_line(@contenders)
	  . "- Medians of $opt{rounds} rounds over $opt{rows} values,"
	  . " microseconds of CPU time per value\n\n"
	  . '| type | value | ';
	my $csv = "contender,type,value,operation,microseconds\n";

	$text .= join(' | ',
		map { my $what = $_; map { "$what, $_" } 'pgvector', 'vector_hnsw', 'ratio' }
		  qw(parse print)) . " |\n|---|---|" . '---|' x 6 . "\n";
	for my $i (0 .. $#values)
	{
		my ($type, $value) = @{ $values[$i] };

		$text .= "| $type | $value |";
		for my $what (qw(parse print))
		{
			my @medians =
			  map { median(@{ $times{ $_->{name} }{$i}{$what} }) } @contenders;

			$text .= sprintf ' %.2f | %.2f | %.1f |', @medians,
			  $medians[0] / $medians[1];
			for my $c (@contenders)
			{
				$csv .= sprintf "%s,%s,%s,%s,%.3f\n", $c->{name}, $type,
				  $value, $what, $_
				  for @{ $times{ $c->{name} }{$i}{$what} };
			}
		}
		$text .= "\n";
	}
	write_file("$results/summary.md", $text);
	write_file("$results/text.csv", $csv);
	return;
}
