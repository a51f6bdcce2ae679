-- hnsw_index_check with heapallindexed, and hnsw_index_stats
-- (what vacuum gives back depends on other sessions: no test of it here)
CREATE FUNCTION example(id int, dimensions int) RETURNS vector
LANGUAGE sql IMMUTABLE AS
'SELECT array_agg((hashint8(id * 100000::bigint + i) & 1023) / 1024.0)::vector
 FROM generate_series(1, dimensions) i';

-- Ways to code vectors, and metrics; updates in place (HOT) and not,
-- deleted rows, equal vectors, NULL and zero vectors
CREATE TABLE checked (id int PRIMARY KEY, n int DEFAULT 0, v vector(40))
	WITH (fillfactor = 50);
INSERT INTO checked SELECT i, 0, example(i, 40) FROM generate_series(1, 300) i;
INSERT INTO checked SELECT 1000 + i, 0, example(7, 40) FROM generate_series(1, 40) i;
INSERT INTO checked VALUES (2000, 0, NULL), (2001, 0, array_fill(0, ARRAY[40])::vector);
UPDATE checked SET n = n + 1 WHERE id % 3 = 0;
CREATE INDEX checked_float ON checked USING hnsw (v vector_l2_ops)
	WITH (quantizer = float);
CREATE INDEX checked_eight ON checked USING hnsw (v vector_cosine_ops);
CREATE INDEX checked_four ON checked USING hnsw (v vector_ip_ops)
	WITH (quantizer = '4');
CREATE INDEX checked_linear ON checked USING hnsw (v vector_l1_ops)
	WITH (quantizer = '8', link_format = plain);
CREATE INDEX checked_unit ON checked USING hnsw (v vector_cosine_ops)
	WITH (quantizer = float);
CREATE INDEX checked_part ON checked USING hnsw (v vector_l2_ops)
	WHERE id % 2 = 0 AND v IS NOT NULL;
CREATE INDEX checked_expression ON checked
	USING hnsw ((subvector(v, 1, 20)::vector(20)) vector_l2_ops);
CREATE FUNCTION good(index regclass) RETURNS bool LANGUAGE plpgsql AS
$$BEGIN
	PERFORM hnsw_index_check(index, heapallindexed => true);
	RETURN true;
END$$;
CREATE VIEW checks AS
	SELECT relname, good(indexrelid)
	FROM pg_index JOIN pg_class i ON i.oid = indexrelid
	WHERE indrelid = 'checked'::regclass AND relname <> 'checked_pkey';
SELECT * FROM checks ORDER BY relname;

-- with rows that came later
INSERT INTO checked SELECT i, 0, example(i, 40) FROM generate_series(301, 400) i;
INSERT INTO checked SELECT 1100 + i, 0, example(9, 40) FROM generate_series(1, 40) i;
UPDATE checked SET n = n + 1 WHERE id % 5 = 0;
UPDATE checked SET n = n + 1 WHERE id % 5 = 0;
UPDATE checked SET v = example(id + 5000, 40) WHERE id % 7 = 0;
UPDATE checked SET v = NULL WHERE id % 31 = 0;
UPDATE checked SET v = array_fill(0, ARRAY[40])::vector WHERE id % 37 = 0;
DELETE FROM checked WHERE id % 4 = 0;
SELECT count(*) FROM checks WHERE good;
BEGIN;
INSERT INTO checked SELECT i, 0, example(i, 40) FROM generate_series(401, 420) i;
ROLLBACK;
SELECT count(*) FROM checks WHERE good;

-- in the transaction that has the rows, and with an older snapshot
BEGIN;
INSERT INTO checked SELECT i, 0, example(i, 40) FROM generate_series(401, 420) i;
SELECT count(*) FROM checks WHERE good;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM checks WHERE good;
COMMIT;

-- after vacuum, more than once, with new rows in between
VACUUM (INDEX_CLEANUP ON) checked;
SELECT count(*) FROM checks WHERE good;
DELETE FROM checked WHERE id % 4 = 1;
VACUUM (INDEX_CLEANUP ON) checked;
VACUUM (INDEX_CLEANUP ON) checked;
INSERT INTO checked SELECT i, 0, example(i, 40) FROM generate_series(3000, 3200) i;
SELECT count(*) FROM checks WHERE good;
DELETE FROM checked WHERE id < 3000;
VACUUM (INDEX_CLEANUP ON) checked;
INSERT INTO checked SELECT i, 0, example(i, 40) FROM generate_series(1, 100) i;
SELECT count(*) FROM checks WHERE good;

-- builds that let others write
CREATE INDEX CONCURRENTLY checked_concurrently ON checked
	USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 32);
REINDEX INDEX CONCURRENTLY checked_eight;
SELECT count(*) FROM checks WHERE good;
DROP VIEW checks;
DROP FUNCTION good(regclass);
DROP TABLE checked;

-- unlogged and temporary tables
CREATE UNLOGGED TABLE checked (v vector(3));
INSERT INTO checked SELECT example(i, 3) FROM generate_series(1, 100) i;
CREATE INDEX checked_index ON checked USING hnsw (v vector_l2_ops);
INSERT INTO checked SELECT example(i, 3) FROM generate_series(1, 200) i;
SELECT hnsw_index_check('checked_index', true);
TRUNCATE checked;
SELECT hnsw_index_check('checked_index', true);
DROP TABLE checked;
CREATE TEMP TABLE checked (v vector(3));
CREATE INDEX checked_index ON checked USING hnsw (v vector_l2_ops);
INSERT INTO checked SELECT example(i, 3) FROM generate_series(1, 200) i;
SELECT hnsw_index_check('checked_index', true);
DROP TABLE checked;

-- a code on several pages
CREATE TABLE checked (v vector(3000));
INSERT INTO checked SELECT example(i, 3000) FROM generate_series(1, 10) i;
CREATE INDEX checked_index ON checked USING hnsw (v vector_l2_ops)
	WITH (quantizer = float);
INSERT INTO checked SELECT example(i, 3000) FROM generate_series(6, 15) i;
SELECT hnsw_index_check('checked_index', true);
DROP TABLE checked;

-- Faults that SQL can make.  A row that the index was not told of:
CREATE TABLE checked (id int, v vector(3));
INSERT INTO checked SELECT i, example(i, 3) FROM generate_series(1, 5) i;
CREATE INDEX checked_index ON checked USING hnsw (v vector_l2_ops);
UPDATE pg_index SET indisready = false WHERE indexrelid = 'checked_index'::regclass;
INSERT INTO checked VALUES (6, '[1,2,3]');
UPDATE pg_index SET indisready = true WHERE indexrelid = 'checked_index'::regclass;
SELECT hnsw_index_check('checked_index');
SELECT hnsw_index_check('checked_index', true);
UPDATE checked SET v = NULL WHERE id = 6;
SELECT hnsw_index_check('checked_index', true);
DROP TABLE checked;

-- An expression that is not what it was:
CREATE TABLE checked (id int);
INSERT INTO checked VALUES (1), (2), (3);
CREATE FUNCTION vector_of(id int) RETURNS vector
LANGUAGE plpgsql IMMUTABLE SET search_path = public AS
'BEGIN RETURN example(id, 3); END';
CREATE INDEX checked_index ON checked
	USING hnsw ((vector_of(id)::vector(3)) vector_l2_ops);
SELECT hnsw_index_check('checked_index', true);
CREATE OR REPLACE FUNCTION vector_of(id int) RETURNS vector
LANGUAGE plpgsql IMMUTABLE SET search_path = public AS
'BEGIN RETURN example(CASE id WHEN 2 THEN 7 ELSE id END, 3); END';
SELECT hnsw_index_check('checked_index');
\set VERBOSITY terse
SELECT hnsw_index_check('checked_index', true);
\set VERBOSITY default
DROP TABLE checked;
DROP FUNCTION vector_of(int);

-- Expressions run as the owner of the table, and change nothing
CREATE ROLE regress_hnsw_check;
CREATE TABLE checked (id int);
CREATE FUNCTION told(id int) RETURNS vector
LANGUAGE plpgsql IMMUTABLE SET search_path = public AS
$$BEGIN
	RAISE NOTICE 'as %', current_user;
	PERFORM set_config('work_mem', '2MB', false);
	RETURN ARRAY[id]::vector;
END$$;
INSERT INTO checked VALUES (1);
ALTER TABLE checked OWNER TO regress_hnsw_check;
SET work_mem = '1MB';
CREATE INDEX checked_index ON checked
	USING hnsw ((told(id)::vector(1)) vector_l2_ops);
BEGIN;
SELECT hnsw_index_check('checked_index', true);
SHOW work_mem;
COMMIT;
RESET work_mem;
DROP TABLE checked;
DROP FUNCTION told(int);
DROP ROLE regress_hnsw_check;

--
-- Statistics
--
CREATE TABLE counted (id int, v vector(3));
INSERT INTO counted SELECT i, ARRAY[i % 20, i / 20 % 10, i / 200]::vector
FROM generate_series(0, 1999) i;
INSERT INTO counted SELECT 5000 + i, '[1,1,1]' FROM generate_series(1, 50) i;
CREATE INDEX counted_index ON counted USING hnsw (v vector_l2_ops) WITH (m = 8);

CREATE VIEW counts AS
SELECT s.points, s.live_points, dead_points + free_points AS gone_points,
	lost_points, unused_points, rows, max_rows_per_point, points_without_rows,
	unreachable_points, unlinked_points,
	(SELECT sum(n) FROM unnest(level_points) n) = live_points AS levels,
	array_upper(level_points, 1) = i.entry_level AS top,
	(SELECT sum(n) FROM unnest(degrees) n) =
		(SELECT sum(n * (level + 1)) FROM unnest(level_points)
		 WITH ORDINALITY o(n, o), LATERAL (SELECT o - 1 AS level) l) AS lists,
	array_lower(degrees, 2) AS first_degree,
	array_upper(degrees, 2) AS last_degree,
	(SELECT max(degree) FROM generate_series(0, 16) degree
	 WHERE degrees[1][degree] > 0) AS last_at_1,
	node_bytes + node_slack_bytes + node_free_bytes =
		node_pages * (current_setting('block_size')::int - 32) AS node_space,
	overflow_items > 0 AS overflow,
	overflow_bytes + overflow_free_bytes <=
		overflow_pages * (current_setting('block_size')::int - 32) AS overflow_space
FROM hnsw_index_info('counted_index') i, hnsw_index_stats('counted_index') s;
\x on
SELECT * FROM counts;

-- the same numbers from the graph itself
WITH l AS (SELECT * FROM hnsw_index_links('counted_index'))
SELECT (SELECT array_agg(coalesce(n, 0) ORDER BY degree)
		FROM generate_series(0, 16) degree
		LEFT JOIN (SELECT cardinality(neighbours) AS degree, count(*) AS n
				   FROM l WHERE level = 0 GROUP BY 1) x USING (degree)) =
	(SELECT array_agg(degrees[0][degree] ORDER BY degree)
	 FROM generate_series(0, 16) degree) AS degrees
FROM hnsw_index_stats('counted_index');

INSERT INTO counted VALUES (6000, '[1,1,1]'), (6001, '[100,100,100]');
DELETE FROM counted WHERE id % 2 = 0;
SELECT * FROM counts;
\x off
DROP VIEW counts;

CREATE ROLE regress_hnsw_check;
SET ROLE regress_hnsw_check;
SELECT hnsw_index_stats('counted_index');
SELECT hnsw_index_check('counted_index', true);
RESET ROLE;
DROP ROLE regress_hnsw_check;

TRUNCATE counted;
SELECT points, level_points, degrees FROM hnsw_index_stats('counted_index');
DROP TABLE counted;
DROP FUNCTION example(int, int);
