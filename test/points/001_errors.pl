# An error at the first test point that a command comes to, at the second, and
# so on until the command succeeds.  Whatever an error leaves passes the check,
# all rows are found, and the command can be run again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('errors');

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION vector_hnsw;

CREATE FUNCTION vec(i int, dimensions int) RETURNS vector LANGUAGE sql
IMMUTABLE AS
'SELECT array_agg(sin(i * 7 + d * d))::vector
 FROM generate_series(1, dimensions) d';

-- As many rows as there are come out of the index
CREATE FUNCTION found_all(name regclass) RETURNS text LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off
SET hnsw.iterative_scan = relaxed_order AS $$
DECLARE
	rows	int;
	found	int;
BEGIN
	EXECUTE format('SELECT count(*) FROM %s', name) INTO rows;
	EXECUTE format('SELECT count(*) FROM (SELECT FROM %s
					ORDER BY v <-> (SELECT v FROM %1$s LIMIT 1)) t', name)
		INTO found;
	RETURN CASE found WHEN rows THEN 'all' ELSE found || ' of ' || rows END;
END $$;
SQL

# Rows 0 to 39, the last ten of them equal, as inserts leave them
my $table = <<'SQL';
DROP TABLE IF EXISTS items;
CREATE TABLE items (id int, note text, v vector(3));
CREATE INDEX items_note ON items (note);	-- no HOT updates
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)
	WITH (m = 3, ef_construction = 10);
INSERT INTO items SELECT i, '', vec(least(i, 30), 3)
	FROM generate_series(0, 39) i;
SQL

# Vectors of a page and a half
my $wide_table = <<'SQL';
DROP TABLE IF EXISTS items;
CREATE TABLE items (id int, note text, v vector(3000));
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)
	WITH (m = 3, ef_construction = 10, quantizer = 'float');
INSERT INTO items SELECT i, '', vec(i, 3000) FROM generate_series(0, 4) i;
SQL

my $delete = "DELETE FROM items WHERE id % 4 = 0 OR id > 30;\n";

# A transaction, so that what a vacuum has marked can be given back
my $later = "SELECT txid_current() \\g /dev/null\n";

# errors_in(WHAT, AT_LEAST, BEFORE, COMMAND, [SQL]): runs the command after
# what makes its table, once for each point, and the other SQL after that.
sub errors_in
{
	my ($what, $at_least, $before, $command, $after) = @_;
	my $n = 0;
	my %faults;

	while (1)
	{
		my ($out, $error) = ('', '');

		$n++;
		$node->psql(
			'postgres', "SET client_min_messages = warning;
			 $before
			 SET hnsw_test.fail_at = $n;
			 $command;
			 SET hnsw_test.fail_at = 0;
			 SELECT found_all('items');
			 SELECT hnsw_index_check('items_v', true);
			 " . ($after ? "$after;" : '') . "
			 $command;
			 SELECT found_all('items');
			 SELECT hnsw_index_check('items_v', true);",
			stdout => \$out,
			stderr => \$error,
			on_error_stop => 0);
		my @errors = grep { !/^psql:.*test point $n, ".*", fails$/ }
		  grep { !/^CONTEXT:|^DETAIL:|^HINT:/ } split /\n/, $error;
		my $failed = $error =~ /test point $n, "(.*)", fails/ ? $1 : '';

		$faults{"$n $failed: $out @errors"} = 1
		  if @errors || $out !~ /^all\n\nall\n?$/;
		last if $failed eq '';
	}
	is(join('; ', sort keys %faults), '', "$what: nothing is wrong after errors");
	cmp_ok($n, '>', $at_least, "$what: there are points to fail at");
	note "$what: $n points";
	return;
}

errors_in('insert', 60, $table, <<'SQL');
INSERT INTO items SELECT i, '', vec(i, 3) FROM unnest('{30, 41, 42, 42}'::int[]) i
SQL

errors_in('insert into an empty index', 10, "$table TRUNCATE items;", <<'SQL');
INSERT INTO items SELECT i, '', vec(i, 3) FROM unnest('{1, 2}'::int[]) i
SQL

errors_in('insert of wide vectors', 30, $wide_table, <<'SQL');
INSERT INTO items SELECT i, '', vec(i, 3000) FROM unnest('{11, 12}'::int[]) i
SQL

errors_in('update of another column', 4, $table,
	"UPDATE items SET note = 'new' WHERE id = 17 OR id = 31");

errors_in('vacuum', 40, "$table $delete", 'VACUUM items');

errors_in('second vacuum', 10,
	"$table $delete VACUUM items; DELETE FROM items WHERE id = 1; $later",
	'VACUUM items');

errors_in('insert of points given back', 30,
	"$table $delete VACUUM items; DELETE FROM items WHERE id = 1; $later
	 VACUUM items;", <<'SQL');
INSERT INTO items SELECT i, '', vec(i, 3) FROM unnest('{51, 52}'::int[]) i
SQL

errors_in('vacuum of all rows', 10, "$table DELETE FROM items;",
	'VACUUM items');

errors_in('REINDEX', 5, $table, 'REINDEX INDEX items_v');

# Whoever of the leader and the workers comes to the point first ends it for
# all.
my $parallel = <<'SQL';
DROP TABLE IF EXISTS items;
CREATE TABLE items (id int, v vector(3)) WITH (parallel_workers = 2);
INSERT INTO items SELECT i, vec(i, 3) FROM generate_series(1, 400) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)
	WITH (m = 3, ef_construction = 10);
SQL

errors_in('parallel REINDEX', 7, $parallel, 'REINDEX INDEX items_v');
errors_in('parallel REINDEX, in workers', 1,
	"$parallel SET hnsw_test.fail_in_workers = on;", 'REINDEX INDEX items_v');

# What it leaves has to be dropped by hand
errors_in('REINDEX CONCURRENTLY', 5, $table,
	'REINDEX INDEX CONCURRENTLY items_v',
	'DROP INDEX IF EXISTS items_v_ccnew, items_v_ccold');

check_log($node);
done_testing();
