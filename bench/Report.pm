# bench/Report.pm
#	  Tables, CSV files and pictures of the benchmark of queries.
#
# What is reported is one hash: the options, the data sets and contenders,
# builds, runs and notes.  Runs fall into series: those of one data set, number
# of rows asked for, number of clients, and state of the server's memory.

package Report;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max min uniq);

use Bench;

our @EXPORT = qw(report);
our @EXPORT_OK = qw(value_at);

my @TARGETS = (0.90, 0.95, 0.99);
my $NOISY_WAIT = 5;    # percent of a run the server waited for a CPU
my $NOISY_SPREAD = 0.2;    # (max - min) / median of a run's QPS

# How the server's memory was, by the name in the CSV
my %STATES = (
	ample => 'all in memory',
	quarter => "shared_buffers a quarter of vector_hnsw's index",
	cold => 'cold start: the server begun anew, nothing in memory');

my ($opt, $sets, $contenders, $builds, $runs, $notes);

sub report
{
	my ($all) = @_;

	($opt, $sets, $contenders, $builds, $runs, $notes) =
	  @{$all}{qw(opt sets contenders builds runs notes)};
	write_csv();
	open my $f, '>', "$results/summary.md" or die "summary.md: $!\n";
	report_head($f);
	for my $set (@$sets)
	{
		printf $f "\n## %s: %d x %d, %s\n", $set->{name}, $set->{rows},
		  $set->{dim}, $opt->{metric};
		report_builds($f, $set);
		report_series($f, $_) for series_of($set);
	}
	close $f;
	publish_results();
	return;
}

# The series of a data set, in the order they were run
sub series_of
{
	my ($set) = @_;

	return map {
		my ($state, $k, $clients) = split /,/;
		{ set => $set, state => $state, k => $k, clients => $clients }
	} uniq map { "$_->{state},$_->{k},$_->{clients}" }
	  grep { $_->{set} == $set } @$runs;
}

sub report_series
{
	my ($f, $series) = @_;
	my @names = grep { curve($series, $_) } map { $_->{name} } @$contenders;

	printf $f "\n### %s, k %d, %s: %s\n", $series->{set}{name},
	  $series->{k},
	  $series->{clients} == 1 ? 'one client' : "$series->{clients} clients",
	  $STATES{ $series->{state} };
	report_curves($f, $series, @names);
	return if $opt->{rows} || $series->{state} eq 'cold';
	report_equal_recall($f, $series, @names);
	plot($f, $series, @names) if $opt->{plots};
	return;
}

# Medians over the rounds of one contender, as points by rising ef.
sub curve
{
	my ($series, $name) = @_;
	my %by_ef;

	for my $r (@$runs)
	{
		push @{ $by_ef{ $r->{ef} } }, $r
		  if $r->{set} == $series->{set}
		  && $r->{state} eq $series->{state}
		  && $r->{k} == $series->{k}
		  && $r->{clients} == $series->{clients}
		  && $r->{name} eq $name;
	}
	my @points;
	for my $ef (sort { $a <=> $b } keys %by_ef)
	{
		my @list = @{ $by_ef{$ef} };
		my %p = (ef => $ef);

		for my $key (qw(recall qps p50 p95 p99 cpu waited))
		{
			my @values = grep { defined && length } map { $_->{$key} } @list;
			$p{$key} = @values ? median(@values) : undef;
		}
		$p{per_cpu} = 1e6 / $p{cpu} if $p{cpu};
		my @qps = map { $_->{qps} } @list;
		$p{noisy} = ($p{waited} // 0) > $NOISY_WAIT
		  || (max(@qps) - min(@qps)) / $p{qps} > $NOISY_SPREAD;
		push @points, \%p;
	}
	return @points;
}

# Value (qps or per_cpu) where a curve crosses a recall: its logarithm is
# taken as linear in log(1 - recall) between the neighbouring points.  A curve
# that begins above the recall gives its first point, marked as a lower bound.
sub value_at
{
	my ($key, $target, @points) = @_;
	my $previous;

	return if grep { !defined $_->{$key} } @points;

	for my $p (@points)
	{
		if ($p->{recall} >= $target)
		{
			return ($p->{$key}, $p->{recall} > $target) if !$previous;
			my ($x0, $x1, $x) =
			  map { log(max(1 - $_, 1e-6)) }
			  $previous->{recall}, $p->{recall}, $target;
			my $share = $x1 == $x0 ? 1 : ($x - $x0) / ($x1 - $x0);
			return exp(log($previous->{$key}) * (1 - $share) +
				  log($p->{$key}) * $share);
		}
		$previous = $p;
	}
	return;
}

sub write_csv
{
	open my $f, '>', "$results/queries.csv" or die "queries.csv: $!\n";
	print $f 'set,contender,state,clients,ef,k,round,queries,recall,qps,mean_us,'
	  . "p50_us,p90_us,p95_us,p99_us,max_us,cpu_us,waited_pct\n";
	for my $r (@$runs)
	{
		my @fields = split /,/, $r->{line}, -1;
		$fields[3] = $r->{round};
		print $f join(',', $r->{set}{name}, $r->{name}, $r->{state}, @fields),
		  "\n";
	}
	close $f;
	open $f, '>', "$results/builds.csv" or die "builds.csv: $!\n";
	print $f "set,contender,workers,maintenance_work_mem,seconds,bytes,bytes_per_vector,"
	  . "wal_bytes,peak_bytes\n";
	for my $b (@$builds)
	{
		printf $f "%s,%s,%d,%s,%.2f,%d,%.1f,%d,%d\n", $b->{set}{name},
		  $b->{name}, $b->{workers}, $b->{memory}, $b->{seconds}, $b->{bytes},
		  $b->{bytes} / $b->{set}{rows}, $b->{wal}, $b->{peak};
	}
	close $f;
	return;
}

sub report_head
{
	my ($f) = @_;
	my @servers = grep { $_->{db} && !$_->{of} } @$contenders;

	print $f "# Benchmark of $stamp\n\n", machine_line();
	print $f server_line(@servers),
	  '- One prepared statement, binary parameter and results, Unix socket;'
	  . " enable_seqscan = off\n"
	  if @servers;
	print $f "- hnswlib: float32, compiled with -O3 -march=native\n"
	  if grep { $_->{name} eq 'hnswlib' } @$contenders;
	print $f "- All: m 16, ef_construction 64;"
	  . " medians of $opt->{rounds} interleaved rounds of queries,"
	  . " $opt->{'build-rounds'} of builds\n";
	print $f "- Settings: $_\n" for @{ $opt->{set} };
	print $f "- ~ marks noise: the server waited for a CPU more than"
	  . " $NOISY_WAIT % of the run, or rounds differ by more than "
	  . 100 * $NOISY_SPREAD . " %\n";
	print $f "- $_\n" for @$notes;
	return;
}

sub report_builds
{
	my ($f, $set) = @_;

	print $f "\n| build | processes | maintenance_work_mem | seconds | MB | bytes per vector |"
	  . " WAL MB | peak memory MB |\n|---|---|---|---|---|---|---|---|\n";
	for my $b (grep { $_->{set} == $set } @$builds)
	{
		printf $f "| %s | %d | %s | %.1f | %.1f | %.0f | %.0f | %.0f |\n",
		  $b->{name}, $b->{workers} + 1, $b->{memory}, $b->{seconds},
		  $b->{bytes} / 2**20,
		  $b->{bytes} / $set->{rows}, $b->{wal} / 2**20, $b->{peak} / 2**20;
	}
	return;
}

sub report_curves
{
	my ($f, $series, @names) = @_;

	print $f "\n| contender | ef | recall\@$series->{k} | QPS |"
	  . " p50 us | p95 us | p99 us | server CPU us |\n"
	  . "|---|---|---|---|---|---|---|---|\n";
	for my $name (@names)
	{
		for my $p (curve($series, $name))
		{
			printf $f "| %s | %d | %s | %.0f%s | %.0f | %.0f | %.0f | %s |\n",
			  $name, $p->{ef},
			  $opt->{rows} ? '-' : sprintf('%.4f', $p->{recall}), $p->{qps},
			  $p->{noisy} ? ' ~' : '', $p->{p50}, $p->{p95}, $p->{p99},
			  defined $p->{cpu} ? sprintf('%.0f', $p->{cpu}) : '-';
		}
	}
	return;
}

# What the contenders reach at equal recall, and how many times pgvector's
# figure that is.  The ratio by server CPU time leaves out what a busy machine
# does to the clock, and the client and socket with it.
sub report_equal_recall
{
	my ($f, $series, @names) = @_;
	my %curves = map { $_ => [ curve($series, $_) ] } @names;
	my @others =
	  $curves{pgvector} ? grep { $_ ne 'pgvector' } @names : ();

	print $f "\nEqual recall, QPS by interpolation\n\n";
	print $f '| recall | ',
	  join(' | ', @names, map { ("$_ / pgvector", 'by CPU') } @others),
	  " |\n|", '---|' x (1 + @names + 2 * @others), "\n";
	for my $target (@TARGETS)
	{
		my @cells;

		for my $name (@names)
		{
			my ($value, $bound) =
			  value_at('qps', $target, @{ $curves{$name} });

			push @cells,
			  defined $value
			  ? sprintf('%s%.0f', $bound ? '>= ' : '', $value)
			  : 'not reached';
		}
		for my $name (@others)
		{
			for my $key (qw(qps per_cpu))
			{
				my ($ours) = value_at($key, $target, @{ $curves{$name} });
				my ($theirs) =
				  value_at($key, $target, @{ $curves{pgvector} });

				push @cells, defined $ours && defined $theirs
				  ? sprintf('%.2f', $ours / $theirs)
				  : '-';
			}
		}
		printf $f "| %.2f | %s |\n", $target, join ' | ', @cells;
	}
	return;
}

# The picture of the field: recall against queries per second
sub plot
{
	my ($f, $series, @names) = @_;
	my $base = join '-', $series->{set}{name}, "k$series->{k}",
	  "c$series->{clients}", $series->{state};
	my @lines = map { "'-' using 1:2 title '$_' with linespoints" } @names;
	my $script = <<"GNUPLOT";
set terminal pngcairo size 900,600
set output '$results/$base.png'
set title '$series->{set}{name}: $series->{set}{rows} x $series->{set}{dim}, clients $series->{clients}, $STATES{$series->{state}}' noenhanced
set xlabel 'recall\@$series->{k}' noenhanced
set ylabel 'queries per second'
set logscale y
set grid
set key noenhanced
GNUPLOT

	$script =~ s/vector_hnsw's/vector_hnsw''s/;
	$script .= 'plot ' . join(', ', @lines) . "\n";
	for my $name (@names)
	{
		$script .= "$_->{recall} $_->{qps}\n" for curve($series, $name);
		$script .= "e\n";
	}
	write_file("$results/$base.gnuplot", $script);
	run_logged("$results/plot.log", 'gnuplot', "$results/$base.gnuplot");
	print $f "\n![recall against QPS]($base.png)\n";
	return;
}

1;
