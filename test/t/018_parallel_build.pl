# Builds with parallel workers: the same index as without, and what can go
# wrong with workers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Cwd qw(abs_path);
use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_build_node('parallel_build',
	settings =>
	  "log_min_messages = debug1\nmaintenance_work_mem = 128MB\n");
$node->safe_psql('postgres', <<'SQL');
-- every row twice, the second time far from the first
CREATE TABLE twice (id int, v vector(128)) WITH (parallel_workers = 2);
INSERT INTO twice SELECT id, v FROM sift WHERE id < 3000 ORDER BY id;
INSERT INTO twice SELECT id + 3000, v FROM sift WHERE id < 3000 ORDER BY id;

CREATE FUNCTION in_worker() RETURNS bool LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT backend_type = 'parallel worker' FROM pg_stat_activity
	  WHERE pid = pg_backend_pid() $$;

-- Rows that only workers, or only the leader, cannot index
CREATE FUNCTION fails_in(worker bool, v vector) RETURNS vector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF public.in_worker() = worker THEN
		RAISE EXCEPTION 'no vector here';
	END IF;
	PERFORM pg_sleep(0.001);
	RETURN v;
END $$;
SQL

# How many processes loaded rows, by the log since a position
sub loaders
{
	my ($from) = @_;

	return slurp_file($node->logfile, $from) =~ /rows loaded by (\d+) process/
	  ? $1
	  : 0;
}

# build(TABLE, INDEX, WORKERS, [OPTIONS]): returns how many loaded
sub build
{
	my ($table, $index, $workers, $options) = @_;
	my $from = -s $node->logfile;

	$node->safe_psql('postgres',
		"SET max_parallel_maintenance_workers = $workers;
		 CREATE INDEX $index ON $table USING hnsw (v vector_l2_ops)
		 @{[ $options // '' ]}");
	$node->safe_psql('postgres', "SELECT hnsw_index_check('$index', true)");
	return loaders($from);
}

sub links
{
	my ($index) = @_;

	return $node->safe_psql('postgres',
		"SELECT md5(string_agg(l::text, ' ' ORDER BY l::text))
		 FROM hnsw_index_links('$index') l");
}

# Workers make no difference but in time.  A worker that starts late finds
# nothing left to load.
for my $table ('sift', 'hog', 'twice')
{
	my %same;

	for my $workers (0, 1, 2)
	{
		my $loaders = build($table, 'whole', $workers);

		cmp_ok($loaders, '<=', 1 + $workers,
			"$table: with $workers workers $loaders processes load");
		$same{ links('whole') } = 1;
		$node->safe_psql('postgres', 'DROP INDEX whole');
	}
	is(scalar keys %same, 1, "$table: the index is the same every time");
}

# A scan that waits for each row leaves time for all to come.
my $from = -s $node->logfile;
$node->safe_psql('postgres',
	"CREATE FUNCTION slowly_safe(v vector) RETURNS vector
	 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT slowly(v)';
	 ALTER FUNCTION slowly(vector) PARALLEL SAFE;
	 CREATE TABLE few (id int, v vector(128)) WITH (parallel_workers = 2);
	 INSERT INTO few SELECT id, v FROM sift WHERE id < 2000;
	 CREATE INDEX few_slowly ON few
		USING hnsw ((slowly(v)::vector(128)) vector_l2_ops)");
is(loaders($from), 3, 'two workers and the leader load');
check_index($node, 'few_slowly');

build('sift', 'sift_hnsw', 2);
cmp_ok(recall($node, 'sift', 'SET hnsw.ef_search = 40;', 10),
	'>=', 0.985, 'recall of a parallel build');
build('hog', 'hog_hnsw', 2);
cmp_ok(recall($node, 'hog', 'SET hnsw.ef_search = 40;', 10),
	'>=', 0.95, 'recall of a parallel build, hog');

# Without a lock
build('sift', 'sift_again', 2);
$node->safe_psql('postgres',
	'DROP INDEX sift_again;
	 CREATE INDEX CONCURRENTLY sift_again ON sift
		USING hnsw (v vector_l2_ops);');
check_index($node, 'sift_again', 'CREATE INDEX CONCURRENTLY with workers');
is(links('sift_again'), links('sift_hnsw'), 'and it is the same index');
$node->safe_psql('postgres', 'REINDEX INDEX CONCURRENTLY sift_again');
check_index($node, 'sift_again', 'REINDEX CONCURRENTLY with workers');
$node->safe_psql('postgres', 'DROP INDEX sift_again');

# Errors of a worker, and of the leader while workers wait for it
for my $case ([ 'true', 'a worker' ], [ 'false', 'the leader' ])
{
	my ($in_worker, $who) = @$case;
	my ($status, $out, $error) = $node->psql('postgres',
		"CREATE INDEX bad ON few
		 USING hnsw ((fails_in($in_worker, v)::vector(128)) vector_l2_ops)");

	like($error, qr/no vector here/, "an error of $who ends the build");
	ok(!index_exists($node, 'bad'), 'and leaves no index');
}

# A cancel is heard in each phase, and workers go with the leader.
for my $case (
	[ 'CREATE INDEX cancelled ON few'
		  . ' USING hnsw ((slowly(v)::vector(128)) vector_l2_ops)',
		'loading tuples', 100 ],
	[ 'CREATE INDEX cancelled ON sift USING hnsw (v vector_l2_ops)'
		  . ' WITH (ef_construction = 1000, m = 100)',
		'building graph', 2000 ])
{
	my ($create, $phase, $steps) = @$case;
	my $build = start_sql($node, $create);
	my $pid = $node->safe_psql('postgres',
		"SELECT signal_build('$phase', $steps, 'CANCEL')");
	my ($status, $out, $error) = finish_sql($build);

	like($error, qr/canceling statement due to user request/,
		"cancelled while $phase");
	ok( $node->poll_query_until('postgres',
			"SELECT count(*) = 0 FROM pg_stat_activity
			 WHERE backend_type = 'parallel worker'"),
		'no worker is left');
	ok(!index_exists($node, 'cancelled'), 'no index is left');
}
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_ls_dir('base/pgsql_tmp', true, false)"),
	0,
	'no temporary file is left');

# Too little shared memory for a team
SKIP:
{
	my $disk = $ENV{VECTOR_HNSW_SMALL_DISK} // '';

	skip 'no small file system (VECTOR_HNSW_SMALL_DISK)', 3 if $disk eq '';
	my $segments = abs_path($disk) . '/dynshmem';
	my $directory = $node->data_dir . '/pg_dynshmem';

	$node->stop;
	mkdir $segments or die "could not make $segments: $!";
	rmdir $directory or die "could not remove $directory: $!";
	symlink $segments, $directory or die "could not link $directory: $!";
	$node->append_conf('postgresql.conf',
		'dynamic_shared_memory_type = mmap');
	$node->start;
	my ($status, $out, $error) = $node->psql('postgres',
		'CREATE INDEX short ON sift USING hnsw (v vector_l2_ops)');
	like(
		$error,
		qr/NOTICE:  hnsw index is built without parallel workers.*DETAIL:  .*No space left/s,
		'too little shared memory: a notice');
	check_index($node, 'short', 'and the index is built without workers');
	is(links('short'), links('sift_hnsw'), 'and it is the same index');
	$node->stop;
	unlink $directory;
	mkdir $directory, 0700;
	unlink glob("$segments/*");
	rmdir $segments;
	$node->append_conf('postgresql.conf',
		'dynamic_shared_memory_type = posix');
	$node->start;
}

check_log($node);
$node->stop;

done_testing();
