# Crashes while rows come, go and change: kill -9 of backends and of the whole
# server under a mixed load from several clients.  Each time the index is
# sound, has every row of the table, and finds the neighbours.
#
# VECTOR_HNSW_SEED repeats the choices of a run, though not its timing;
# VECTOR_HNSW_LONG takes more rounds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $seed = $ENV{VECTOR_HNSW_SEED} // time;
my $rounds = $ENV{VECTOR_HNSW_LONG} ? 80 : 8;

diag "VECTOR_HNSW_SEED=$seed";
srand($seed);

my $node = new_node('crash_load',
	settings => "restart_after_crash = on\nmax_connections = 30\n"
	  . "checkpoint_timeout = 30s\nmax_wal_size = 32MB\nmin_wal_size = 32MB\n"
	  . "shared_buffers = 32MB\nfsync = off\n");
prepare($node);
load_vectors($node, 'sift');
load_vectors($node, 'hog');

# busy begins with a build, grown with nothing; few links make many levels.
$node->safe_psql('postgres', <<'SQL');
ALTER TABLE sift ADD PRIMARY KEY (id);
CREATE TABLE busy (id int, v vector(128), note int);
INSERT INTO busy SELECT id, v, 0 FROM sift WHERE id < 500;
CREATE TABLE grown (LIKE busy);
CREATE INDEX busy_hnsw ON busy USING hnsw (v vector_l2_ops)
	WITH (m = 8, ef_construction = 32);
CREATE INDEX grown_hnsw ON grown USING hnsw (v vector_l2_ops)
	WITH (m = 4, ef_construction = 32, link_format = plain);
CREATE INDEX ON busy (id);
CREATE INDEX ON busy (note);
CREATE INDEX ON grown (id);
CREATE TABLE busy_query AS SELECT id, v FROM sift_query;
CREATE TABLE grown_query AS SELECT id, v FROM sift_query;
SQL

my %scripts = (
	insert => [ 8, '\set id random(0, 9999)
INSERT INTO busy SELECT id, v, 0 FROM sift WHERE id = :id;' ],
	grow => [ 4, '\set id random(0, 9950)
INSERT INTO grown SELECT id, v, 0 FROM sift
	WHERE id BETWEEN :id AND :id + 4;' ],
	delete => [ 4, '\set id random(0, 9980)
DELETE FROM busy WHERE id BETWEEN :id AND :id + 9;' ],
	shrink => [ 1, '\set id random(0, 9900)
DELETE FROM grown WHERE id BETWEEN :id AND :id + 99;' ],
	note => [ 4, '\set id random(0, 9980)
UPDATE busy SET note = note + 1 WHERE id BETWEEN :id AND :id + 9;' ],
	move => [ 4, '\set id random(0, 9980)
UPDATE busy SET v = (SELECT v FROM sift WHERE sift.id = 9999 - busy.id)
	WHERE id BETWEEN :id AND :id + 4;' ],
	fail => [ 1, '\set id random(0, 9900)
BEGIN;
INSERT INTO busy SELECT id, v, 0 FROM sift WHERE id BETWEEN :id AND :id + 9;
ROLLBACK;' ],
	scan => [ 2, "SELECT count(*) FROM nearest_by_index('busy', '<->', 60, 2),
	nearest_by_index('grown', '<->', 60, 2);" ]);
my @load = map {
	('-f', pgbench_script($node, $_, $scripts{$_}[1]) . '@' . $scripts{$_}[0])
} sort keys %scripts;
my @vacuum = ('-f', pgbench_script($node, 'vacuum',
		"VACUUM (INDEX_CLEANUP ON) busy;\nVACUUM (INDEX_CLEANUP ON) grown;\n"));

sub wait_for_server
{
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or die 'server does not come back';
	return;
}

# One of the backends that work on the tables; none when all are between two
# statements
sub some_backend
{
	my @pids = split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity
		 WHERE state = 'active' AND pid <> pg_backend_pid()
			AND backend_type = 'client backend'");

	return @pids ? $pids[ rand @pids ] : undef;
}

# kill -9 of a backend, or of all
sub crash
{
	my ($how) = @_;
	my $pid;

	for (1 .. 1000)
	{
		last if defined($pid = some_backend());
	}
	die 'nobody works' unless defined $pid;
	if ($how eq 'server')
	{
		kill_server($node, $pid);
		start_after_kill($node);
	}
	else
	{
		kill 'KILL', $pid;
		sleep(0.1);
		wait_for_server();
	}
	return;
}

for my $round (1 .. $rounds)
{
	my $how = rand(2) < 1 ? 'backend' : 'server';
	my $load = start_pgbench($node, '-c', 4, '-T', 60, @load);
	my $vacuum = start_pgbench($node, '-c', 1, '-T', 60, @vacuum);
	my $build = rand(3) < 1
	  ? start_sql($node, 'REINDEX INDEX CONCURRENTLY grown_hnsw')
	  : undef;

	sleep(0.3 + rand(1.5));
	crash($how);
	finish_sql($_) for grep { defined } ($load, $vacuum, $build);
	for my $name ('busy', 'grown')
	{
		check_all_rows($node, $name, "round $round, $how killed");
		cmp_ok(recall_now($node, $name),
			'>=', 0.9, "round $round: recall of $name");
	}
	for my $left (split /\n/,
		$node->safe_psql('postgres',
			"SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid"))
	{
		$node->safe_psql('postgres', "DROP INDEX $left");
	}
}
note $node->safe_psql('postgres',
	"SELECT i, to_json(hnsw_index_stats(i))
	 FROM (VALUES ('busy_hnsw'::regclass), ('grown_hnsw')) indexes(i)");

#
# Builds beside which others write
#

for my $command ('CREATE', 'REINDEX')
{
	for my $point ([ 'sampling table', 0 ], [ 'loading tuples', 10 ])
	{
		my ($phase, $steps) = @$point;
		my $name = 'slow_hnsw';
		my $text = "$command CONCURRENTLY killed while $phase";
		my $create = 'CREATE INDEX %s slow_hnsw ON hog USING hnsw'
		  . ' ((slowly(v)::vector(768)) vector_l2_ops) WHERE id < 300';

		if ($command eq 'REINDEX')
		{
			$node->safe_psql('postgres', sprintf($create, ''));
			$name = 'slow_hnsw_ccnew';
			$create = 'REINDEX INDEX %s slow_hnsw';
		}

		my $build = freeze_build($node, sprintf($create, 'CONCURRENTLY'),
			$phase, $steps);
		kill_server($node, $build->{pid});
		finish_sql($build);
		start_after_kill($node);
		is( $node->safe_psql('postgres',
				"SELECT indisvalid FROM pg_index
				 WHERE indexrelid = '$name'::regclass"),
			'f', "$text: what is left is not valid");

		# nobody minds it
		$node->safe_psql('postgres',
			'INSERT INTO hog SELECT id, v FROM hog WHERE id < 5;
			 UPDATE hog SET id = id WHERE id < 20;
			 DELETE FROM hog WHERE id = 7');
		$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) hog');
		check_index($node, 'slow_hnsw', "$text: the old index is sound")
		  if $command eq 'REINDEX';
		$node->safe_psql('postgres', "REINDEX INDEX $name");
		check_index($node, $name, "$text: built again it is sound");
		$node->safe_psql('postgres', "DROP INDEX slow_hnsw");
		$node->safe_psql('postgres', "DROP INDEX IF EXISTS $name");
	}
}

#
# Changes that are not in the log
#

# After a crash an unlogged table is empty, and takes rows again.
$node->safe_psql('postgres', <<'SQL');
CREATE UNLOGGED TABLE u (LIKE busy);
CREATE TABLE u_query AS TABLE busy_query;
CREATE INDEX u_hnsw ON u USING hnsw (v vector_l2_ops) WITH (m = 4);
INSERT INTO u SELECT id, v, 0 FROM sift WHERE id < 300;
DELETE FROM u WHERE id % 3 = 0;
VACUUM (INDEX_CLEANUP ON) u;
INSERT INTO u SELECT id, v, 1 FROM sift WHERE id BETWEEN 1000 AND 1100;
SQL
check_all_rows($node, 'u', 'unlogged');
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM u'),
	0, 'unlogged, after a crash: no rows');
check_all_rows($node, 'u', 'unlogged, after a crash');
$node->safe_psql('postgres', <<'SQL');
INSERT INTO u SELECT id, v, 0 FROM sift WHERE id < 300;
DELETE FROM u WHERE id % 3 = 0;
VACUUM (INDEX_CLEANUP ON) u;
UPDATE u SET note = 1;
INSERT INTO u SELECT id, v, 1 FROM sift WHERE id BETWEEN 1000 AND 1100;
SQL
check_all_rows($node, 'u', 'unlogged, after a crash and changes');

# Temporary tables, whose indexes are also emptied in place
my $session = start_session($node);
ask($session, <<'SQL');
CREATE TEMPORARY TABLE t (LIKE busy);
CREATE TEMPORARY TABLE t_query AS TABLE busy_query;
CREATE INDEX t_hnsw ON t USING hnsw (v vector_l2_ops) WITH (m = 4);
CREATE TEMPORARY TABLE e (LIKE busy) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE e_query AS TABLE busy_query;
CREATE INDEX e_hnsw ON e USING hnsw (v vector_l2_ops) WITH (m = 4)
SQL
for my $round (1 .. 3)
{
	ask($session, <<'SQL');
INSERT INTO t SELECT id, v, 0 FROM sift WHERE id < 400;
DELETE FROM t WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP ON) t;
BEGIN;
INSERT INTO e SELECT id, v, 0 FROM sift WHERE id < 200
SQL
	is( ask($session,
			"SELECT hnsw_index_check('t_hnsw', true),
					hnsw_index_check('e_hnsw', true), scan_all('t'),
					scan_all('e'), (SELECT count(*) FROM e)"),
		'||(0,0)|(0,0)|200', "temporary tables, round $round");
	ask($session, 'COMMIT');
	is( ask($session,
			"SELECT hnsw_index_check('e_hnsw', true), scan_all('e'),
					(SELECT count(*) FROM e)"),
		'|(0,0)|0', "temporary table emptied at commit, round $round");
	ask($session, 'TRUNCATE t') if $round == 2;
}
finish_session($session);

# Without a log for new relations, rows that come after the build of their
# index and before the commit
$node->append_conf('postgresql.conf',
	"wal_level = minimal\nmax_wal_senders = 0\n");
for my $threshold ('0', '1GB')
{
	$node->append_conf('postgresql.conf',
		"wal_skip_threshold = $threshold\n");
	$node->restart;
	$node->safe_psql('postgres', <<'SQL');
BEGIN;
CREATE TABLE same (LIKE busy);
INSERT INTO same SELECT id, v, 0 FROM sift WHERE id < 300;
CREATE INDEX same_hnsw ON same USING hnsw (v vector_l2_ops) WITH (m = 4);
INSERT INTO same SELECT id, v, 1 FROM sift WHERE id BETWEEN 1000 AND 1300;
UPDATE same SET v = (SELECT v FROM sift WHERE sift.id = same.id + 2000)
	WHERE id % 7 = 0;
COMMIT;
CREATE TABLE same_query AS TABLE busy_query;
INSERT INTO same SELECT id, v, 2 FROM sift WHERE id BETWEEN 2000 AND 2010;
SQL
	$node->stop('immediate');
	$node->start;
	check_all_rows($node, 'same',
		"minimal log, wal_skip_threshold $threshold");
	$node->safe_psql('postgres', 'DROP TABLE same, same_query');
}

check_log($node);
$node->stop;
done_testing();
