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
use List::Util qw(max sum);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use lib $RealBin;
use Bench;
use Report;

my %opt = (
	'ef' => '10,20,40,60,80,100,120,160,200,320,400,600,800',
	'k' => 10,
	'rounds' => 3,
	'build-rounds' => 3,
	'clients' => '1',
	'queries' => 0,
	'rows' => 0,
	'shared-buffers' => '2GB',
	'maintenance-work-mem' => '2GB',
	'build-workers' => '1',
	'metric' => 'l2',
	'plots' => 1,
	'set' => []);
GetOptions(
	\%opt, 'work=s', 'sets=s', 'only=s', 'with-hnswlib', 'rerank-off',
	'reuse', 'keep-server', 'metric=s', 'ef=s', 'k=s', 'rounds=i',
	'build-rounds=i', 'clients=s', 'queries=i', 'rows=i', 'shared-buffers=s',
	'maintenance-work-mem=s', 'build-workers=s', 'set=s@', 'quarter', 'cold',
	'plots!', 'hdf5=s') or exit 2;

die "rounds are at least 1\n"
  if grep { $opt{$_} < 1 } ('rounds', 'build-rounds');

my %METRICS = (
	l2 => [ 'vector_l2_ops', '<->' ],
	ip => [ 'vector_ip_ops', '<#>' ],
	cosine => [ 'vector_cosine_ops', '<=>' ]);
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
		build_set($set, grep { !$_->{of} } @contenders);
	}
	psql('postgres', 'CHECKPOINT') if grep { $_->{db} } @contenders;
	for my $set (@sets)
	{
		measure_set($set, 'ample', @contenders);
		measure_quarter($set, @contenders) if $opt{quarter};
		measure_cold($set, @contenders) if $opt{cold};
	}
	report(
		{
			opt => \%opt,
			sets => \@sets,
			contenders => \@contenders,
			builds => \@builds,
			runs => \@runs,
			notes => \@notes });
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
		  . ' metric text, workers int, memory text, seconds float8, bytes bigint,'
		  . ' wal bigint, peak bigint)');
	return;
}

# All indexes of a data set, those of the contenders by turns.
sub build_set
{
	my ($set, @contenders) = @_;
	my @new = grep { !take_old_builds($_, $set) } @contenders;

	load_table($_, $set) for grep { $_->{db} } @new;
	for my $memory (split /,/, $opt{'maintenance-work-mem'})
	{
		for my $workers (split /,/, $opt{'build-workers'})
		{
			build_by_turns($set, $workers, $memory, @new);
		}
		@new = grep { $_->{db} } @new;    # hnswlib knows no such limit
	}
	return;
}

# The builds of an earlier run, with --reuse; false if there are none.
sub take_old_builds
{
	my ($c, $set) = @_;

	return 0 if !$c->{db};

	my $where = "set_name = '$set->{name}' AND row_count = $set->{rows}"
	  . " AND metric = '$opt{metric}'";
	my $columns = 'workers, memory, seconds, bytes, wal, peak';
	my $old = psql($c->{db},
		"SELECT $columns FROM bench_builds WHERE $where ORDER BY ctid");

	return 0 if $old eq '';
	for my $line (split /\n/, $old)
	{
		my %b;
		@b{qw(workers memory seconds bytes wal peak)} = split /\|/, $line;
		push @builds, { %b, set => $set, name => $c->{name} };
	}
	psql($c->{db}, "SELECT pg_prewarm('$set->{name}.items')",
		"SELECT pg_prewarm('$set->{name}.items_embedding_idx')");
	push @notes, "$set->{name}: $c->{name}'s index and build figures "
	  . 'are those of an earlier run (--reuse)';
	return 1;
}

# The same index several times; the median of seconds and the largest peak count.
sub build_by_turns
{
	my ($set, $workers, $memory, @contenders) = @_;
	my %rounds;

	for my $round (1 .. $opt{'build-rounds'})
	{
		for my $c ($round % 2 ? @contenders : reverse @contenders)
		{
			push @{ $rounds{ $c->{name} } },
			  $c->{db}
			  ? build_index($c, $set, $workers, $memory)
			  : build_hnswlib($c, $set, $workers);
		}
	}
	for my $c (@contenders)
	{
		my @all = @{ $rounds{ $c->{name} } };
		my $b = {
			%{ $all[-1] },
			seconds => median(map { $_->{seconds} } @all),
			peak => max(map { $_->{peak} } @all) };

		push @builds, $b;
		next if !$c->{db};
		psql($c->{db},
			"INSERT INTO bench_builds VALUES ('$set->{name}',"
			  . " $set->{rows}, '$opt{metric}', $workers, '$memory',"
			  . " $b->{seconds}, $b->{bytes}, $b->{wal}, $b->{peak})");
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
	my ($c, $set, $workers, $memory) = @_;
	my $table = "$set->{name}.items";
	my $index = "$set->{name}.items_embedding_idx";
	my $label =
	  "$set->{name} $c->{name}: index with $workers workers, $memory";
	my $shm_before = shm_bytes();
	my $peak = 0;

	psql(
		$c->{db},
		"DROP INDEX IF EXISTS $index",
		"ALTER TABLE $table SET (parallel_workers = $workers)",
		'CHECKPOINT');
	my $lsn = psql($c->{db}, 'SELECT pg_current_wal_insert_lsn()');
	local $ENV{PGOPTIONS} =
	    "-c maintenance_work_mem=$memory"
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
		memory => $memory,
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
	my ($c, $set, $workers) = @_;
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
	return {
		set => $set,
		name => $c->{name},
		workers => $workers,
		memory => '-',
		seconds => $seconds,
		bytes => $bytes,
		wal => 0,
		peak => 1024 * $peak };
}

# All curves of a data set, by turns
sub measure_set
{
	my ($set, $state, @contenders) = @_;

	for my $k (split /,/, $opt{k})
	{
		for my $clients (split /,/, $opt{clients})
		{
			measure_curves({ set => $set, state => $state, k => $k,
					clients => $clients }, @contenders);
		}
	}
	return;
}

sub measure_curves
{
	my ($series, @contenders) = @_;
	my @efs = grep { $_ >= $series->{k} && $_ <= 1000 } split /,/, $opt{ef};

	for my $round (1 .. $opt{rounds})
	{
		say_progress("$series->{set}{name}, $series->{state}, k $series->{k},"
			  . " clients $series->{clients}: round $round of $opt{rounds}");
		for my $ef (@efs)
		{
			my @order = $round % 2 ? @contenders : reverse @contenders;

			measure_once($series, $round, $ef, $_) for @order;
		}
	}
	return;
}

# The same with shared buffers for a quarter of vector_hnsw's index, for all;
# the kernel has the rest.
sub measure_quarter
{
	my ($set, @contenders) = @_;
	my ($built) = grep { $_->{name} eq 'vector_hnsw' && $_->{set} == $set }
	  reverse @builds;
	my $buffers;

	die "--quarter wants an index of vector_hnsw\n" if !$built;
	$buffers = max(128, int($built->{bytes} / 4 / 1024));
	push @notes, "$set->{name}: a quarter is $buffers kB";
	restart_server("${buffers}kB");
	measure_set($set, 'quarter', grep { $_->{db} } @contenders);
	restart_server($opt{'shared-buffers'});
	return;
}

# The first queries of a server that has just started, nothing of it in the
# kernel's cache either
sub measure_cold
{
	my ($set, @contenders) = @_;
	my ($k) = split /,/, $opt{k};
	my %series = (set => $set, state => 'cold', k => $k, clients => 1);

	for my $round (1 .. $opt{rounds})
	{
		for my $c (grep { $_->{db} } @contenders)
		{
			say_progress("$set->{name}, cold: round $round, $c->{name}");
			restart_server($opt{'shared-buffers'}, \&drop_caches);
			measure_once(\%series, $round, max(40, $k), $c,
				'--limit' => 100, '--warmup' => 0);
		}
	}
	return;
}

sub drop_caches
{
	system('sync');
	open my $f, '>', '/proc/sys/vm/drop_caches'
	  or die "no permission to empty the kernel's cache: $!\n";
	print $f "3\n";
	close $f or die "drop_caches: $!\n";
	return;
}

sub measure_once
{
	my ($series, $round, $ef, $c, @more) = @_;
	my ($set, $clients, $k) = @{$series}{qw(set clients k)};
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
			'--k' => $k,
			'--ef' => $ef,
			'--clients' => $clients,
			'--limit' => $opt{queries},
			(map { ('--set' => $_) } @settings),
			@more);
	}
	else
	{
		@command = (
			"$work/bin/hnswlib_bench", 'query',
			"$work/$set->{name}.hnswlib", $set->{query},
			$set->{truth}, $k,
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
	push @runs,
	  {
		%run,
		set => $set,
		state => $series->{state},
		name => $c->{name},
		line => $line };
	return;
}
