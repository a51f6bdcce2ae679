#!/usr/bin/env perl
#
# bench/sparse.pl
#	  Benchmark of indexes of sparsevec; bench/run --sparse calls it inside the
#	  Debian root.
#
# The vectors are those of one data set of bytes, as sparse ones: an element
# that is large enough stands at an index that depends on its place and its
# height.  So there are neighbours as real as those of the set.  Indices may be
# few or many (12,900 or 129 million), as the two cost a search differently.
#
# All queries are one statement, and figures are CPU time of the server process,
# which it reads from /proc/self; runs alternate between the contenders.

use strict;
use warnings;

use FindBin qw($RealBin);
use Getopt::Long qw(GetOptions);

use lib $RealBin;
use Bench;
use Report qw(value_at);

my %opt = (
	'sets' => 'sift',
	'rows' => 50000,
	'queries' => 300,
	'ef' => '10,20,40,80,160,320',
	'rounds' => 5,
	'metric' => 'ip',
	'shared-buffers' => '2GB',
	'maintenance-work-mem' => '2GB');
GetOptions(
	\%opt, 'work=s', 'sets=s', 'rows=i', 'queries=i', 'ef=s', 'rounds=i',
	'metric=s', 'keep-server', 'shared-buffers=s', 'maintenance-work-mem=s')
  or exit 2;
$opt{cluster} = 'pgdata_sparse';

my $CPU = q{SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)};
my @TARGETS = (0.90, 0.95, 0.99);
my %OPERATORS = (l2 => '<->', ip => '<#>', cosine => '<=>', l1 => '<+>');
my $operator = $OPERATORS{ $opt{metric} } // die "no metric $opt{metric}\n";

# The forms of the set, by how far the indices of its elements are apart
my %forms = (narrow => 100, wide => 1000000);
my @contenders = (
	{ name => 'pgvector', db => 'sparse_pgvector', extension => 'vector' },
	{
		name => 'vector_hnsw',
		db => 'sparse_vector_hnsw',
		extension => 'vector_hnsw' });
my (%builds, %points);

main();

sub main
{
	bench_init(%opt);
	compile_client('load_vectors', 'load_vectors.c', 'vecs.c');
	install_extension();
	start_server();
	for my $c (@contenders)
	{
		make_tables($c);
		build($c, $_) for sort keys %forms;
	}
	psql('postgres', 'CHECKPOINT');
	for my $round (1 .. $opt{rounds})
	{
		say_progress("round $round of $opt{rounds}");
		for my $form (sort keys %forms)
		{
			for my $ef (split /,/, $opt{ef})
			{
				measure($_, $form, $ef)
				  for $round % 2 ? @contenders : reverse @contenders;
			}
		}
	}
	report();
	publish_results();
	return;
}

# Tables FORM (id, v), FORM_query (id, v, and the distance d of the tenth row)
sub make_tables
{
	my ($c) = @_;
	my ($set) = data_sets();
	my $log = "$results/load.log";

	say_progress("$c->{name}: making tables");
	psql('postgres', "DROP DATABASE IF EXISTS $c->{db}",
		"CREATE DATABASE $c->{db}");
	psql(
		$c->{db}, "CREATE EXTENSION $c->{extension}",
		map { "CREATE TABLE $_ (id int, embedding vector($set->{dim}))" }
		  qw(base query));
	run_logged($log, "$work/bin/load_vectors", conninfo($c->{db}), 'base',
		$set->{base}, $set->{rows});
	run_logged($log, "$work/bin/load_vectors", conninfo($c->{db}), 'query',
		$set->{query}, $opt{queries});
	for my $form (sort keys %forms)
	{
		my $dims = ($set->{dim} + 1) * $forms{$form};
		my $value =
		  "(SELECT format('{%s}/$dims', string_agg(format('%s:%s',"
		  . " 1 + i * $forms{$form} + (e / 64)::int, e), ','))::sparsevec"
		  . ' FROM unnest(embedding::real[]) WITH ORDINALITY u (e, i)'
		  . ' WHERE e >= 20)';

		psql(
			$c->{db},
			"CREATE TABLE $form (id int PRIMARY KEY, v sparsevec($dims))",
			"INSERT INTO $form SELECT id, $value FROM base",
			"ALTER TABLE $form SET (parallel_workers = 0)",
			"VACUUM (FREEZE, ANALYZE) $form",
			"CREATE TABLE ${form}_query AS SELECT id, $value AS v,"
			  . ' 0::float8 AS d FROM query',
			"UPDATE ${form}_query q SET d = (SELECT v $operator q.v FROM $form"
			  . ' ORDER BY 1 OFFSET 9 LIMIT 1)',
			"VACUUM (FREEZE, ANALYZE) ${form}_query");
	}
	$c->{elements} = psql($c->{db}, 'SELECT avg(l0.n)::int FROM (SELECT'
		  . " length(v::text) - length(replace(v::text, ':', '')) AS n"
		  . ' FROM narrow LIMIT 1000) l0');
	return;
}

sub build
{
	my ($c, $form) = @_;
	my @answers;

	say_progress("$c->{name}: building the index of $form");
	@answers = split /\n/, psql(
		$c->{db}, "SET maintenance_work_mem = '$opt{'maintenance-work-mem'}'",
		$CPU,
		"CREATE INDEX ${form}_hnsw ON $form USING hnsw"
		  . " (v sparsevec_$opt{metric}_ops)",
		$CPU, "SELECT pg_relation_size('${form}_hnsw') / 1e6");
	$builds{ $c->{name} }{$form} =
	  [ ($answers[1] - $answers[0]) / 1e9, $answers[2] ];
	return;
}

# The second time a session asks, all is in its caches.
sub measure
{
	my ($c, $form, $ef) = @_;
	my $search = "FROM ${form}_query q, LATERAL (SELECT v $operator q.v AS d"
	  . " FROM $form ORDER BY v $operator q.v LIMIT 10) n";
	my @answers = split /\n/, psql(
		$c->{db}, 'SET enable_seqscan = off', 'SET enable_sort = off',
		"SET hnsw.ef_search = $ef",
		"SELECT count(*) FILTER (WHERE n.d <= q.d) / (10.0 * $opt{queries})"
		  . " $search",
		$CPU, "SELECT count(*) $search", $CPU);
	my $point = $points{ $c->{name} }{$form}{$ef} //= { ef => $ef };

	die "not all rows came: @answers\n" if $answers[2] != 10 * $opt{queries};
	$point->{recall} = $answers[0];
	push @{ $point->{cpu} },
	  ($answers[3] - $answers[1]) / 1000 / $opt{queries};
	return;
}

sub curve
{
	my ($name, $form) = @_;
	my $by_ef = $points{$name}{$form};

	return map {
		{
			%{ $by_ef->{$_} },
			us => median(@{ $by_ef->{$_}{cpu} }),
			per_cpu => 1e6 / median(@{ $by_ef->{$_}{cpu} })
		}
	} sort { $a <=> $b } keys %$by_ef;
}

sub report
{
	my $text = "# Sparse vectors\n\n" . machine_line() . server_line(@contenders)
	  . "- $opt{rows} vectors, $contenders[0]{elements} elements on average,"
	  . " $opt{metric}; $opt{queries} queries, medians of $opt{rounds} rounds;"
	  . " microseconds of CPU time per query\n\n";
	my $csv = "contender,indices,ef,recall,microseconds\n";

	for my $form (sort keys %forms)
	{
		my %curves = map { $_->{name} => [ curve($_->{name}, $form) ] }
		  @contenders;

		$text .= "## $form: index $forms{$form} apart\n\n"
		  . '| contender | build, CPU s | MB | '
		  . join(' | ', map { "ef $_" } split /,/, $opt{ef})
		  . " |\n|---|---|---|"
		  . '---|' x (split /,/, $opt{ef}) . "\n";
		for my $name (map { $_->{name} } @contenders)
		{
			$text .= sprintf "| %s | %.1f | %.1f | %s |\n", $name,
			  @{ $builds{$name}{$form} },
			  join ' | ',
			  map { sprintf '%.4f: %.0f', $_->{recall}, $_->{us} }
			  @{ $curves{$name} };
			for my $p (@{ $curves{$name} })
			{
				$csv .= join(',', $name, $form, @$p{qw(ef recall us)}) . "\n";
			}
		}
		$text .= "\nQueries per second of CPU at equal recall, ratio: ";
		$text .= join('; ',
			map { ratio_text($_, @curves{qw(pgvector vector_hnsw)}) } @TARGETS)
		  . "\n\n";
	}
	write_file("$results/summary.md", $text);
	write_file("$results/sparse.csv", $csv);
	return;
}

sub ratio_text
{
	my ($target, $theirs, $ours) = @_;
	my @values = map { (value_at('per_cpu', $target, @$_))[0] } $theirs, $ours;

	return "$target not reached" if grep { !defined } @values;
	return sprintf '%.2f: %.1f', $target, $values[1] / $values[0];
}
