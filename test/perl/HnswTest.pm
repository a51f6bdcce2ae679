# HnswTest.pm
#	  What the TAP tests share: servers with the extension, the vectors that
#	  ship, answers of an index and exact answers, builds that stop where a
#	  test wants them to stop.
#
# Vectors are in tables NAME (id, v) and NAME_query (id, v), the exact answers
# by L2 distance in NAME_truth (id, ids).

package HnswTest;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(
  new_node new_build_node prepare load_vectors load_wide
  $slow_to_load $slow_to_build $slow_to_write
  recall recall_now answers index_used ordered
  check_index check_all_rows check_log index_exists database_files
  start_sql finish_sql freeze_build release_build
  start_session ask try_to_ask finish_session
  start_pgbench pgbench_script
  kill_server start_after_kill
);

# Builds that are long in one phase, whatever the machine
our $slow_to_load = 'CREATE INDEX slow_load ON hog'
  . ' USING hnsw ((slowly(v)::vector(768)) vector_l2_ops) WHERE id < 1000';
our $slow_to_build = 'CREATE INDEX slow_build ON sift'
  . ' USING hnsw (v vector_l2_ops) WITH (m = 48, ef_construction = 400)';
our $slow_to_write = 'CREATE INDEX slow_write ON wide'
  . ' USING hnsw (v vector_l2_ops)'
  . ' WITH (m = 4, ef_construction = 16, quantizer = float)';

my $data = "$FindBin::RealBin/../data";

# Every wait of a test ends after so many seconds
my $patience = 120;

# So does the whole of it, whatever it waits for: what waits dies, and the
# servers end with the test.
$SIG{ALRM} = sub { die "this test takes too long\n" };
alarm($ENV{VECTOR_HNSW_LONG} ? 7200 : 600);

my $functions = <<'SQL';
CREATE EXTENSION vector_hnsw;

-- The k nearest rows of a table for each of the first queries, by a distance
-- operator; the plan is the caller's business.
CREATE FUNCTION nearest(name text, operator text, k int, queries int,
						OUT query int, OUT ids int[], OUT distances float8[])
RETURNS SETOF record LANGUAGE plpgsql STABLE AS $$
DECLARE
	vector	vector;
BEGIN
	FOR query, vector IN
		EXECUTE format('SELECT id, v FROM %I ORDER BY id LIMIT $1',
					   name || '_query') USING queries
	LOOP
		EXECUTE format('SELECT array_agg(id), array_agg(d) FROM
						(SELECT id, v %s $1 AS d FROM %I
						 ORDER BY v %1$s $1 LIMIT $2) nearest',
					   operator, name)
			INTO ids, distances USING vector, k;
		RETURN NEXT;
	END LOOP;
END $$;

-- The same for all queries of a table whose values have any type
CREATE FUNCTION nearest_of(name text, operator text, k int,
	OUT query int, OUT ids int[], OUT distances float8[])
RETURNS SETOF record LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY EXECUTE format('
		SELECT q.id, n.ids, n.distances FROM %1$I q, LATERAL
			(SELECT array_agg(t.id) AS ids, array_agg(t.d) AS distances FROM
				(SELECT id, v %3$s q.v AS d FROM %2$I ORDER BY v %3$s q.v LIMIT %4$s) t) n',
		name || '_query', name, operator, k);
END $$;

CREATE FUNCTION nearest_by_index(name text, operator text, k int, queries int,
	OUT query int, OUT ids int[], OUT distances float8[])
RETURNS SETOF record LANGUAGE sql STABLE
SET enable_seqscan = off SET enable_sort = off
AS 'SELECT * FROM nearest(name, operator, k, queries)';

CREATE FUNCTION nearest_exactly(name text, operator text, k int, queries int,
	OUT query int, OUT ids int[], OUT distances float8[])
RETURNS SETOF record LANGUAGE sql STABLE
SET enable_indexscan = off
AS 'SELECT * FROM nearest(name, operator, k, queries)';

-- An error unless the first queries get k rows each, in the order of their
-- distance
CREATE FUNCTION try(name text, k int) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	answer	record;
BEGIN
	FOR answer IN SELECT * FROM nearest_by_index(name, '<->', k, 5) LOOP
		IF cardinality(answer.ids) <> k OR NOT ascends(answer.distances) THEN
			RAISE EXCEPTION 'wrong answer to query %: %', answer.query, answer;
		END IF;
	END LOOP;
END $$;

-- How many rows an index scan without end leaves out, and gives twice
CREATE FUNCTION scan_all(name text, OUT missing bigint, OUT twice bigint)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET hnsw.iterative_scan = relaxed_order
SET hnsw.max_scan_tuples = 1000000
AS $$
BEGIN
	EXECUTE format('SELECT (SELECT count(*) FROM %I) - count(*),
						   count(*) - count(DISTINCT ctid)
					FROM (SELECT ctid FROM %1$I
						  ORDER BY v <-> (SELECT v FROM %I LIMIT 1)) r',
				   name, name || '_query')
		INTO missing, twice;
END $$;

-- Share of the true neighbours among those found.  A row that is as near as
-- the last of them counts, too.
CREATE FUNCTION recall(found int[], truth int[]) RETURNS float8
LANGUAGE sql IMMUTABLE AS
'SELECT count(*)::float8 / cardinality(truth)
 FROM unnest(found) AS id WHERE id = ANY (truth)';

CREATE FUNCTION recall_by_distance(found float8[], truth float8[])
RETURNS float8 LANGUAGE sql IMMUTABLE AS
'SELECT count(*)::float8 / cardinality(truth)
 FROM unnest(found) AS d WHERE d <= truth[cardinality(truth)]';

CREATE FUNCTION ascends(distances float8[]) RETURNS bool
LANGUAGE sql IMMUTABLE AS
'SELECT coalesce(bool_and(distances[i] <= distances[i + 1]), true)
 FROM generate_series(1, cardinality(distances) - 1) AS i';

-- A vector of SIFT as other types: a bit for each of six heights of each element
CREATE FUNCTION bits_of(v vector) RETURNS bit(768) LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(binary_quantize(v - array_fill(h, ARRAY[128])::vector)::text, '')::bit(768)
	FROM unnest('{5, 15, 30, 50, 80, 120}'::int[]) h
$$;

-- and the elements from 20 on, each at an index that depends on its height, too
CREATE FUNCTION sparse_of(v vector, wide int, factor real DEFAULT 1) RETURNS sparsevec LANGUAGE sql IMMUTABLE AS $$
	SELECT format('{%s}/%s', string_agg(format('%s:%s', 1 + i * wide + (e / 64)::int, e * factor), ','), 129 * wide)::sparsevec
	FROM unnest(v::real[]) WITH ORDINALITY u (e, i) WHERE e >= 20
$$;

-- The vector, a millisecond later: builds over it take their time to load
CREATE FUNCTION slowly(v vector) RETURNS vector
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM pg_sleep(0.001);
	RETURN v;
END $$;

-- Waits for a build to be in a phase and have done some steps of it, sends
-- a signal and tells whom; NULL when the build ended before.
CREATE FUNCTION signal_build(wanted text, steps bigint, signal text)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	now_in	record;
	started	bool := false;
BEGIN
	WHILE clock_timestamp() < now() + interval '30 s' LOOP
		PERFORM pg_stat_clear_snapshot();
		SELECT pid, phase, tuples_done INTO now_in
			FROM pg_stat_progress_create_index;
		IF FOUND AND now_in.phase = 'building index: ' || wanted AND
		   now_in.tuples_done >= steps THEN
			IF signal = 'CANCEL' THEN
				PERFORM pg_cancel_backend(now_in.pid);
			ELSE
				EXECUTE format('COPY (SELECT WHERE false) TO PROGRAM %L',
							   format('kill -%s %s', signal, now_in.pid));
			END IF;
			RETURN now_in.pid;
		END IF;
		EXIT WHEN started AND now_in IS NULL;
		started := now_in IS NOT NULL;
		PERFORM pg_sleep(0.0005);
	END LOOP;
	RETURN NULL;
END $$;
SQL

# new_node(NAME, [init => {...}], [settings => TEXT], [damaged => 1]): a running
# server with nothing in it.  What builds write is in its WAL, unless a setting
# says not.  One whose files are to be damaged has no checksums, PostgreSQL 18's
# default, as these would find it first.
sub new_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $options{init} // {} });
	$node->append_conf('postgresql.conf',
		"wal_level = replica\nautovacuum = off\njit = off\n"
		  . ($options{settings} // ''));
	$node->start;
	if ($options{damaged}
		&& $node->safe_psql('postgres', 'SHOW data_checksums') eq 'on')
	{
		$node->stop;
		system_or_bail('pg_checksums', '--disable', '-D', $node->data_dir);
		$node->start;
	}
	return $node;
}

# The extension and the functions above
sub prepare
{
	my ($node) = @_;

	$node->safe_psql('postgres', $functions);
	return;
}

sub copy_command
{
	my ($table, $file, $option) = @_;

	return qq{\\copy $table FROM PROGRAM '"$^X" "$data/vecs_to_copy.pl" }
	  . qq{$option "$data/$file"'\n};
}

# load_vectors(NODE, NAME, [PERSISTENCE]): the vectors NAME that ship
sub load_vectors
{
	my ($node, $name, $persistence) = @_;
	my $dimensions = { sift => 128, hog => 768 }->{$name};

	$persistence //= '';
	$node->safe_psql('postgres',
			"CREATE $persistence TABLE $name (id int, v vector($dimensions));\n"
		  . "CREATE TABLE ${name}_query (id int, v vector($dimensions));\n"
		  . "CREATE TABLE ${name}_truth (id int, ids int[]);\n"
		  . copy_command($name, "${name}_base.bvecs", '')
		  . copy_command("${name}_query", "${name}_query.bvecs", '')
		  . copy_command("${name}_truth", "${name}_groundtruth.ivecs",
			'--array')
		  . "ANALYZE;\n");
	return;
}

# new_build_node(NAME, [settings => TEXT]): a server with sift and hog, whose
# builds may take two workers.
sub new_build_node
{
	my ($name, %options) = @_;
	my $node = new_node($name,
		settings => "max_parallel_maintenance_workers = 2\n"
		  . ($options{settings} // ''));

	prepare($node);
	for my $table ('sift', 'hog')
	{
		load_vectors($node, $table);
		$node->safe_psql('postgres',
			"ALTER TABLE $table SET (parallel_workers = 2)");
	}
	return $node;
}

# A table of few rows that makes a large index: from hog, each 20 times as
# long.
sub load_wide
{
	my ($node, $rows) = @_;
	my $v = join(' || ', ('v') x 20);

	$node->safe_psql('postgres',
		"CREATE TABLE wide (id int, v vector(15360));
		 INSERT INTO wide SELECT id, $v FROM hog WHERE id < $rows;
		 CREATE TABLE wide_query (id int, v vector(15360));
		 INSERT INTO wide_query SELECT id, $v FROM hog_query WHERE id < 5;");
	return;
}

# recall(NODE, NAME, SETTINGS, K): mean recall@k by L2 distance
sub recall
{
	my ($node, $name, $settings, $k) = @_;

	return $node->safe_psql('postgres',
		"$settings
		 SELECT avg(recall(n.ids, t.ids[1:$k]))
		 FROM nearest_by_index('$name', '<->', $k, 1000) n
		 JOIN ${name}_truth t ON t.id = n.query");
}

# answers(NODE, NAME, OPERATOR, K, [SETTINGS]): what the index says, as text
# in order
sub answers
{
	my ($node, $name, $operator, $k, $settings) = @_;

	$settings //= '';
	return $node->safe_psql('postgres',
		"$settings
		 SELECT query, ids FROM nearest_by_index('$name', '$operator', $k, 20)"
	);
}

# The index of the last scan that answers made, in a session of its own
sub index_used
{
	my ($node, $name, $operator) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM nearest_by_index('$name', '$operator', 1, 1)
		 \\g /dev/null
		 SELECT index FROM hnsw_scan_stats()");
}

# Whether K rows came for each of the first queries, in exact order.
sub ordered
{
	my ($node, $name, $operator, $k, $settings) = @_;

	return $node->safe_psql('postgres',
		"$settings
		 SELECT bool_and(cardinality(ids) = $k AND ascends(distances))
		 FROM nearest_by_index('$name', '$operator', $k, 20)") eq 't';
}

# Recall@10 of the first 100 queries, against the rows as they are now
sub recall_now
{
	my ($node, $name) = @_;

	return $node->safe_psql('postgres',
		"SELECT avg(recall_by_distance(n.distances, e.distances))
		 FROM nearest_by_index('$name', '<->', 10, 100) n
		 JOIN nearest_exactly('$name', '<->', 10, 100) e USING (query)");
}

# The index of a table, NAME_hnsw, is sound, and a scan gives all rows.
sub check_all_rows
{
	my ($node, $name, $text) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	check_index($node, "${name}_hnsw", "$text: $name passes the check");
	is($node->safe_psql('postgres', "SELECT * FROM scan_all('$name')"),
		'0|0', "$text: a scan of $name gives all rows");
	return;
}

sub check_index
{
	my ($node, $index, $text) = @_;
	my ($status, $out, $error) =
	  $node->psql('postgres', "SELECT hnsw_index_check('$index', true)");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is("$status: $error", '0: ', $text // "index $index passes the check");
	return;
}

# What no test may leave in the server's log
sub check_log
{
	my ($node) = @_;
	my @found = grep {
		/PANIC|TRAP:|was terminated by signal (?!9\b)|refcount leak|resource was not closed|pins? leak/
	} split /\n/, slurp_file($node->logfile);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is("@found", '', 'nothing is wrong in the log of ' . $node->name);
	return;
}

sub index_exists
{
	my ($node, $index) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_class WHERE relname = '$index'") != 0;
}

# The database's files that belong to relations.  A checkpoint removes those
# of dropped relations.
sub database_files
{
	my ($node) = @_;
	my $oid = $node->safe_psql('postgres',
		"CHECKPOINT; SELECT oid FROM pg_database WHERE datname = 'postgres'");

	return join(' ',
		sort grep { /^\d+$/ } slurp_dir($node->data_dir . "/base/$oid"));
}

# start_sql(NODE, SQL...): a session that runs one after the other and that
# nobody waits for
sub start_sql
{
	my ($node, @sql) = @_;
	my $session = { out => '', error => '' };

	$session->{run} = IPC::Run::start(
		[
			$node->installed_command('psql'), '-XAtq',
			'-v', 'ON_ERROR_STOP=1',
			'-d', $node->connstr('postgres'),
			map { ('-c', $_) } @sql
		],
		'<', \undef,
		'>', \$session->{out},
		'2>', \$session->{error},
		IPC::Run::timeout($patience));
	return $session;
}

# Waits for such a session; returns its exit code, output and errors.
sub finish_sql
{
	my ($session) = @_;

	$session->{run}->finish;
	return ($session->{run}->result(0), $session->{out}, $session->{error});
}

# start_pgbench(NODE, OPTIONS...): a load that nobody waits for
sub start_pgbench
{
	my ($node, @options) = @_;
	my $load = { out => '', error => '' };

	$load->{run} = IPC::Run::start(
		[
			$node->installed_command('pgbench'), '-n', @options,
			$node->connstr('postgres')
		],
		'<', \undef,
		'>', \$load->{out},
		'2>', \$load->{error},
		IPC::Run::timeout(10 * $patience));
	return $load;
}

# A file with a script of pgbench
sub pgbench_script
{
	my ($node, $name, $script) = @_;
	my $path = $node->basedir . "/$name.sql";

	append_to_file($path, $script);
	return $path;
}

# start_session(NODE): a session that stays open between statements
sub start_session
{
	my ($node) = @_;
	my $session = { in => '', out => '', error => '' };

	$session->{run} = IPC::Run::start(
		[
			$node->installed_command('psql'), '-XAtq',
			'-d', $node->connstr('postgres')
		],
		'<', \$session->{in},
		'>', \$session->{out},
		'2>', \$session->{error},
		$session->{timeout} = IPC::Run::timeout($patience));
	return $session;
}

# Runs statements in a session; returns their output and errors.
sub try_to_ask
{
	my ($session, $sql) = @_;
	my $mark = 'answer ' . ++$session->{asked};

	$session->{timeout}->start($patience);
	$session->{in} .= "$sql;\n\\echo $mark\n\\warn $mark\n";
	$session->{run}->pump
	  until $session->{out} =~ /^$mark\n/m && $session->{error} =~ /$mark\n/;
	my @answer = map { s/\n?$mark\n//r } $session->@{ 'out', 'error' };
	$session->@{ 'out', 'error' } = ('', '');
	return @answer;
}

# The same, for statements that give no errors
sub ask
{
	my ($session, $sql) = @_;
	my ($out, $error) = try_to_ask($session, $sql);

	die "$sql: $error" if $error =~ /ERROR|FATAL/;
	return $out;
}

sub finish_session
{
	my ($session) = @_;

	$session->{in} .= "\\q\n";
	$session->{run}->finish;
	return;
}

# freeze_build(NODE, CREATE, PHASE, STEPS): starts a build in a session of its
# own and stops its backend (SIGSTOP) in the phase.  Short phases can be
# missed, then the next try may have more luck.
sub freeze_build
{
	my ($node, $create, $phase, $steps) = @_;

	for my $try (1 .. 20)
	{
		my $build = start_sql($node, $create);
		my $pid = $node->safe_psql('postgres',
			"SELECT signal_build('$phase', $steps, 'STOP')");
		my $stopped_in = $pid eq '' ? '' : $node->safe_psql('postgres',
			"SELECT phase FROM pg_stat_progress_create_index");

		if ($stopped_in eq "building index: $phase")
		{
			$build->{pid} = $pid;
			return $build;
		}
		note "missed phase \"$phase\" ($stopped_in), try $try";
		if ($pid ne '')
		{
			$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
			kill 'CONT', $pid;
		}
		finish_sql($build);
		my ($index) = $create =~ /INDEX (?:CONCURRENTLY )?(\w+)/;
		$node->safe_psql('postgres', "DROP INDEX IF EXISTS $index");
	}
	die "no build was ever seen in phase \"$phase\"";
}

sub release_build
{
	my ($build) = @_;

	kill 'CONT', $build->{pid};
	return finish_sql($build);
}

# The processes that a process has started
sub children_of
{
	my ($parent) = @_;
	my @children;

	for my $file (glob '/proc/[0-9]*/stat')
	{
		open my $stat, '<', $file or next;
		my $line = <$stat> // '';
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S $parent /s;
	}
	return @children;
}

# kill_server(NODE, PID): kill -9 of the postmaster and one of its backends,
# and then of all others: most notice by themselves, but one that waits for a
# lock that the backend had would wait for ever.
sub kill_server
{
	my ($node, $backend) = @_;
	my $postmaster = slurp_file($node->data_dir . '/postmaster.pid');

	$postmaster =~ s/\n.*//s;
	my @others = children_of($postmaster);
	$node->kill9;
	kill 'KILL', $backend, @others;
	for my $pid ($postmaster, $backend, @others)
	{
		for (1 .. 10 * $patience)
		{
			last unless kill 0, $pid;
			sleep 0.1;
		}
	}
	return;
}

# As long as a process of the old server is left no new one starts.
sub start_after_kill
{
	my ($node) = @_;

	for (1 .. 10 * $patience)
	{
		return if $node->start(fail_ok => 1);
		sleep 0.1;
	}
	die 'server does not start again';
}

1;
