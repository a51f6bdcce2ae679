# Crashes during and after CREATE INDEX.
#
# A crash here is kill -9 of the building backend or of the postmaster, or an
# immediate stop.  What the operating system keeps of files survives all of
# these, so where the log has to bring back a file the test empties it first.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_node('crash', settings => "restart_after_crash = on\n");
prepare($node);
load_vectors($node, 'sift');
load_vectors($node, 'hog');
load_wide($node, 500);

my $sift_hnsw = 'CREATE INDEX sift_hnsw ON sift USING hnsw (v vector_l2_ops)';

# Where a build is killed
my @points = (
	[ $slow_to_load, 'sampling table', 0 ],
	[ $slow_to_load, 'loading tuples', 100 ],
	[ $slow_to_build, 'building graph', 10 ],
	[ $slow_to_build, 'building graph', 2000 ],
	[ $slow_to_write, 'writing pages', 1 ],
	[ $slow_to_write, 'writing pages', 1000 ]);

sub index_of
{
	return $_[0] =~ /INDEX (\w+)/ ? $1 : die;
}

# Index files are found and emptied while the server is down.
sub relation_file
{
	my ($relation) = @_;

	return $node->data_dir . '/'
	  . $node->safe_psql('postgres',
		"SELECT pg_relation_filepath('$relation')");
}

sub empty_file
{
	my ($path) = @_;

	truncate($path, 0) or die "$path: $!";
	return;
}

sub wait_for_server
{
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or die 'server does not come back';
	return;
}

# The backend that builds
for my $point (@points)
{
	my ($create, $phase, $steps) = @$point;
	my $build = freeze_build($node, $create, $phase, $steps);

	kill 'KILL', $build->{pid};
	my ($status) = finish_sql($build);
	isnt($status, 0, "$phase, $steps: backend killed");
	wait_for_server();
	ok(!index_exists($node, index_of($create)),
		"$phase, $steps: no index is left");
}

# The postmaster and with it the backend
for my $point (@points)
{
	my ($create, $phase, $steps) = @$point;
	my $build = freeze_build($node, $create, $phase, $steps);

	kill_server($node, $build->{pid});
	finish_sql($build);
	start_after_kill($node);
	ok(!index_exists($node, index_of($create)),
		"$phase, $steps: no index is left after kill -9 of the postmaster");
}

# Any time at all
if ($ENV{VECTOR_HNSW_LONG})
{
	my $seed = $ENV{VECTOR_HNSW_SEED} // 1;

	note "seed $seed";
	srand($seed);
	for my $round (1 .. 40)
	{
		my ($name, $seconds) = @{ [ [ 'hog', 1 ], [ 'sift', 2 ] ]->[ rand 2 ] };
		my $build = start_sql($node,
			'SELECT pg_backend_pid()',
			"CREATE INDEX any_time ON $name USING hnsw (v vector_l2_ops)");

		$build->{run}->pump until $build->{out} =~ /(\d+)\n/;
		sleep(rand $seconds);
		kill 'KILL', $1;
		finish_sql($build);
		wait_for_server();
		check_index($node, 'any_time', 'killed after the commit')
		  if index_exists($node, 'any_time');
		$node->safe_psql('postgres', 'DROP INDEX IF EXISTS any_time');
	}
}

# What survived all that is fit for a build
$node->safe_psql('postgres', $sift_hnsw);
check_index($node, 'sift_hnsw');
my $answers = answers($node, 'sift', '<->', 20);
$node->safe_psql('postgres', $slow_to_write);
check_index($node, 'slow_write');
my $wide_answers = answers($node, 'wide', '<->', 20);
$node->safe_psql('postgres', 'DROP INDEX sift_hnsw, slow_write');

sub crash_and_compare
{
	my ($text, @empty) = @_;

	$node->stop('immediate');
	empty_file($_) for @empty;
	$node->start;
	check_index($node, 'sift_hnsw', "$text: index passes the check");
	is(answers($node, 'sift', '<->', 20), $answers, "$text: same answers");
	is(index_used($node, 'sift', '<->'), 'sift_hnsw', "$text: index is used");
	return;
}

# Right after the commit; recovery starts before the build
$node->safe_psql('postgres', "CHECKPOINT; $sift_hnsw");
crash_and_compare('crash after commit', relation_file('sift_hnsw'));

# A checkpoint after the build and before the commit
$node->safe_psql('postgres', 'DROP INDEX sift_hnsw');
$node->safe_psql('postgres', "BEGIN; $sift_hnsw; CHECKPOINT; COMMIT");
crash_and_compare('checkpoint before commit');

# A checkpoint while pages are written
{
	my $build =
	  freeze_build($node, $slow_to_write, 'writing pages', 1000);
	my $checkpoint = start_sql($node, 'CHECKPOINT');
	my ($status, undef, $error) = release_build($build);

	is("$status: $error", '0: ', 'build with a checkpoint');
	finish_sql($checkpoint);
	$node->stop('immediate');
	$node->start;
	check_index($node, 'slow_write',
		'checkpoint while writing: index passes the check');
	is(answers($node, 'wide', '<->', 20),
		$wide_answers, 'checkpoint while writing: same answers');
	$node->safe_psql('postgres', 'DROP INDEX slow_write');
}

# REINDEX that is killed leaves the old index as it was
{
	my $build = freeze_build($node, 'REINDEX INDEX sift_hnsw',
		'building graph', 100);

	kill 'KILL', $build->{pid};
	finish_sql($build);
	wait_for_server();
	check_index($node, 'sift_hnsw', 'killed REINDEX: old index is sound');
	is(answers($node, 'sift', '<->', 20),
		$answers, 'killed REINDEX: same answers');
}

# Rows taken out by VACUUM stay out.  VACUUM need not flush its log, so let
# another transaction do that.
{
	$node->safe_psql('postgres',
		'CHECKPOINT; DELETE FROM sift WHERE id % 3 = 0');
	$node->safe_psql('postgres', 'VACUUM sift');
	my $answers_left = answers($node, 'sift', '<->', 20);
	$node->safe_psql('postgres', 'CREATE TABLE flush ()');
	$node->stop('immediate');
	$node->start;
	check_index($node, 'sift_hnsw', 'crash after VACUUM: index is sound');
	is(answers($node, 'sift', '<->', 20),
		$answers_left, 'crash after VACUUM: same answers');
	isnt($answers_left, $answers, 'and they are others than before');
}

# An unlogged table is empty after a crash, its index is one without rows.
# The init forks come from the log, too.
{
	$node->safe_psql('postgres',
		'CHECKPOINT;
		 CREATE UNLOGGED TABLE u AS SELECT * FROM hog;
		 CREATE TABLE u_query AS SELECT * FROM hog_query;
		 CREATE INDEX u_hnsw ON u USING hnsw (v vector_l2_ops)');
	my $before = answers($node, 'u', '<->', 20);

	isnt($before, '', 'unlogged: there are answers');
	check_index($node, 'u_hnsw', 'unlogged: index passes the check');
	$node->restart;
	is(answers($node, 'u', '<->', 20),
		$before, 'unlogged: same answers after a clean restart');
	check_index($node, 'u_hnsw',
		'unlogged: index passes the check after a clean restart');

	# the restart was a checkpoint: make the log anew
	$node->safe_psql('postgres',
		'DROP INDEX u_hnsw;
		 CREATE INDEX u_hnsw ON u USING hnsw (v vector_l2_ops)');
	my $file = relation_file('u_hnsw');
	$node->stop('immediate');
	empty_file($_) for ($file, "${file}_init");
	$node->start;
	is( $node->safe_psql('postgres',
			"SET enable_seqscan = off;
			 SELECT count(*) FROM
				(SELECT id FROM u ORDER BY v <->
					(SELECT v FROM u_query WHERE id = 0) LIMIT 5) r"),
		'0',
		'unlogged: no rows after a crash');
	check_index($node, 'u_hnsw',
		'unlogged: index passes the check after a crash');
	is(index_used($node, 'u', '<->'), 'u_hnsw', 'unlogged: index is used');
	$node->safe_psql('postgres',
		'DROP INDEX u_hnsw;
		 INSERT INTO u SELECT * FROM hog;
		 CREATE INDEX u_hnsw ON u USING hnsw (v vector_l2_ops)');
	is(answers($node, 'u', '<->', 20),
		$before, 'unlogged: same answers from an index built anew');
}

# Without a log for new relations their files are synced, or logged if they
# are small, at commit.
for my $threshold ('0', '1GB')
{
	my $text = "minimal log, wal_skip_threshold $threshold";

	$node->append_conf('postgresql.conf',
		"wal_level = minimal\nmax_wal_senders = 0\n"
		  . "wal_skip_threshold = $threshold\n");
	$node->restart;
	$node->safe_psql('postgres',
		'BEGIN;
		 CREATE TABLE same (id int, v vector(768));
		 INSERT INTO same SELECT * FROM hog;
		 CREATE INDEX same_hnsw ON same USING hnsw (v vector_l2_ops);
		 COMMIT;
		 CREATE TABLE same_query AS SELECT * FROM hog_query;
		 CREATE INDEX hog_hnsw ON hog USING hnsw (v vector_l2_ops)');
	my $before = answers($node, 'hog', '<->', 20);

	$node->stop('immediate');
	$node->start;
	for my $name ('same', 'hog')
	{
		check_index($node, "${name}_hnsw",
			"$text: index on $name passes the check");
		is(answers($node, $name, '<->', 20),
			$before, "$text: same answers from $name");
	}
	$node->safe_psql('postgres',
		'DROP TABLE same, same_query; DROP INDEX hog_hnsw');
}

check_log($node);
$node->stop;
done_testing();
