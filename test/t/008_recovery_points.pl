# A log that ends after any record of any change to an index: the index is
# sound there, has all rows, and a scan finds them.
#
# One server writes the log of a short history of inserts, updates, deletes,
# vacuums and growth.  A standby that starts before that history gets the log
# record by record, and is looked at after each.  For some of these points
# another server starts with so much of the log and nothing else, as after a
# crash, and goes on from there.
#
# VECTOR_HNSW_SEED repeats a run; VECTOR_HNSW_LONG makes the history longer.

use strict;
use warnings;

use File::Path qw(rmtree);
use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use HnswWal qw(last_checkpoint wal_records feed_wal lsn_as_text);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{VECTOR_HNSW_SEED} // time;
my $rounds = $ENV{VECTOR_HNSW_LONG} ? 6 : 1;
my $restarts = $ENV{VECTOR_HNSW_LONG} ? 60 : 6;

diag "VECTOR_HNSW_SEED=$seed";
srand($seed);

# All of the log is there in the end, and nobody but the history writes any.
my $node = new_node('history',
	init => { extra => ['--wal-segsize=1'] },
	settings => "max_wal_size = 1GB\nwal_keep_size = 1GB\n"
	  . "checkpoint_timeout = 1h\nbgwriter_lru_maxpages = 0\n"
	  . "shared_buffers = 32MB\nfsync = off\nwal_retrieve_retry_interval = 1\n"
	  . "wal_compression = off\n");
prepare($node);
load_vectors($node, 'sift');

# Few links, so that there are many levels and lists fill up; one of each kind
# of code.  Those that begin with three rows have more nodes to a page than
# find room for their links there.
my %tables = (
	few => { dimensions => 8, options => 'm = 2, ef_construction = 8' },
	plain => {
		dimensions => 8,
		options => 'm = 48, ef_construction = 96, link_format = plain',
		rows => 3
	},
	eight => { dimensions => 128, options => 'm = 4, ef_construction = 16',
		rows => 200 },
	four => {
		dimensions => 100,
		options => "m = 4, ef_construction = 16, quantizer = '4'",
		rows => 3
	},
	wide => {
		dimensions => 2560,
		options => 'm = 40, ef_construction = 80, quantizer = float'
	});
my @tables = sort keys %tables;

for my $name (@tables)
{
	my $table = $tables{$name};
	my $rows = $table->{rows} // 0;

	$node->safe_psql('postgres', <<SQL);
CREATE TABLE $name (id int, v vector($table->{dimensions}), note int);
-- the vector of a row: every fifth is one that others have, too
CREATE FUNCTION ${name}_vector(id int) RETURNS vector
LANGUAGE sql STABLE AS
'SELECT array_agg(x)::vector FROM (
	SELECT unnest((s.v::real[])[1:$table->{dimensions}])
	FROM generate_series(1, 20),
		 (SELECT v FROM sift
		  WHERE sift.id = CASE WHEN \$1 % 5 = 0 THEN \$1 / 100
							   ELSE \$1 % 10000 END) s
	LIMIT $table->{dimensions}) x(x)';
INSERT INTO $name SELECT i, ${name}_vector(i) FROM generate_series(1, $rows) i;
CREATE INDEX ${name}_hnsw ON $name USING hnsw (v vector_l2_ops)
	WITH ($table->{options});
SQL
}

# What is done at each point
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION look(name text, OUT missing bigint, OUT twice bigint)
LANGUAGE plpgsql STABLE
SET hnsw.ef_search = 20
SET client_min_messages = error
AS $$
BEGIN
	PERFORM hnsw_index_check((name || '_hnsw')::regclass, true);
	SELECT * FROM scan_all(name) INTO missing, twice;
END $$;
SQL
$node->safe_psql('postgres',
	"CREATE TABLE ${_}_query AS SELECT ${_}_vector(9999) AS v")
  for @tables;

$node->stop;
$node->backup_fs_cold('before');
my $start = last_checkpoint($node);
$node->start;

#
# The history
#

my $next = 1000;

sub insert_rows
{
	my ($name, $n, $each) = @_;
	my $last = $next + $n - 1;

	if ($each)
	{
		$node->safe_psql('postgres',
			join("\n",
				map { "INSERT INTO $name SELECT $_, ${name}_vector($_);" }
				  $next .. $last));
	}
	else
	{
		$node->safe_psql('postgres',
			"INSERT INTO $name SELECT i, ${name}_vector(i)
			 FROM generate_series($next, $last) i");
	}
	$next = $last + 1;
	return;
}

sub vacuum
{
	my ($name) = @_;

	$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP ON) $name");
	return;
}

# More rows of one vector, of which many go: of some lists all rows, of all lists
# some, and at last all but a few
sub crowd
{
	my ($name) = @_;

	for my $gone ('id / 8 % 3 > 0', 'id % 3 > 0', 'id % 30 < 27')
	{
		$node->safe_psql('postgres',
			"INSERT INTO $name SELECT i, ${name}_vector(0)
			 FROM generate_series(30000, 30029) i;
			 DELETE FROM $name WHERE id >= 30000 AND $gone");
		vacuum($name);
	}
	return;
}

for my $round (1 .. $rounds)
{
	for my $name (@tables)
	{
		insert_rows($name, 12, 1);
		insert_rows($name, 20);
		crowd($name) if $name eq 'few';
		$node->safe_psql('postgres',
			"UPDATE $name SET note = id WHERE id % 3 = 0;
			 BEGIN;
			 INSERT INTO $name SELECT i, ${name}_vector(i)
			 FROM generate_series(9000, 9004) i;
			 ROLLBACK;
			 UPDATE $name SET v = ${name}_vector(id + 1) WHERE id % 10 = 1;
			 DELETE FROM $name WHERE id % 4 = 0");
		vacuum($name);
		insert_rows($name, 5);
		vacuum($name);
		insert_rows($name, 12);
	}
}

# Everything goes, and comes again
$node->safe_psql('postgres', 'DELETE FROM few; DELETE FROM plain');
vacuum('few');
vacuum('plain');
insert_rows('few', 3, 1);
vacuum('few');
insert_rows('few', 10, 1);
insert_rows('plain', 10);

for my $name (@tables)
{
	check_index($node, "${name}_hnsw", "$name at the end of the history");
	is($node->safe_psql('postgres', "SELECT * FROM look('$name')"),
		'0|0', "$name: all rows at the end of the history");
	my $stats = $node->safe_psql('postgres',
		"SELECT to_json(hnsw_index_stats('${name}_hnsw'))");
	note "$name: $stats";
}
my @records = wal_records($node, $start, $node->lsn('flush'));
my @points = grep { $records[$_]{manager} eq 'Generic' } 0 .. $#records;

cmp_ok(scalar @points, '>=', 1000, 'records of index changes');

#
# After each record
#

my %table_of = map {
	$node->safe_psql('postgres', "SELECT pg_relation_filenode('${_}_hnsw')") =>
	  $_
} @tables;

sub table_of
{
	my ($record) = @_;

	return $record->{what} =~ m{rel \d+/\d+/(\d+)} ? $table_of{$1} : undef;
}

# It looks for more in its own directory, as nothing else is configured.
my $standby = PostgreSQL::Test::Cluster->new('standby');

$standby->init_from_backup($node, 'before');
$standby->set_standby_mode;
$standby->append_conf('postgresql.conf',
	"log_statement = none\nlog_min_messages = fatal\n");
$standby->start;

my $session = start_session($standby);
my $fed = $records[0]{lsn};
my %missing = map { $_ => 0 } @tables;
my @faults;

sub replay
{
	my ($record) = @_;

	feed_wal($node, $standby, $fed, $record->{end});
	$fed = $record->{end};
	for (1 .. 10000)
	{
		return if ask($session, "SELECT pg_last_wal_replay_lsn() > '"
			  . lsn_as_text($record->{lsn}) . "'") eq 't';
	}
	die "no replay of $record->{what}";
}

for my $record (@records)
{
	my $name = table_of($record);

	next unless $name;
	replay($record);
	my ($found, $error) = try_to_ask($session, "SELECT * FROM look('$name')");
	my ($missing, $twice) = split /\|/, $found;

	if ($error ne '' || $twice ne '0')
	{
		push @faults, "$name, $record->{what}: $found $error";
		note $faults[-1];
	}
	elsif ($missing > $missing{$name})
	{
		note "$name, $record->{what}: $missing rows out of reach";
		$missing{$name} = $missing;
	}
}
finish_session($session);
$standby->stop;
is(scalar @faults, 0, 'no record leaves an index that is not sound');
is($missing{$_}, 0, "$_: no record leaves rows out of reach") for @tables;

#
# After a crash
#

# Statements that meet all that a crash can leave
my $go_on = join "\n", map { <<SQL } @tables;
INSERT INTO $_ SELECT i, ${_}_vector(i) FROM generate_series(20000, 20010) i;
DELETE FROM $_ WHERE id % 7 = 0;
VACUUM (INDEX_CLEANUP ON) $_;
INSERT INTO $_ SELECT i, ${_}_vector(i) FROM generate_series(20011, 20015) i;
VACUUM (INDEX_CLEANUP ON) $_;
INSERT INTO $_ SELECT i, ${_}_vector(i) FROM generate_series(20016, 20030) i;
SQL
my $look = join "\nUNION ALL ",
  map { "SELECT '$_', * FROM look('$_')" } @tables;
my $all_well = join "\n", map { "$_|0|0" } @tables;

for my $i (1 .. $restarts)
{
	my $record = $records[ $points[ rand @points ] ];
	my $crashed = PostgreSQL::Test::Cluster->new("crashed_$i");

	$crashed->init_from_backup($node, 'before');
	feed_wal($node, $crashed, $records[0]{lsn}, $record->{end});
	$crashed->start;
	is($crashed->safe_psql('postgres', $look),
		$all_well, "crash after $record->{what}");
	$crashed->safe_psql('postgres', $go_on);
	is($crashed->safe_psql('postgres', $look),
		$all_well, 'all rows after more changes');
	check_index($crashed, "${_}_hnsw", "$_ after more changes") for @tables;
	check_log($crashed);
	$crashed->stop('immediate');
	rmtree($crashed->data_dir);
}

check_log($standby);
$node->stop;
done_testing();
