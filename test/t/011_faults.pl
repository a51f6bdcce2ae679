# Errors at any time while an index changes: timeouts, cancels, a full disk.
# The statement says what happened; the index stays sound, has all rows of the
# table, and goes on to be changed.
#
# Errors at each step of each command: test/points.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{VECTOR_HNSW_LONG} ? 60 : 8;
my $last_timeout = $ENV{VECTOR_HNSW_LONG} ? 300 : 40;

my $node = new_node('faults',
	settings => "max_connections = 30\nfsync = off\n");
prepare($node);
load_vectors($node, 'sift');
$node->safe_psql('postgres', <<'SQL');
ALTER TABLE sift ADD PRIMARY KEY (id);
CREATE TABLE busy (id int, v vector(128), note int);
INSERT INTO busy SELECT id, v, 0 FROM sift WHERE id < 1000;
CREATE INDEX busy_hnsw ON busy USING hnsw (v vector_l2_ops)
	WITH (m = 6, ef_construction = 32);
CREATE INDEX ON busy (note);
CREATE TABLE busy_query AS TABLE sift_query;
SQL

my $stats = "SELECT to_json(hnsw_index_stats('busy_hnsw'))";

# run_through(STATEMENTS): their errors, each a line
sub run_through
{
	my ($sql) = @_;
	my ($status, $out, $error) =
	  $node->psql('postgres', $sql, on_error_stop => 0);

	die $error if $status != 0;
	return grep { /ERROR|FATAL|PANIC/ } split /\n/, $error;
}

#
# Timeouts, wherever they come
#

my $timeout_error = 'canceling statement due to statement timeout';
my %hit;
my $statements = 0;

for my $timeout (1 .. $last_timeout)
{
	my $from = 1000 + 97 * $timeout % 8000;
	my %commands = (
		insert => "INSERT INTO busy SELECT id, v, 0 FROM sift
			WHERE id BETWEEN $from AND $from + 149",
		note => "UPDATE busy SET note = note + 1 WHERE id % 5 = $timeout % 5",
		move => "UPDATE busy SET v = (SELECT v FROM sift
				WHERE sift.id = busy.id + $timeout)
			WHERE id % 31 = $timeout % 31",
		delete => "DELETE FROM busy WHERE id % 9 = $timeout % 9",
		vacuum => 'VACUUM (INDEX_CLEANUP ON) busy',
		build => 'CREATE INDEX built ON busy USING hnsw (v vector_l2_ops)',
		concurrent => 'REINDEX INDEX CONCURRENTLY busy_hnsw');

	for my $what ('insert', 'note', 'move', 'delete', 'vacuum', 'build',
		$timeout % 8 ? () : ('concurrent'))
	{
		my @errors = run_through(
			"SET statement_timeout = $timeout;\n$commands{$what};\n"
			  . "SET statement_timeout = 0;\nDROP INDEX IF EXISTS built,"
			  . " busy_hnsw_ccnew, busy_hnsw_ccold;");

		$statements++;
		$hit{$what}++ if @errors;
		fail("$what after $timeout ms: @errors")
		  if grep { !/$timeout_error/ } @errors;
	}
	check_all_rows($node, 'busy', "timeouts up to $timeout ms")
	  if $timeout % 10 == 0;
}
note "of $statements statements, ended by a timeout: "
  . join(', ', map { "$_ $hit{$_}" } sort keys %hit);
for my $what ('insert', 'vacuum', 'build')
{
	cmp_ok($hit{$what}, '>', 0, "some timeouts hit $what");
}

#
# Cancels of several sessions at once
#

{
	my @scripts = (
		"\\set id random(0, 9900)\n"
		  . "INSERT INTO busy SELECT id, v, 0 FROM sift
			WHERE id BETWEEN :id AND :id + 60;\n",
		"\\set id random(0, 9900)\n"
		  . "DELETE FROM busy WHERE id BETWEEN :id AND :id + 80;\n",
		"\\set id random(0, 9900)\n"
		  . "UPDATE busy SET note = note + 1 WHERE id BETWEEN :id AND :id + 30;\n",
		"VACUUM (INDEX_CLEANUP ON) busy;\n");
	my @paths = map {
		my $path = $node->basedir . "/cancel_$_.sql";
		append_to_file($path, $scripts[$_] =~ s/\n\t+/ /gr);
		$path
	} 0 .. $#scripts;
	my $wrong = 'nothing';
	my $cancels = 0;
	my $end = time + $seconds - 2;
	my $canceller = start_sql($node, <<SQL);
DO \$\$
BEGIN
	WHILE clock_timestamp() < now() + interval '$seconds s' LOOP
		PERFORM pg_stat_clear_snapshot();
		PERFORM pg_cancel_backend(pid) FROM pg_stat_activity
			WHERE state = 'active' AND pid <> pg_backend_pid()
			AND backend_type = 'client backend' AND random() < 0.3;
		PERFORM pg_sleep(0.02 * random());
	END LOOP;
END \$\$
SQL

	# A client of pgbench ends with its first error.
	while (time < $end)
	{
		my @loads = map { start_pgbench($node, '-c', 1, '-T', 2, '-f', $_) }
		  @paths;

		for my $load (@loads)
		{
			my ($status, undef, $error) = finish_sql($load);

			if ($error =~ /canceling statement due to user request/)
			{
				$cancels++;
			}
			elsif ($status != 0)
			{
				$wrong = $error;
			}
		}
	}
	finish_sql($canceller);
	note "$cancels cancels";
	is($wrong, 'nothing', 'cancels are the only errors');
	cmp_ok($cancels, '>', 5, 'there were some');
	check_all_rows($node, 'busy', 'after cancels');
}
note $node->safe_psql('postgres', $stats);

# What was taken in vain is little, and the rest comes back.
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) busy');
$node->safe_psql('postgres',
	'INSERT INTO busy SELECT id, v, 0 FROM sift WHERE id < 500');
$node->safe_psql('postgres', 'DELETE FROM busy WHERE id % 3 = 0');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) busy');
check_all_rows($node, 'busy', 'and after more changes');
cmp_ok(recall_now($node, 'busy'), '>=', 0.9, 'recall after all that');

#
# A full disk: an empty directory on a file system of 4 MB
#

SKIP:
{
	my $dir = $ENV{VECTOR_HNSW_SMALL_DISK};
	my $full = qr/No space left on device/;

	skip 'VECTOR_HNSW_SMALL_DISK names no directory', 1 unless defined $dir;
	$node->safe_psql('postgres', <<SQL);
CREATE TABLESPACE small LOCATION '$dir';
CREATE TABLE packed (id int, v vector(128), note int);
CREATE TABLE packed_query AS TABLE sift_query;
CREATE INDEX packed_hnsw ON packed USING hnsw (v vector_l2_ops)
	WITH (m = 4, ef_construction = 16, quantizer = float) TABLESPACE small;
CREATE TABLE ballast (t text) TABLESPACE small;
ALTER TABLE ballast ALTER t SET STORAGE PLAIN;
INSERT INTO ballast SELECT repeat('x', 6000) FROM generate_series(1, 100);
SQL
	my $insert = "INSERT INTO packed SELECT id, v, 0 FROM sift WHERE id BETWEEN";
	my @errors;

	for (my $id = 0; $id < 9000 && !@errors; $id += 100)
	{
		@errors = run_through("$insert $id AND $id + 99");
	}
	like($errors[0], $full, 'insert into an index that cannot grow');
	check_all_rows($node, 'packed', 'disk full after inserts of many rows');

	# one by one, to where not even a page is left
	@errors = run_through(join("\n",
		map { "$insert $_ AND $_;" } 9000 .. 9200));
	cmp_ok(scalar @errors, '>', 0, 'inserts of single rows, too');
	is(scalar(grep { !/$full/ } @errors), 0, 'the disk is the only error');
	check_all_rows($node, 'packed', 'disk full after inserts of single rows');

	# lists of rows want pages elsewhere
	@errors = run_through('UPDATE packed SET note = 1');
	is(scalar(grep { !/$full/ } @errors), 0, 'update with a full disk');
	check_all_rows($node, 'packed', 'disk full after updates');

	# vacuum needs no room to speak of, and makes some
	$node->safe_psql('postgres', 'DELETE FROM packed WHERE id % 2 = 0');
	@errors = run_through("VACUUM (INDEX_CLEANUP ON) packed;
		DELETE FROM packed WHERE id % 20 = 1;
		VACUUM (INDEX_CLEANUP ON) packed;");
	is(scalar(grep { !/$full/ } @errors), 0, 'vacuum with a full disk');
	note $node->safe_psql('postgres',
		"SELECT to_json(hnsw_index_stats('packed_hnsw'))");
	check_all_rows($node, 'packed', 'disk full after vacuum');

	# Rows take the place of those that are gone, but for some of a level of
	# which none is free.
	@errors = run_through(join("\n", map { "$insert $_ AND $_;" } 5000 .. 5099));
	cmp_ok(scalar @errors, '<', 20, 'rows take the place of those that are gone');
	is(scalar(grep { !/$full/ } @errors), 0, 'and the others find no room');
	check_all_rows($node, 'packed', 'disk full, rows in the place of others');

	# with some room again all goes on
	$node->safe_psql('postgres', 'DROP TABLE ballast; CHECKPOINT');
	is(join(' ', run_through("$insert 6000 AND 6199")),
		'', 'inserts with room again');
	is(join(' ', run_through('VACUUM (INDEX_CLEANUP ON) packed')),
		'', 'vacuum with room again');
	check_all_rows($node, 'packed', 'room again');

	# a crash leaves a file that is not as long as its directory says
	run_through(join("\n", map { "$insert $_ AND $_ + 50;" } 7000 .. 7050));
	$node->stop('immediate');
	$node->start;
	check_all_rows($node, 'packed', 'crash with a full disk');
	run_through("$insert 8000 AND 8050; VACUUM (INDEX_CLEANUP ON) packed");
	check_all_rows($node, 'packed', 'changes after a crash with a full disk');
	$node->safe_psql('postgres', 'DROP TABLE packed; DROP TABLESPACE small');
}

check_log($node);
$node->stop;
done_testing();
