# A standby while rows come, go and come again on the primary: no scan there
# ends with an error, each sees the rows of its snapshot in order, cursors
# live through the reuse of the points they were about to visit.  Each page
# that the standby replays is compared with the primary's.  Promoted in the
# middle of that, it goes on as a primary.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{VECTOR_HNSW_LONG} ? 120 : 10;
my $rounds = $ENV{VECTOR_HNSW_LONG} ? 60 : 6;

my $primary = new_node('primary',
	init => { allows_streaming => 1 },
	settings => "wal_consistency_checking = 'generic'\n"
	  . "shared_buffers = 32MB\nmax_connections = 30\n"
	  . "max_standby_streaming_delay = -1\n"
	  . "log_recovery_conflict_waits = on\nfsync = off\n"
	  . "wal_keep_size = 1GB\n");
prepare($primary);
load_vectors($primary, 'sift');
$primary->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

# busy begins empty and grows; in twins each vector is that of many rows, whose
# lists come and go with their point.  crowd has a few points that stay, and lists
# of rows that come and go.
$primary->safe_psql('postgres', <<'SQL');
ALTER TABLE sift ADD PRIMARY KEY (id);
CREATE TABLE busy (id int, v vector(128), note int);
CREATE INDEX busy_hnsw ON busy USING hnsw (v vector_l2_ops)
	WITH (m = 8, ef_construction = 32);
CREATE TABLE busy_query AS SELECT id, v FROM sift_query;
CREATE TABLE twins (id int, v vector(4));
CREATE INDEX twins_hnsw ON twins USING hnsw (v vector_l2_ops) WITH (m = 4);
CREATE TABLE twins_query AS
	SELECT i AS id, ARRAY[i, i * 7 % 10, i * 3 % 10, 0]::vector AS v
	FROM generate_series(0, 9) i;

-- n rows for each vector of a block of 100
CREATE PROCEDURE add_twins(block int, n int) LANGUAGE sql AS
'INSERT INTO twins
 SELECT block, ARRAY[i / 10, i % 10, block % 10, block / 10]::vector
 FROM generate_series(0, 99) i, generate_series(1, n)';

CREATE TABLE crowd (id int, v vector(2), note int) WITH (fillfactor = 50);
CREATE INDEX ON crowd (note);	-- no HOT updates
CREATE INDEX crowd_hnsw ON crowd USING hnsw (v vector_l2_ops);
CREATE TABLE crowd_query AS SELECT 1 AS id, '[0,0]'::vector AS v;

-- An error unless a scan gives each row once
CREATE FUNCTION try_all(name text) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
	found	record;
BEGIN
	SELECT * INTO found FROM scan_all(name);
	IF found.missing <> 0 OR found.twice <> 0 THEN
		RAISE EXCEPTION 'rows missing, and twice: %', found;
	END IF;
END $$;

INSERT INTO crowd SELECT i, ARRAY[i % 3, 0]::vector, 0
	FROM generate_series(1, 6000) i;
INSERT INTO busy SELECT id, v, 0 FROM sift WHERE id < 2000;
CALL add_twins(0, 8);
CALL add_twins(1, 3);
SQL

sub catch_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	return;
}

sub sound
{
	my ($node, $text) = @_;

	check_all_rows($node, $_, $text) for ('busy', 'twins', 'crowd');
	return;
}

catch_up();
sound($standby, 'after inserts from an empty index on');

#
# Cursors over points that are given back and used again
#

for my $round (1 .. $rounds)
{
	my $session = start_session($standby);
	my $from = 10 * $round;
	my $to = $from + 10;
	my $next = $round + 1;

	# The standby's snapshot does not see the rows that go.  They are all of
	# some blocks, as the executor has a pin on the block of the row that a
	# cursor is at, which replay waits for where rows are removed, or frozen
	# (with checksums, PostgreSQL 18's default, VACUUM does that at once).
	$primary->safe_psql('postgres',
		'VACUUM (FREEZE, INDEX_CLEANUP OFF, TRUNCATE OFF) busy, twins');
	$primary->safe_psql('postgres',
		"DELETE FROM busy WHERE ctid >= '($from, 0)' AND ctid < '($to, 0)';
		 DELETE FROM twins WHERE ctid >= '($round, 0)' AND ctid < '($next, 0)'"
	);
	catch_up();
	ask($session, <<'SQL');
SET enable_seqscan = off;
SET hnsw.ef_search = 10;
BEGIN ISOLATION LEVEL REPEATABLE READ;
DECLARE b CURSOR FOR SELECT v <-> (SELECT v FROM busy_query LIMIT 1) AS d
	FROM busy ORDER BY 1;
DECLARE t CURSOR FOR SELECT v <-> (SELECT v FROM twins_query LIMIT 1) AS d
	FROM twins ORDER BY 1
SQL
	my @b = split /\n/, ask($session, 'FETCH 7 FROM b');
	my @t = split /\n/, ask($session, 'FETCH 7 FROM t');

	# Their points are marked dead, given back, and used again below.  Neither
	# vacuum does what the standby would have to wait for the cursors with:
	# there are no rows too new for them, the table keeps its length, and it
	# has no other index.
	my $vacuum = 'VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) busy, twins';
	$primary->safe_psql('postgres', $_)
	  for ($vacuum, 'SELECT txid_current()', $vacuum);
	cmp_ok(
		$primary->safe_psql('postgres',
			"SELECT free_points FROM hnsw_index_stats('busy_hnsw')"),
		'>', 50, "round $round: points are given back");
	catch_up();
	push @b, split /\n/, ask($session, 'FETCH 50 FROM b');
	push @t, split /\n/, ask($session, 'FETCH 50 FROM t');
	$primary->safe_psql('postgres',
		"INSERT INTO busy SELECT id, v, 1 FROM sift
			WHERE id BETWEEN 3000 + 15 * $from AND 3149 + 15 * $from;
		 CALL add_twins($next, 1 + $next % 7)");
	catch_up();
	push @b, split /\n/, ask($session, 'FETCH 1000 FROM b');
	push @t, split /\n/, ask($session, 'FETCH ALL FROM t');
	my ($busy, $twins) = split /\|/, ask($session,
		'SELECT (SELECT count(*) FROM busy), (SELECT count(*) FROM twins)');

	is(scalar @b, 1057, "round $round: as many rows as asked for");
	is(scalar @t, $twins, "round $round: all rows of the snapshot");
	is("@b", join(' ', sort { $a <=> $b } @b), "round $round: in order");
	is("@t", join(' ', sort { $a <=> $b } @t), "round $round: in order");
	ask($session, 'COMMIT');
	finish_session($session);
}
note $primary->safe_psql('postgres',
	"SELECT to_json(hnsw_index_stats('twins_hnsw'))");
sound($primary, 'after these rounds, on the primary');
sound($standby, 'after these rounds, on the standby');

#
# Everything at once
#

$primary->safe_psql('postgres',
	'CREATE INDEX ON busy (id); CREATE INDEX ON busy (note)');

my %scripts = (
	insert => '\set id random(0, 9999)
INSERT INTO busy SELECT id, v, 0 FROM sift WHERE id = :id;',
	delete => '\set id random(0, 9999)
DELETE FROM busy WHERE id = :id;',
	note => '\set id random(0, 9999)
UPDATE busy SET note = note + 1 WHERE id = :id;',
	move => '\set id random(0, 9999)
UPDATE busy SET v = (SELECT v FROM sift WHERE sift.id = 9999 - busy.id)
	WHERE id = :id;',
	twins => '\set block random(0, 20)
BEGIN;
DELETE FROM twins WHERE id = :block;
CALL add_twins(:block, 1 + :block % 7);
END;',
	crowd => '\set from random(1, 6000)
\set n random(1, 500)
UPDATE crowd SET note = note + 1 WHERE id BETWEEN :from AND :from + :n;');
my $load = start_pgbench($primary, '-c', 3, '-T', $seconds,
	'-f', pgbench_script($primary, 'insert', $scripts{insert}) . '@6',
	'-f', pgbench_script($primary, 'delete', $scripts{delete}) . '@4',
	'-f', pgbench_script($primary, 'note', $scripts{note}) . '@3',
	'-f', pgbench_script($primary, 'move', $scripts{move}) . '@3');
my $twins = start_pgbench($primary, '-c', 1, '-T', $seconds, '-R', 10,
	'-f', pgbench_script($primary, 'twins', $scripts{twins}));
my $vacuum = start_pgbench($primary, '-c', 1, '-T', $seconds, '-R', 10,
	'-f', pgbench_script($primary, 'vacuum',
		"VACUUM (INDEX_CLEANUP ON) busy;\nVACUUM (INDEX_CLEANUP ON) twins;\n"
		  . "VACUUM (INDEX_CLEANUP ON) crowd;\n"));
my $crowd = start_pgbench($primary, '-c', 1, '-T', $seconds, '-R', 20,
	'-f', pgbench_script($primary, 'crowd', $scripts{crowd}) . '@1',
	'-f', pgbench_script($primary, 'try_crowd', "SELECT try_all('crowd');\n") . '@1');
my $scans = start_pgbench($standby, '-c', 2, '-T', $seconds,
	'-f', pgbench_script($standby, 'try', "SELECT try('busy', 100);\n") . '@8',
	'-f', pgbench_script($standby, 'twins', "SELECT try('twins', 40);\n") . '@8',
	'-f', pgbench_script($standby, 'crowd', "SELECT try_all('crowd');\n") . '@4',
	'-f', pgbench_script($standby, 'check',
		"SET client_min_messages = error;\n"
		  . "SELECT hnsw_index_check('busy_hnsw', true),"
		  . " hnsw_index_check('twins_hnsw', true),"
		  . " hnsw_index_check('crowd_hnsw', true),"
		  . " hnsw_index_stats('twins_hnsw');\n") . '@1');

sub ends_well
{
	my ($load, $text) = @_;
	my ($status, $out, $error) = finish_sql($load);

	is("$status: $error", '0: ', $text);
	note $out;
	return;
}

ends_well($scans, 'scans and checks on the standby');
ends_well($load, 'changes on the primary');
ends_well($twins, 'changes of lists of rows on the primary');
ends_well($crowd, 'changes and scans of lists that stay on the primary');
ends_well($vacuum, 'vacuum on the primary');
catch_up();
sound($primary, 'after all that, on the primary');
sound($standby, 'after all that, on the standby');

#
# Promotion
#

my $last = start_pgbench($primary, '-c', 2, '-T', 60,
	'-f', pgbench_script($primary, 'more', $scripts{insert}));
sleep(1);
$standby->promote;
$primary->stop('immediate');
finish_sql($last);
sound($standby, 'after promotion');
$standby->safe_psql('postgres', 'DELETE FROM busy WHERE id % 5 = 0');
$standby->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) busy');
$standby->safe_psql('postgres',
	'INSERT INTO busy SELECT id, v, 0 FROM sift WHERE id % 10 = 0;
	 UPDATE busy SET note = 5 WHERE id % 7 = 0;
	 CALL add_twins(30, 5)');
$standby->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) busy, twins');
sound($standby, 'after changes of the promoted standby');
cmp_ok(recall_now($standby, 'busy'), '>=', 0.9, 'recall after promotion');

check_log($primary);
check_log($standby);
$standby->stop;
done_testing();
