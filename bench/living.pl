#!/usr/bin/env perl
#
# bench/living.pl
#	  Benchmark of an index whose table changes; bench/run --living calls it
#	  inside the Debian root.
#
# The index of each contender is built once, in a database that serves as a
# template.  Every measurement changes a copy of it, which is in memory and
# was followed by a checkpoint, so that it begins in the same state.  Runs
# alternate between the contenders.

use strict;
use warnings;

use FindBin qw($RealBin);
use Getopt::Long qw(GetOptions);
use List::Util qw(max);
use Time::HiRes qw(sleep time);

use lib $RealBin;
use Bench;

my %opt = (
	'sets' => 'sift',
	'rows' => 0,
	'changes' => 10000,
	'rounds' => 3,
	'ef' => '20,40,80,160',
	'phases' => 'insert,vacuum,update,fill,cycles',
	'cycles' => 10,
	'shared-buffers' => '2GB',
	'maintenance-work-mem' => '1GB');
GetOptions(
	\%opt, 'work=s', 'sets=s', 'only=s', 'reuse', 'reuse-all',
	'keep-server', 'ef=s', 'rounds=i', 'rows=i', 'changes=i', 'cycles=i',
	'phases=s', 'shared-buffers=s', 'maintenance-work-mem=s') or exit 2;
$opt{reuse} ||= $opt{'reuse-all'};
$opt{cluster} = 'pgdata_living';

my $WARM_SHARE = 0.2;    # rows inserted to see WAL without page images
my $K = 10;
my $CYCLE_EF = 80;
my @CLIENTS = (1, 2);
my $COPY = 'living_copy';

my (@figures, @notes, $set);
my %PHASES = (
	insert => \&insert_phase,
	vacuum => \&vacuum_phase,
	update => \&update_phase,
	fill => \&fill_phase,
	cycles => \&cycles_phase);

main();

sub main
{
	my @phases = split /,/, $opt{phases};

	for my $phase (@phases)
	{
		die "no phase $phase\n" if !$PHASES{$phase};
	}
	bench_init(%opt);
	($set) = data_sets();
	$set->{built} = $set->{rows} - int($opt{changes} * (1 + $WARM_SHARE));
	die "--rows must be twice --changes or more\n"
	  if $set->{rows} < 2 * $opt{changes};

	# no waiting for the disk, and one process, whose CPU time is all there is
	$ENV{PGOPTIONS} =
	    '-c synchronous_commit=off -c max_parallel_maintenance_workers=0'
	  . " -c maintenance_work_mem=$opt{'maintenance-work-mem'}";

	my @contenders = contenders();
	compile_client($_, "$_.c", 'vecs.c')
	  for qw(change_bench query_bench load_vectors exact);
	install_extension() if grep { $_->{name} eq 'vector_hnsw' } @contenders;
	start_server();
	psql('postgres', 'CREATE TABLE IF NOT EXISTS living_figures'
		  . ' (setup text, contender text, phase text, round int,'
		  . ' measure text, value float8)');
	make_template($_) for @contenders;
	for my $phase (@phases)
	{
		$PHASES{$phase}->(@contenders);
		report(\@contenders);
	}
	drop_database($COPY);
	publish_results();
	return;
}

sub contenders
{
	my @all = (
		{
			name => 'pgvector',
			db => 'living_pgvector',
			extension => 'vector' },
		{
			name => 'vector_hnsw',
			db => 'living_vector_hnsw',
			extension => 'vector_hnsw',
			ours => 1 });

	return grep { !$opt{only} || $_->{name} eq $opt{only} } @all;
}

# What figures of an earlier run must have in common with those of this one
sub setup
{
	return "$set->{name} $set->{rows} $opt{changes} $opt{'shared-buffers'}"
	  . " $opt{'maintenance-work-mem'}, no waiting for the disk";
}

sub figure
{
	my ($c, $phase, $round, %values) = @_;

	for my $measure (sort keys %values)
	{
		push @figures,
		  [ $c->{name}, $phase, $round, $measure, $values{$measure} ];
		psql('postgres',
			'INSERT INTO living_figures VALUES ('
			  . join(', ', map { "'$_'" } setup(), @{ $figures[-1] })
			  . ')');
	}
	return;
}

# Takes the figures of a phase from an earlier run, when that may be and they
# are there.  pgvector does not change from run to run.
sub figures_of_before
{
	my ($c, $phase, $round) = @_;

	return 0 if $c->{ours} || !$opt{reuse};
	my $lines = psql('postgres',
		'SELECT measure, value FROM living_figures'
		  . " WHERE setup = '@{[setup()]}' AND contender = '$c->{name}'"
		  . " AND phase = '$phase' AND round = $round");
	return 0 if $lines eq '';
	for my $line (split /\n/, $lines)
	{
		push @figures, [ $c->{name}, $phase, $round, split /\|/, $line ];
	}
	my $note = "$c->{name}: $phase is of an earlier run (--reuse)";
	push @notes, $note if !grep { $_ eq $note } @notes;
	return 1;
}

sub drop_database
{
	psql('postgres', "DROP DATABASE IF EXISTS $_[0]");
	return;
}

sub make_template
{
	my ($c) = @_;
	my $label = "$set->{name} $c->{name}";
	my $kept = $opt{'reuse-all'} || ($opt{reuse} && !$c->{ours});
	my $there = psql('postgres',
		'SELECT shobj_description(oid, \'pg_database\') FROM pg_database'
		  . " WHERE datname = '$c->{db}'") eq setup();

	return
	  if $kept && $there && (figures_of_before($c, 'build', 1) || $c->{ours});
	drop_database($c->{db});
	psql('postgres', "CREATE DATABASE $c->{db}");
	psql(
		$c->{db},
		"CREATE EXTENSION $c->{extension}",
		'CREATE EXTENSION pg_prewarm',
		'CREATE EXTENSION pg_walinspect',
		"CREATE TABLE items (id int, embedding vector($set->{dim}))");
	load($c->{db}, $set->{built}, 0);
	psql(
		$c->{db},
		'ALTER TABLE items ADD COLUMN note int NOT NULL DEFAULT 0',
		'ALTER TABLE items ADD PRIMARY KEY (id)',
		'VACUUM (ANALYZE) items');
	say_progress("$label: loaded");
	my $build = build_index($c->{db});
	figure($c, 'build', 1, %$build, index_size($c->{db}));
	psql('postgres', "COMMENT ON DATABASE $c->{db} IS '@{[setup()]}'");
	say_progress(sprintf '%s: built in %.1f s of CPU', $label, $build->{cpu});
	return;
}

# COPY of the rows from first up to end; the fields of a run
sub load
{
	my ($db, $end, $first) = @_;
	my $line = output_of('load_vectors', conninfo($db), 'items',
		$set->{base}, $end, $first);
	my %run;

	@run{qw(rows dim seconds cpu)} = split /,/, $line;
	return \%run;
}

sub output_of
{
	my ($program, @arguments) = @_;

	open my $f, '-|', "$work/bin/$program", @arguments
	  or die "$program: $!\n";
	my $line = <$f> // '';
	close $f or die "failed: $program @arguments\n";
	chomp $line;
	return $line;
}

# Runs change_bench; the fields of its run
sub change
{
	my ($db, @arguments) = @_;
	my $line =
	  output_of('change_bench', '--db', conninfo($db), @arguments);
	my %run;

	@run{qw(rows seconds cpu waited p50_us p95_us p99_us)} = split /,/, $line;
	return \%run;
}

sub timed_sql
{
	my ($db, $sql) = @_;
	my $run = change($db, '--sql', $sql, 'sql');

	return { map { $_ => $run->{$_} } qw(seconds cpu waited) };
}

sub build_index
{
	my ($db) = @_;

	return timed_sql($db,
		    'CREATE INDEX items_embedding_idx ON items'
		  . ' USING hnsw (embedding vector_l2_ops)');
}

sub index_size
{
	my ($db) = @_;

	return (
		bytes => psql($db,
			"SELECT pg_relation_size('items_embedding_idx')"));
}

# A copy of the contender's database to be changed, in memory.
sub fresh_copy
{
	my ($c) = @_;

	drop_database($COPY);
	psql('postgres',
		"CREATE DATABASE $COPY TEMPLATE $c->{db} STRATEGY file_copy");
	warm();
	return;
}

sub warm
{
	psql(
		$COPY,
		'SELECT pg_prewarm(oid) FROM pg_class'
		  . " WHERE relname IN ('items', 'items_pkey', 'items_embedding_idx')",
		'CHECKPOINT');
	return;
}

# Runs code; the WAL bytes of it: all, and those of generic records, which
# are the index's, without and with page images.
sub wal_of
{
	my ($code) = @_;
	my $from = psql($COPY, 'SELECT pg_current_wal_insert_lsn()');
	my $run = $code->();
	my $to = psql($COPY, 'SELECT pg_current_wal_insert_lsn()');
	my $line = psql(
		$COPY,
		'SELECT pg_switch_wal()',
		"SELECT '$to'::pg_lsn - '$from'::pg_lsn, record_size,"
		  . " record_size + fpi_size, count"
		  . " FROM pg_get_wal_stats('$from', '$to')"
		  . " WHERE \"resource_manager/record_type\" = 'Generic'");

	$line =~ s/.*\n//;
	@{$run}{qw(wal index_wal_records index_wal index_records)} =
	  split /\|/, $line;
	return $run;
}

sub set_page_images
{
	my ($value) = @_;

	psql('postgres', "ALTER SYSTEM SET full_page_writes = $value",
		'SELECT pg_reload_conf()');
	sleep 1;
	psql('postgres', 'CHECKPOINT');
	return;
}

# Contenders in turns, the other way round every second time
sub in_turns
{
	my ($rounds, $phase, $code, @contenders) = @_;

	for my $round (1 .. $rounds)
	{
		for my $c ($round % 2 ? @contenders : reverse @contenders)
		{
			next if figures_of_before($c, $phase, $round);
			$code->($c, $round);
		}
	}
	return;
}

sub show
{
	my ($c, $phase, $run) = @_;

	say_progress(
		sprintf '%s %s: %.1f s, %.1f s of CPU, %.1f MB of WAL',
		$c->{name}, $phase, $run->{seconds}, $run->{cpu},
		($run->{wal} // 0) / 2**20);
	return;
}

sub insert_rows
{
	my ($clients, $first, $count) = @_;

	return change(
		$COPY,
		'--vectors' => $set->{base},
		'--first' => $first,
		'--count' => $count,
		'--clients' => $clients,
		'insert');
}

sub insert_phase
{
	my @contenders = @_;

	for my $clients (@CLIENTS)
	{
		my $phase = "insert $clients";

		in_turns(
			$opt{rounds},
			$phase,
			sub {
				my ($c, $round) = @_;

				fresh_copy($c);
				my $run = wal_of(sub {
					insert_rows($clients, $set->{built}, $opt{changes});
				});
				show($c, $phase, $run);
				figure($c, $phase, $round, %$run, index_size($COPY));
			},
			@contenders);
	}
	in_turns(1, 'insert warm', \&insert_warm, @contenders);
	return;
}

# Some rows without page images
sub insert_warm
{
	my ($c) = @_;

	fresh_copy($c);
	set_page_images('off');
	my $run = wal_of(sub {
		insert_rows(1, $set->{built} + $opt{changes},
			int($opt{changes} * $WARM_SHARE));
	});
	set_page_images('on');
	figure($c, 'insert warm', 1, %$run);
	return;
}

# Deletes a share of the rows, the same on both sides
sub delete_rows
{
	my ($count, $seed) = @_;

	return psql($COPY,
		    'DELETE FROM items WHERE id IN (SELECT id FROM items'
		  . " ORDER BY hashint4extended(id, $seed), id LIMIT $count)");
}

sub vacuum_phase
{
	my @contenders = @_;

	in_turns(
		max(1, $opt{rounds} - 1),
		'vacuum',
		sub {
			my ($c, $round) = @_;

			return if $round > 1 && !$c->{ours};
			fresh_copy($c);
			delete_rows(int($set->{built} / 10), 1);
			psql('postgres', 'CHECKPOINT');
			my $run = wal_of(sub { timed_sql($COPY, 'VACUUM (PARALLEL 0) items') });
			show($c, 'vacuum', $run);
			figure($c, 'vacuum', $round, %$run, index_size($COPY));
			measure_recall($c, 'vacuum', $round) if $round == 1;
			return if !$c->{ours};
			$run = timed_sql($COPY, 'REINDEX INDEX items_embedding_idx');
			show($c, 'rebuild', $run);
			figure($c, 'rebuild', $round, %$run, index_size($COPY));
			measure_recall($c, 'rebuild', $round) if $round == 1;
		},
		@contenders);
	return;
}

# Rows all over the table, by one statement and by one each
sub update_phase
{
	my @contenders = @_;
	my %ways = (
		'update at once' => sub {
			my $run = timed_sql($COPY,
				    'UPDATE items SET note = note + 1'
				  . ' WHERE id IN (SELECT id FROM chosen)');
			return { %$run, rows => $opt{changes} };
		},
		'update' => sub {
			return change(
				$COPY,
				'--count' => $opt{changes},
				'--among' => $set->{built},
				'update');
		});

	for my $phase (sort keys %ways)
	{
		in_turns(
			$opt{rounds},
			$phase,
			sub {
				my ($c, $round) = @_;

				fresh_copy($c);
				psql(
					$COPY,
					'CREATE INDEX items_note_idx ON items (note)',
					'CREATE TABLE chosen AS SELECT id FROM items'
					  . ' ORDER BY hashint4extended(id, 2), id'
					  . " LIMIT $opt{changes}",
					'ANALYZE chosen');
				warm();
				my $run = wal_of($ways{$phase});
				check_not_hot();
				show($c, $phase, $run);
				figure($c, $phase, $round, %$run, index_size($COPY));
			},
			@contenders);
	}
	return;
}

sub check_not_hot
{
	sleep 1;    # for the statistics to arrive
	my $hot = psql($COPY,
		"SELECT pg_stat_get_tuples_hot_updated('items'::regclass)");

	die "$hot updates were HOT\n" if $hot > 0;
	return;
}

# The index of a table that was empty, filled by COPY, and one built then
sub fill_phase
{
	for my $c (grep { $_->{ours} } @_)
	{
		fresh_copy($c);
		psql($COPY, 'TRUNCATE items');
		my $run = wal_of(sub { load($COPY, $set->{rows}, 0) });
		show($c, 'fill', $run);
		figure($c, 'fill', 1, %$run, index_size($COPY));
		psql($COPY, 'VACUUM (PARALLEL 0) items');
		measure_recall($c, 'fill', 1);
		$run = timed_sql($COPY, 'REINDEX INDEX items_embedding_idx');
		figure($c, 'bulk', 1, %$run, index_size($COPY));
		measure_recall($c, 'bulk', 1);
	}
	return;
}

# Half of the rows, of which a tenth gives way to new ones in every cycle
sub cycles_phase
{
	my $rows = int($set->{rows} / 2);
	my $count = int($rows / 10);

	for my $c (grep { $_->{ours} } @_)
	{
		fresh_copy($c);
		psql($COPY, 'DROP INDEX items_embedding_idx', 'TRUNCATE items');
		load($COPY, $rows, 0);
		build_index($COPY);
		psql($COPY, 'VACUUM (ANALYZE) items');
		figure($c, 'before cycles', 1, index_size($COPY));
		measure_recall($c, 'before cycles', 1);
		for my $cycle (1 .. $opt{cycles})
		{
			my $first = $rows + ($cycle - 1) * $count;

			last if $first + $count > $set->{rows};
			delete_rows($count, $cycle);
			insert_rows(1, $first, $count);
			my $run = wal_of(sub { timed_sql($COPY, 'VACUUM (PARALLEL 0) items') });
			show($c, "cycle $cycle, vacuum", $run);
			figure($c, 'cycle', $cycle, %$run, index_size($COPY));
		}
		measure_recall($c, 'after cycles', 1);
		figure($c, 'after cycles', 1, index_size($COPY));
		psql($COPY, 'REINDEX INDEX items_embedding_idx');
		measure_recall($c, 'fresh', 1);
		figure($c, 'fresh', 1, index_size($COPY));
	}
	return;
}

# Recall of the copy's index against the rows that are there now
sub measure_recall
{
	my ($c, $phase, $round) = @_;
	my $truth = "$work/living_truth.ivecs";

	warm();
	open my $f, '|-', "$work/bin/exact", $set->{base}, $set->{query}, $truth,
	  $K
	  or die "exact: $!\n";
	print $f psql($COPY, 'SELECT id FROM items'), "\n";
	close $f or die "exact failed\n";
	for my $ef (split /,/, $opt{ef})
	{
		my $line = output_of(
			'query_bench',
			'--db' => conninfo($COPY),
			'--queries' => $set->{query},
			'--truth' => $truth,
			'--k' => $K,
			'--ef' => $ef,
			'--set' => 'enable_seqscan=off');
		my @fields = split /,/, $line;

		figure($c, $phase, $round,
			"recall at ef $ef" => $fields[5],
			"cpu_us at ef $ef" => $fields[13]);
	}
	return;
}

# Median over the rounds of a measure of a phase
sub value
{
	my ($name, $phase, $measure) = @_;
	my @values = map { $_->[4] }
	  grep { $_->[0] eq $name && $_->[1] eq $phase && $_->[3] eq $measure }
	  @figures;

	return @values ? median(@values) : undef;
}

# A quotient of two values, undef when one is missing
sub ratio
{
	my ($a, $b) = @_;

	return defined $a && defined $b && $b != 0 ? $a / $b : undef;
}

sub cell
{
	my ($format, $value) = @_;

	return defined $value ? sprintf($format, $value) : '-';
}

sub report
{
	my ($contenders) = @_;
	my $csv = "contender,phase,round,measure,value\n";

	$csv .= join(',', @$_) . "\n" for @figures;
	write_file("$results/living.csv", $csv);
	open my $f, '>', "$results/summary.md" or die "summary.md: $!\n";
	print $f "# Living index, $stamp\n\n", machine_line(),
	  server_line(@$contenders);
	print $f "- $set->{name}: $set->{built} of $set->{rows} rows of"
	  . " $set->{dim} dimensions in the index, $opt{changes} changes;"
	  . " m 16, ef_construction 64; medians of $opt{rounds} rounds in turns;"
	  . " synchronous_commit = off\n";
	print $f "- $_\n" for @notes;
	report_changes($f);
	report_wal($f);
	report_vacuum($f);
	report_recall($f);
	report_cycles($f);
	close $f;
	return;
}

sub report_changes
{
	my ($f) = @_;

	print $f "\n| rows | contender | rows/s | CPU us a row |"
	  . " p50 us | p99 us |\n|---|---|---|---|---|---|\n";
	for my $phase ((map { "insert $_" } @CLIENTS), 'update',
		'update at once')
	{
		my (%rate, %cpu);

		for my $name (qw(pgvector vector_hnsw))
		{
			my $rows = value($name, $phase, 'rows') // next;

			$rate{$name} = ratio($rows, value($name, $phase, 'seconds'));
			$cpu{$name} = 1e6 * ratio(value($name, $phase, 'cpu'), $rows);
			printf $f "| %s | %s | %.0f | %.0f | %s | %s |\n",
			  phase_name($phase), $name, $rate{$name}, $cpu{$name},
			  map { cell('%.0f', value($name, $phase, $_)) }
			  qw(p50_us p99_us);
		}
		printf $f "| %s | ratio | %.2f | %.2f | | |\n", phase_name($phase),
		  $rate{vector_hnsw} / $rate{pgvector},
		  $cpu{pgvector} / $cpu{vector_hnsw}
		  if keys %rate == 2;
	}
	return;
}

sub phase_name
{
	my ($phase) = @_;

	return "insert, $1 client" . ($1 > 1 ? 's' : '')
	  if $phase =~ /^insert (\d+)$/;
	return $phase =~ s/^update/update of another column/r;
}

sub report_wal
{
	my ($f) = @_;

	print $f "\n| WAL bytes a row | contender | all | of the index |"
	  . " of the index, without page images | records |\n"
	  . "|---|---|---|---|---|---|\n";
	for my $phase ((map { "insert $_" } @CLIENTS), 'insert warm', 'update',
		'update at once')
	{
		my %all;

		for my $name (qw(pgvector vector_hnsw))
		{
			my $rows = value($name, $phase, 'rows') // next;
			my @per_row =
			  map { value($name, $phase, $_) / $rows }
			  qw(wal index_wal index_wal_records index_records);

			$all{$name} = \@per_row;
			printf $f "| %s | %s | %.0f | %.0f | %.0f | %.1f |\n",
			  phase_name($phase), $name, @per_row;
		}
		printf $f "| %s | ratio | %.2f | %.2f | %.2f | %.2f |\n",
		  phase_name($phase),
		  map { ratio($all{vector_hnsw}[$_], $all{pgvector}[$_]) // 0 } 0 .. 3
		  if keys %all == 2;
	}
	return;
}

sub report_vacuum
{
	my ($f) = @_;

	print $f "\n| after a delete of 10 % | contender | seconds | CPU s |"
	  . " WAL MB | index MB |\n|---|---|---|---|---|---|\n";
	for my $row (
		[ 'VACUUM', 'pgvector', 'vacuum' ],
		[ 'VACUUM', 'vector_hnsw', 'vacuum' ],
		[ 'rebuild', 'vector_hnsw', 'rebuild' ],
		[ 'build before', 'pgvector', 'build' ],
		[ 'build before', 'vector_hnsw', 'build' ])
	{
		my ($what, $name, $phase) = @$row;
		my $wal = value($name, $phase, 'wal');

		next if !defined value($name, $phase, 'seconds');
		printf $f "| %s | %s | %.2f | %.2f | %s | %.1f |\n", $what, $name,
		  value($name, $phase, 'seconds'), value($name, $phase, 'cpu'),
		  cell('%.1f', defined $wal ? $wal / 2**20 : undef),
		  value($name, $phase, 'bytes') / 2**20;
	}
	for my $other ([ 'pgvector', 'vacuum' ], [ 'vector_hnsw', 'rebuild' ])
	{
		printf $f "| VACUUM / %s of %s | ratio | %s | %s | | |\n",
		  $other->[1] eq 'vacuum' ? 'that' : 'rebuild', $other->[0],
		  map {
			cell('%.3f',
				ratio(value('vector_hnsw', 'vacuum', $_),
					value(@$other, $_)))
		  } qw(seconds cpu);
	}
	return;
}

sub report_recall
{
	my ($f) = @_;
	my @efs = split /,/, $opt{ef};

	print $f "\n| recall\@$K | contender | ",
	  join(' | ', map { "ef $_" } @efs), " | index MB |\n|---|---|",
	  '---|' x (1 + @efs), "\n";
	for my $phase ('vacuum', 'rebuild', 'fill', 'bulk', 'before cycles',
		'after cycles', 'fresh')
	{
		for my $name (qw(pgvector vector_hnsw))
		{
			next if !defined value($name, $phase, "recall at ef $efs[0]");
			printf $f "| %s | %s | %s | %.1f |\n", $phase, $name,
			  join(' | ',
				map { sprintf '%.4f', value($name, $phase, "recall at ef $_") }
				  @efs),
			  value($name, $phase, 'bytes') / 2**20;
		}
	}
	return;
}

sub report_cycles
{
	my ($f) = @_;
	my @cycles = grep { $_->[1] eq 'cycle' && $_->[3] eq 'cpu' } @figures;

	return if !@cycles;
	print $f "\n| cycle | VACUUM s | CPU s | WAL MB | index MB |\n"
	  . "|---|---|---|---|---|\n";
	for my $cycle (map { $_->[2] } @cycles)
	{
		my %of = map { $_->[3] => $_->[4] }
		  grep { $_->[1] eq 'cycle' && $_->[2] == $cycle } @figures;

		printf $f "| %d | %.2f | %.2f | %.1f | %.1f |\n", $cycle,
		  $of{seconds}, $of{cpu}, $of{wal} / 2**20, $of{bytes} / 2**20;
	}
	return;
}
