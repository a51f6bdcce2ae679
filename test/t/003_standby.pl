# Replication: an index on a standby answers as on the primary, while rows
# come and go there, and after promotion.  Each page that the standby replays
# is compared with the primary's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{VECTOR_HNSW_LONG} ? 60 : 5;

my $primary = new_node('primary',
	init => { allows_streaming => 1 },
	settings => "wal_consistency_checking = all\n"
	  . "shared_buffers = 32MB\nmax_connections = 20\n"
	  . "max_standby_streaming_delay = -1\n");

prepare($primary);
$primary->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

load_vectors($primary, 'hog');
load_vectors($primary, 'sift');
$primary->safe_psql('postgres',
	'CREATE INDEX hog_hnsw ON hog USING hnsw (v vector_l2_ops);
	 CREATE INDEX sift_hnsw ON sift USING hnsw (v vector_l2_ops)
		WITH (link_format = plain, quantizer = float);
	 CREATE UNLOGGED TABLE u AS SELECT * FROM hog LIMIT 100;
	 CREATE INDEX u_hnsw ON u USING hnsw (v vector_l2_ops);');

sub catch_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	return;
}

# Compares answers; both servers' indexes pass the check.
sub same_on_both
{
	my ($text) = @_;

	catch_up();
	for my $name ('hog', 'sift')
	{
		check_index($primary, "${name}_hnsw", "$text: $name on primary");
		check_index($standby, "${name}_hnsw", "$text: $name on standby");
		is( answers($standby, $name, '<->', 50),
			answers($primary, $name, '<->', 50),
			"$text: $name has the same rows in the same order");
	}
	return;
}

same_on_both('after the build');
is(index_used($standby, 'hog', '<->'), 'hog_hnsw', 'the standby uses it');
ok(ordered($standby, 'hog', '<->', 100), 'rows in exact order on the standby');
cmp_ok(recall($standby, 'sift', '', 10),
	'>=', 0.98, 'recall on the standby is that of the primary');

# Rows go
$primary->safe_psql('postgres',
	'DELETE FROM hog WHERE id % 3 = 0; DELETE FROM sift WHERE id % 3 = 0');
same_on_both('after DELETE');
$primary->safe_psql('postgres', 'VACUUM hog; VACUUM sift');
same_on_both('after VACUUM');

# Scans on the standby while the primary deletes and vacuums.  A scan sees the
# rows of its snapshot in order, and all that it asks for, whatever happens
# meanwhile.
my $script = pgbench_script($standby, 'try',
	"SELECT try('hog', 50), try('sift', 50);\n");
my $round = 0;

for my $feedback ('off', 'on')
{
	my $end = time + $seconds;

	$standby->append_conf('postgresql.conf',
		"hot_standby_feedback = $feedback\n");
	$standby->reload;

	my $bench =
	  start_pgbench($standby, '-c', 2, '-T', $seconds, '-f', $script);
	for (1 .. 90)
	{
		$round++;
		$primary->safe_psql('postgres',
			"DELETE FROM hog WHERE id % 200 = $round;
			 DELETE FROM sift WHERE id % 200 = $round");
		$primary->safe_psql('postgres', 'VACUUM hog; VACUUM sift');
		$bench->{run}->pump_nb;
		last if time >= $end;
		sleep($seconds / 100);
	}
	my ($status, $out, $error) = finish_sql($bench);
	is("$status: $error", '0: ',
		"feedback $feedback: scans during rounds of DELETE and VACUUM");
	note "round $round\n$out";
	same_on_both("feedback $feedback, after these rounds");
}

# A restart of the standby replays from its last restartpoint
$standby->stop('immediate');
$standby->start;
same_on_both('after a crash of the standby');

# What is not logged is not there
my (undef, undef, $error) = $standby->psql('postgres',
	'SET enable_seqscan = off;
	 SELECT id FROM u ORDER BY v <-> (SELECT v FROM hog_query LIMIT 1)');
like(
	$error,
	qr/cannot access temporary or unlogged relations during recovery/,
	'unlogged table on the standby');
(undef, undef, $error) =
  $standby->psql('postgres', "SELECT hnsw_index_check('u_hnsw')");
like(
	$error,
	qr/cannot access unlogged index "u_hnsw" during recovery/,
	'check of an unlogged index on the standby');

# Promotion
my %before = map { $_ => answers($standby, $_, '<->', 50) } ('hog', 'sift');
$primary->stop;
$standby->promote;
for my $name ('hog', 'sift')
{
	check_index($standby, "${name}_hnsw", "after promotion: $name");
	is(answers($standby, $name, '<->', 50),
		$before{$name}, "after promotion: $name has the same rows");
}
$standby->safe_psql('postgres',
	'DELETE FROM hog WHERE id % 7 = 0');
$standby->safe_psql('postgres', 'VACUUM hog');
check_index($standby, 'hog_hnsw', 'VACUUM after promotion');
ok(ordered($standby, 'hog', '<->', 50), 'rows after promotion and VACUUM');
$standby->safe_psql('postgres', 'REINDEX INDEX hog_hnsw');
check_index($standby, 'hog_hnsw', 'REINDEX after promotion');

# The unlogged index is that of its init fork, without rows
check_index($standby, 'u_hnsw', 'after promotion: unlogged index');
is( $standby->safe_psql('postgres',
		'SET enable_seqscan = off;
		 SELECT count(*) FROM
			(SELECT id FROM u ORDER BY v <->
				(SELECT v FROM hog_query LIMIT 1) LIMIT 5) r'),
	'0',
	'after promotion: unlogged table is empty');

check_log($primary);
check_log($standby);
$standby->stop;
done_testing();
