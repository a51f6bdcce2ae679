# Builds that do not get what they need: too little memory, a timeout, a
# cancel, a full disk.  They say so and leave nothing behind.  And builds that
# do: their progress can be watched.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# A small log segment, so that a limit on the size of files does not meet it
my $node = new_node('limits',
	init => { extra => ['--wal-segsize=1'] },
	settings => "min_wal_size = 8MB\n");
prepare($node);
load_vectors($node, 'sift');
load_vectors($node, 'hog');
load_wide($node, 500);

my $files = database_files($node);

sub nothing_left
{
	my ($index, $text) = @_;

	ok(!index_exists($node, $index), "$text: no index");
	is(database_files($node), $files, "$text: no files");
	return;
}

# Memory: what does not fit is built in parts, and the notice names an amount
# that will do.
for my $case (
	[ 'sift', 'm = 16' ],
	[ 'hog', 'quantizer = float' ],
	[ 'hog', 'm = 100, ef_construction = 200' ])
{
	my ($name, $options) = @$case;
	my $create = "CREATE INDEX little ON $name USING hnsw (v vector_l2_ops)"
	  . " WITH ($options)";
	my ($status, $out, $error) = $node->psql('postgres',
		"SET maintenance_work_mem = '1MB'; $create");

	like(
		$error,
		qr/NOTICE:  hnsw index "little" was built in \d+ parts/,
		"$name, $options: notice with little memory");
	check_index($node, 'little');
	$node->safe_psql('postgres', 'DROP INDEX IF EXISTS little');
	nothing_left('little', "$name, $options");

	my ($amount) = $error =~ /HINT:  \D*(\d+ \w+)/;
	$amount =~ s/ //;
	note "$name, $options: $amount";
	($status, $out, $error) = $node->psql('postgres',
		"SET maintenance_work_mem = '$amount'; $create");
	is($error, '', "$name, $options: $amount will do");
	check_index($node, 'little');
	$node->safe_psql('postgres', 'DROP INDEX little');
}

# A cancel in each phase is heard soon.
for my $case (
	[ $slow_to_load, 'sampling table', 0 ],
	[ $slow_to_load, 'loading tuples', 100 ],
	[ $slow_to_build, 'building graph', 0 ],
	[ $slow_to_build, 'building graph', 2000 ],
	[ $slow_to_write, 'writing pages', 500 ])
{
	my ($create, $phase, $steps) = @$case;
	my ($index) = $create =~ /INDEX (\w+)/;
	my $build = freeze_build($node, $create, $phase, $steps);

	$node->safe_psql('postgres', "SELECT pg_cancel_backend($build->{pid})");
	my $start = time;
	my (undef, undef, $error) = release_build($build);
	my $seconds = time - $start;

	like(
		$error,
		qr/canceling statement due to user request/,
		"$phase, $steps: build is cancelled");
	cmp_ok($seconds, '<', 5, "$phase, $steps: it hears soon");
	nothing_left($index, "$phase, $steps: after a cancel");
}

# Timeouts, wherever they come
for my $timeout (20, 100, 300, 1000)
{
	my (undef, undef, $error) = $node->psql('postgres',
		"SET statement_timeout = $timeout; $slow_to_build");

	like(
		$error,
		qr/canceling statement due to statement timeout/,
		"statement_timeout = $timeout");
}
nothing_left('slow_build', 'after timeouts');

# What was cancelled did the server no harm.
{
	my $build = freeze_build($node,
		'CREATE INDEX CONCURRENTLY slow_cic ON hog'
		  . ' USING hnsw ((slowly(v)::vector(768)) vector_l2_ops)'
		  . ' WHERE id < 300',
		'loading tuples', 10);

	$node->safe_psql('postgres', "SELECT pg_cancel_backend($build->{pid})");
	release_build($build);
	my (undef, undef, $error) =
	  $node->psql('postgres', "SELECT hnsw_index_check('slow_cic')");
	like(
		$error,
		qr/index "slow_cic" is not valid/,
		'a CREATE INDEX CONCURRENTLY that was cancelled is not valid');
	$node->safe_psql('postgres', 'REINDEX INDEX CONCURRENTLY slow_cic');
	check_index($node, 'slow_cic', 'after REINDEX CONCURRENTLY it is');
	$node->safe_psql('postgres', 'DROP INDEX slow_cic');
}

# Progress
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION watch_build(OUT phase text, OUT first bigint, OUT last bigint,
							OUT total bigint, OUT falls bool)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	current	record;
	started	bool := false;
BEGIN
	WHILE clock_timestamp() < now() + interval '60 s' LOOP
		PERFORM pg_stat_clear_snapshot();
		SELECT p.phase, tuples_done, tuples_total INTO current
			FROM pg_stat_progress_create_index p;
		EXIT WHEN started AND current IS NULL;
		IF current.phase IS DISTINCT FROM phase THEN
			IF started THEN
				RETURN NEXT;
			END IF;
			phase := current.phase;
			first := current.tuples_done;
			last := first;
			falls := false;
		END IF;
		started := current IS NOT NULL;
		falls := falls OR current.tuples_done < last;
		last := current.tuples_done;
		total := current.tuples_total;
		PERFORM pg_sleep(0.0005);
	END LOOP;
	RETURN NEXT;
END $$;
SQL

sub watch
{
	my ($create) = @_;
	my ($index) = $create =~ /INDEX (\w+)/;
	my %seen;

	my $build = start_sql($node, "SELECT pg_sleep(0.3); $create");
	my $phases = $node->safe_psql('postgres', 'SELECT * FROM watch_build()');
	note $phases;
	finish_sql($build);
	$node->safe_psql('postgres', "DROP INDEX $index");
	for my $line (split /\n/, $phases)
	{
		my ($phase, $first, $last, $total, $falls) = split /\|/, $line;

		$phase =~ s/^building index: //;
		$seen{$phase} = {
			first => $first, last => $last, total => $total, falls => $falls
		};
	}
	return \%seen;
}

sub moves
{
	my ($seen, $phase, $rows) = @_;
	my $step = $seen->{$phase};

	ok($step, "phase \"$phase\" is seen") or return;
	is($step->{falls}, 'f', "$phase: counts never fall");
	cmp_ok($step->{last}, '>', $step->{first}, "$phase: counts move");
	cmp_ok($step->{last}, '<=', $rows, "$phase: not beyond what there is")
	  if defined $rows;
	return $step;
}

{
	my $seen = watch($slow_to_load);

	ok($seen->{'sampling table'}, 'phase "sampling table" is seen');
	moves($seen, 'loading tuples', 1000);
	$seen = watch(
		'CREATE INDEX watched ON sift USING hnsw (v vector_l2_ops)'
		  . ' WITH (ef_construction = 200)');
	my $step = moves($seen, 'building graph', 10000);
	is($step->{total}, 10000, 'building graph: the total is known');
	moves(watch($slow_to_write), 'writing pages');
}

# A disk that is full, first as a limit on the size of a file that the backend
# writes
SKIP:
{
	skip 'no prlimit here', 4 if system('prlimit --version >/dev/null 2>&1');

	my $build = freeze_build($node,
		'CREATE INDEX large ON sift USING hnsw (v vector_l2_ops)'
		  . ' WITH (quantizer = float)',
		'building graph', 1);
	system_or_bail('prlimit', '--pid', $build->{pid}, '--fsize=2097152');
	my (undef, undef, $error) = release_build($build);
	like(
		$error,
		qr/could not (extend|write).*File too large/,
		'error when the index cannot grow');
	nothing_left('large', 'index cannot grow');
	is($node->safe_psql('postgres', 'SELECT 1'), 1, 'the server lives');
}

# then in earnest: an empty directory on a file system of 4 MB
SKIP:
{
	my $dir = $ENV{VECTOR_HNSW_SMALL_DISK};

	skip 'VECTOR_HNSW_SMALL_DISK names no directory', 6 unless defined $dir;
	$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$dir'");
	my (undef, undef, $error) = $node->psql('postgres',
		'CREATE INDEX large ON sift USING hnsw (v vector_l2_ops)
		 WITH (quantizer = float) TABLESPACE small');
	like($error, qr/No space left on device/, 'error when the disk is full');
	nothing_left('large', 'disk is full');
	$node->safe_psql('postgres',
		'CREATE INDEX small ON hog USING hnsw (v vector_l2_ops)
		 TABLESPACE small');
	check_index($node, 'small', 'what fits is built after that');
	(undef, undef, $error) = $node->psql('postgres',
		'ALTER INDEX small SET (quantizer = float); REINDEX INDEX small');
	like($error, qr/No space left on device/,
		'error when the disk is full for REINDEX');
	check_index($node, 'small', 'the old index is sound');
	$node->safe_psql('postgres', 'DROP INDEX small; DROP TABLESPACE small');
}

check_log($node);
$node->stop;
done_testing();
