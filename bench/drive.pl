#!/usr/bin/env perl
#
# bench/drive.pl
#	  The benchmark itself; bench/run calls it inside the Debian root.
#
# One server holds two databases, one with each extension, because both own
# the names "vector", "hnsw" and "hnsw.*".  Data, options and queries are the
# same on both sides, and all runs alternate between the contenders, so that
# whatever disturbs the machine disturbs both.

use strict;
use warnings;

use FindBin qw($RealBin);
use Getopt::Long qw(GetOptions);
use List::Util qw(max min sum);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use lib $RealBin;
use Bench;

my %opt = (
	'ef' => '10,20,40,60,80,100,120,160,200,320,400,600,800',
	'k' => 10,
	'rounds' => 3,
	'clients' => '1',
	'queries' => 0,
	'rows' => 0,
	'shared-buffers' => '2GB',
	'maintenance-work-mem' => '2GB',
	'build-workers' => '1',
	'metric' => 'l2',
	'set' => []);
GetOptions(
	\%opt, 'work=s', 'sets=s', 'only=s', 'with-hnswlib', 'rerank-off',
	'reuse', 'keep-server', 'metric=s', 'ef=s', 'k=i', 'rounds=i',
	'clients=s', 'queries=i', 'rows=i', 'shared-buffers=s',
	'maintenance-work-mem=s', 'build-workers=s', 'set=s@') or exit 2;

my %METRICS = (
	l2 => [ 'vector_l2_ops', '<->' ],
	ip => [ 'vector_ip_ops', '<#>' ],
	cosine => [ 'vector_cosine_ops', '<=>' ]);
my @TARGETS = (0.90, 0.95, 0.99);
my $NOISY_WAIT = 5;    # percent of a run the server waited for a CPU
my $NOISY_SPREAD = 0.2;    # (max - min) / median of a run's QPS

my $metric = $METRICS{ $opt{metric} } // die "no metric $opt{metric}\n";
my (@builds, @runs, @notes);

main();

sub main
{
	bench_init(%opt);

	my @contenders = contenders();
	my @sets = data_sets();

	compile_clients();
	install_extension() if grep { $_->{name} eq 'vector_hnsw' } @contenders;
	if (grep { $_->{db} } @contenders)
	{
		start_server();
		prepare_database($_) for grep { $_->{db} } @contenders;
	}
	for my $set (@sets)
	{
		build_set($_, $set) for grep { !$_->{of} } @contenders;
	}
	psql('postgres', 'CHECKPOINT') if grep { $_->{db} } @contenders;
	for my $set (@sets)
	{
		measure_set($set, $_, @contenders) for split /,/, $opt{clients};
	}
	report(\@sets, \@contenders);
	if ($opt{'keep-server'})
	{
		say_progress("server at $socket; press Enter to end");
		<STDIN>;
	}
	return;
}

# Who takes part.  One with "of" queries the database of another.
sub contenders
{
	my %all = (
		pgvector =>
		  { name => 'pgvector', db => 'bench_pgvector', extension => 'vector' },
		vector_hnsw => {
			name => 'vector_hnsw',
			db => 'bench_vector_hnsw',
			extension => 'vector_hnsw' },
		hnswlib => { name => 'hnswlib' });
	my @names =
	  $opt{only} ? ($opt{only})
	  : ('pgvector', 'vector_hnsw', $opt{'with-hnswlib'} ? 'hnswlib' : ());
	my @list = map { $all{$_} } @names;

	push @list,
	  {
		name => 'vector_hnsw rerank=off',
		db => 'bench_vector_hnsw',
		of => 'vector_hnsw',
		settings => ['hnsw.rerank=off'] }
	  if $opt{'rerank-off'} && grep { $_ eq 'vector_hnsw' } @names;
	die "hnswlib is compared by l2 only\n"
	  if $opt{metric} ne 'l2' && grep { $_ eq 'hnswlib' } @names;
	return @list;
}

sub compile_clients
{
	compile_client('query_bench', 'query_bench.c', 'vecs.c');
	compile_client('load_vectors', 'load_vectors.c', 'vecs.c');
	return if !$opt{'with-hnswlib'} && ($opt{only} // '') ne 'hnswlib';

	my $log = "$results/compile.log";
	my $dir = "$source/bench";

	run_logged($log, 'gcc', '-O2', '-c', '-o', "$work/bin/vecs.o",
		"$dir/vecs.c");
	run_logged(
		$log, 'g++', '-O3', '-march=native', '-o', "$work/bin/hnswlib_bench",
		"$dir/hnswlib_bench.cpp", "$work/bin/vecs.o", '-lpthread');
	return;
}

# A database with the contender's extension and the account of its builds.
# Only pgvector's is kept from one run to the next: it does not change.
sub prepare_database
{
	my ($c) = @_;
	my $exists = psql('postgres',
		"SELECT 1 FROM pg_database WHERE datname = '$c->{db}'");

	return if $c->{of};
	return if $exists && $opt{reuse} && $c->{name} eq 'pgvector';
	psql('postgres', "DROP DATABASE IF EXISTS $c->{db}",
		"CREATE DATABASE $c->{db}");
	psql(
		$c->{db},
		"CREATE EXTENSION $c->{extension}",
		'CREATE EXTENSION pg_prewarm',
		'CREATE TABLE bench_builds (set_name text, row_count int,'
		  . ' metric text, workers int, seconds float8, bytes bigint,'
		  . ' wal bigint, peak bigint)');
	return;
}

sub build_set
{
	my ($c, $set) = @_;

	return build_hnswlib($c, $set) if !$c->{db};

	my $where = "set_name = '$set->{name}' AND row_count = $set->{rows}"
	  . " AND metric = '$opt{metric}'";
	my $columns = 'workers, seconds, bytes, wal, peak';
	my $old = psql($c->{db},
		"SELECT $columns FROM bench_builds WHERE $where ORDER BY ctid");
	if ($old ne '')
	{
		for my $line (split /\n/, $old)
		{
			my %b;
			@b{qw(workers seconds bytes wal peak)} = split /\|/, $line;
			push @builds, { %b, set => $set, name => $c->{name} };
		}
		psql($c->{db}, "SELECT pg_prewarm('$set->{name}.items')",
			"SELECT pg_prewarm('$set->{name}.items_embedding_idx')");
		push @notes, "$set->{name}: $c->{name}'s index and build figures "
		  . 'are those of an earlier run (--reuse)';
		return;
	}
	load_table($c, $set);
	for my $workers (split /,/, $opt{'build-workers'})
	{
		my $b = build_index($c, $set, $workers);

		push @builds, $b;
		psql($c->{db},
			"INSERT INTO bench_builds VALUES ('$set->{name}', $set->{rows},"
			  . " '$opt{metric}', $workers, $b->{seconds}, $b->{bytes},"
			  . " $b->{wal}, $b->{peak})");
	}
	return;
}

sub load_table
{
	my ($c, $set) = @_;
	my $table = "$set->{name}.items";
	my $start = time;

	psql(
		$c->{db},
		"DROP SCHEMA IF EXISTS $set->{name} CASCADE",
		"DELETE FROM bench_builds WHERE set_name = '$set->{name}'",
		"CREATE SCHEMA $set->{name}",
		"CREATE TABLE $table (id int, embedding vector($set->{dim}))");
	run_logged("$results/load.log", "$work/bin/load_vectors",
		conninfo($c->{db}), $table, $set->{base}, $set->{rows});
	psql($c->{db}, "ALTER TABLE $table ADD PRIMARY KEY (id)",
		"VACUUM (ANALYZE) $table", 'CHECKPOINT');
	say_progress(
		sprintf '%s %s: loaded %d x %d in %.1f s',
		$set->{name}, $c->{name}, $set->{rows}, $set->{dim}, time - $start);
	return;
}

# Build the index with default options.  The table's parallel_workers is set
# so that the size of the heap, most of which may be TOAST, does not decide
# how many workers the planner grants.
sub build_index
{
	my ($c, $set, $workers) = @_;
	my $table = "$set->{name}.items";
	my $index = "$set->{name}.items_embedding_idx";
	my $label = "$set->{name} $c->{name}: index with $workers workers";
	my $shm_before = shm_bytes();
	my $peak = 0;

	psql(
		$c->{db},
		"DROP INDEX IF EXISTS $index",
		"ALTER TABLE $table SET (parallel_workers = $workers)",
		'CHECKPOINT');
	my $lsn = psql($c->{db}, 'SELECT pg_current_wal_insert_lsn()');
	local $ENV{PGOPTIONS} =
	    "-c maintenance_work_mem=$opt{'maintenance-work-mem'}"
	  . " -c max_parallel_maintenance_workers=$workers";
	my $log = "$results/build.log";
	my $start = time;
	my $pid = fork // die "fork: $!\n";
	if (!$pid)
	{
		open STDERR, '>>', $log or die "$log: $!\n";
		exec psql_command($c->{db},
			"CREATE INDEX items_embedding_idx ON $table"
			  . " USING hnsw (embedding $metric->[0])");
	}
	my $polls = 0;
	while (waitpid($pid, WNOHANG) == 0)
	{
		sleep 0.1;
		$peak = max($peak, build_memory() + shm_bytes() - $shm_before);
		show_build_progress($c, $label) if ++$polls % 50 == 0;
	}
	my $seconds = time - $start;
	die "$label: failed, see build.log\n" if $?;

	my $wal = psql($c->{db},
		"SELECT pg_current_wal_insert_lsn() - '$lsn'::pg_lsn");
	my $bytes = psql($c->{db}, "SELECT pg_relation_size('$index')");
	say_progress(
		sprintf '%s: %.1f s, %.1f MB, %.0f bytes per vector',
		$label, $seconds, $bytes / 2**20, $bytes / $set->{rows});
	return {
		set => $set,
		name => $c->{name},
		workers => $workers,
		seconds => $seconds,
		bytes => $bytes,
		wal => $wal,
		peak => $peak };
}

sub show_build_progress
{
	my ($c, $label) = @_;
	my $line = psql($c->{db},
		"SELECT phase, tuples_done, tuples_total"
		  . ' FROM pg_stat_progress_create_index LIMIT 1');

	say_progress("$label: " . join ' ', split /\|/, $line) if $line;
	return;
}

# Private memory of the processes at work on an index.
sub build_memory
{
	my $bytes = 0;

	for my $dir (glob '/proc/[0-9]*')
	{
		my $title = slurp("$dir/cmdline");
		next
		  if $title !~ /^postgres: .*CREATE INDEX/
		  && $title !~ /^postgres: parallel worker/;
		$bytes += 1024 * $1 if slurp("$dir/status") =~ /^RssAnon:\s+(\d+)/m;
	}
	return $bytes;
}

# Memory of shared segments made since; the server's main one is not here.
sub shm_bytes
{
	return sum(0, map { 512 * ((stat $_)[12] // 0) } glob '/dev/shm/*');
}

sub build_hnswlib
{
	my ($c, $set) = @_;

	for my $workers (split /,/, $opt{'build-workers'})
	{
		my $threads = $workers + 1;
		my @command = (
			"$work/bin/hnswlib_bench", 'build', $set->{base},
			"$work/$set->{name}.hnswlib", 16, 64, $threads);

		open my $f, '-|', @command or die "hnswlib_bench: $!\n";
		my $line = <$f> // '';
		close $f or die "hnswlib_bench failed\n";
		chomp $line;
		my ($seconds, $bytes, $peak) = split /,/, $line;
		say_progress(
			sprintf '%s hnswlib: index with %d threads: %.1f s, %.1f MB',
			$set->{name}, $threads, $seconds, $bytes / 2**20);
		push @builds,
		  {
			set => $set,
			name => $c->{name},
			workers => $workers,
			seconds => $seconds,
			bytes => $bytes,
			wal => 0,
			peak => 1024 * $peak };
	}
	return;
}

sub measure_set
{
	my ($set, $clients, @contenders) = @_;
	my @efs = grep { $_ >= $opt{k} && $_ <= 1000 } split /,/, $opt{ef};

	for my $round (1 .. $opt{rounds})
	{
		say_progress("$set->{name}, clients $clients: "
			  . "round $round of $opt{rounds}");
		for my $ef (@efs)
		{
			my @order = $round % 2 ? @contenders : reverse @contenders;

			measure_once($set, $clients, $round, $ef, $_) for @order;
		}
	}
	return;
}

sub measure_once
{
	my ($set, $clients, $round, $ef, $c) = @_;
	my @command;

	if ($c->{db})
	{
		my @settings =
		  ('enable_seqscan=off', @{ $c->{settings} // [] }, @{ $opt{set} });

		@command = (
			"$work/bin/query_bench",
			'--db' => conninfo($c->{db}),
			'--table' => "$set->{name}.items",
			'--operator' => $metric->[1],
			'--queries' => $set->{query},
			'--truth' => $set->{truth},
			'--k' => $opt{k},
			'--ef' => $ef,
			'--clients' => $clients,
			'--limit' => $opt{queries},
			(map { ('--set' => $_) } @settings));
	}
	else
	{
		@command = (
			"$work/bin/hnswlib_bench", 'query',
			"$work/$set->{name}.hnswlib", $set->{query},
			$set->{truth}, $opt{k},
			$ef, 1,
			$clients, 100,
			$opt{queries});
	}
	open my $f, '-|', @command or die "$command[0]: $!\n";
	my $line = <$f> // '';
	close $f or die "failed: @command\n";
	chomp $line;
	my %run;
	@run{
		qw(clients ef k round queries recall qps mean p50 p90 p95 p99 max
		  cpu waited)
	} = split /,/, $line;
	$run{round} = $round;
	push @runs, { %run, set => $set, name => $c->{name}, line => $line };
	return;
}

# Medians over the rounds of one contender, as points by rising ef.
sub curve
{
	my ($set, $clients, $name) = @_;
	my %by_ef;

	for my $r (@runs)
	{
		push @{ $by_ef{ $r->{ef} } }, $r
		  if $r->{set} == $set
		  && $r->{clients} == $clients
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

sub report
{
	my ($sets, $contenders) = @_;

	write_csv();
	open my $f, '>', "$results/summary.md" or die "summary.md: $!\n";
	report_head($f, $contenders);
	for my $set (@$sets)
	{
		printf $f "\n## %s: %d x %d, %s\n", $set->{name}, $set->{rows},
		  $set->{dim}, $opt{metric};
		report_builds($f, $set);
		for my $clients (split /,/, $opt{clients})
		{
			report_curves($f, $set, $clients, $contenders);
			report_equal_recall($f, $set, $clients, $contenders)
			  if !$opt{rows};
		}
	}
	close $f;
	publish_results();
	return;
}

sub write_csv
{
	open my $f, '>', "$results/queries.csv" or die "queries.csv: $!\n";
	print $f 'set,contender,clients,ef,k,round,queries,recall,qps,mean_us,'
	  . "p50_us,p90_us,p95_us,p99_us,max_us,cpu_us,waited_pct\n";
	for my $r (@runs)
	{
		my @fields = split /,/, $r->{line}, -1;
		$fields[3] = $r->{round};
		print $f join(',', $r->{set}{name}, $r->{name}, @fields), "\n";
	}
	close $f;
	open $f, '>', "$results/builds.csv" or die "builds.csv: $!\n";
	print $f "set,contender,workers,seconds,bytes,bytes_per_vector,"
	  . "wal_bytes,peak_bytes\n";
	for my $b (@builds)
	{
		printf $f "%s,%s,%d,%.2f,%d,%.1f,%d,%d\n", $b->{set}{name},
		  $b->{name}, $b->{workers}, $b->{seconds}, $b->{bytes},
		  $b->{bytes} / $b->{set}{rows}, $b->{wal}, $b->{peak};
	}
	close $f;
	return;
}

sub report_head
{
	my ($f, $contenders) = @_;
	my @servers = grep { $_->{db} && !$_->{of} } @$contenders;

	print $f "# Benchmark of $stamp\n\n", machine_line();
	print $f server_line(@servers),
	  '- One prepared statement, binary parameter and results, Unix socket;'
	  . " enable_seqscan = off\n"
	  if @servers;
	print $f "- hnswlib: float32, compiled with -O3 -march=native\n"
	  if grep { $_->{name} eq 'hnswlib' } @$contenders;
	print $f "- All: m 16, ef_construction 64, k $opt{k};"
	  . " medians of $opt{rounds} interleaved rounds\n";
	print $f "- Settings: $_\n" for @{ $opt{set} };
	print $f "- ~ marks noise: the server waited for a CPU more than"
	  . " $NOISY_WAIT % of the run, or rounds differ by more than "
	  . 100 * $NOISY_SPREAD . " %\n";
	print $f "- $_\n" for @notes;
	return;
}

sub report_builds
{
	my ($f, $set) = @_;

	print $f "\n| build | processes | seconds | MB | bytes per vector |"
	  . " WAL MB | peak memory MB |\n|---|---|---|---|---|---|---|\n";
	for my $b (grep { $_->{set} == $set } @builds)
	{
		printf $f "| %s | %d | %.1f | %.1f | %.0f | %.0f | %.0f |\n",
		  $b->{name}, $b->{workers} + 1, $b->{seconds}, $b->{bytes} / 2**20,
		  $b->{bytes} / $set->{rows}, $b->{wal} / 2**20, $b->{peak} / 2**20;
	}
	return;
}

sub report_curves
{
	my ($f, $set, $clients, $contenders) = @_;

	print $f "\nClients: $clients\n\n| contender | ef | recall\@$opt{k} | QPS |"
	  . " p50 us | p95 us | p99 us | server CPU us |\n"
	  . "|---|---|---|---|---|---|---|---|\n";
	for my $c (@$contenders)
	{
		for my $p (curve($set, $clients, $c->{name}))
		{
			printf $f "| %s | %d | %s | %.0f%s | %.0f | %.0f | %.0f | %s |\n",
			  $c->{name}, $p->{ef},
			  $opt{rows} ? '-' : sprintf('%.4f', $p->{recall}), $p->{qps},
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
	my ($f, $set, $clients, $contenders) = @_;
	my @names = map { $_->{name} } @$contenders;
	my %curves = map { $_ => [ curve($set, $clients, $_) ] } @names;
	my @others =
	  $curves{pgvector} ? grep { $_ ne 'pgvector' } @names : ();

	print $f "\nEqual recall, QPS by interpolation, clients $clients\n\n";
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
