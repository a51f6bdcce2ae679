-- The access method hnsw: rows from an index
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all
CREATE TABLE items (id int PRIMARY KEY, category int, note text, v vector(10)) WITH (fillfactor = 25);
INSERT INTO items SELECT i, i % 50, 'row ' || i, pg_temp.vec(i, 10) FROM generate_series(1, 2000) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT hnsw_index_check('items_v');
ANALYZE items;
SET enable_seqscan = off;
SET enable_sort = off;
CREATE FUNCTION pg_temp.q(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS 'SELECT pg_temp.vec(100000 + i, 10)';

-- as many rows as are asked for
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(1) LIMIT 1) t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(1) LIMIT 41) t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(1) LIMIT 1000) t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(1) LIMIT 10 OFFSET 990) t;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(1) LIMIT 0) t;
-- all of them, when any order will do
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(1)) t;
SELECT index, rows FROM hnsw_scan_stats();
RESET hnsw.iterative_scan;
-- in order, and near the exact answer
SELECT searches, by_index, rows, recall > 0.9 AS found
FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(3001, 3020, 10));
SELECT searches, by_index, rows, recall > 0.8 AS found
FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 500', pg_temp.vecs(3001, 3003, 10));
-- with a tie-breaker, by which the planner may sort what the index gives
SELECT searches, rows, recall > 0.9 AS found
FROM pg_temp.compare('SELECT d FROM (SELECT v <-> $1 AS d, id FROM items ORDER BY d, id LIMIT 10) t', pg_temp.vecs(3001, 3003, 10));
-- each row finds itself
SELECT count(*) FROM generate_series(1, 2000, 40) i
WHERE i = (SELECT n.id FROM items n ORDER BY n.v <-> pg_temp.vec(i, 10) LIMIT 1);

-- a filter that few rows pass
SELECT count(*), count(*) FILTER (WHERE category = 7) FROM (SELECT category FROM items WHERE category = 7 ORDER BY v <-> pg_temp.q(2) LIMIT 30) t;
SELECT searches, by_index, rows, recall > 0.8 AS found
FROM pg_temp.compare('SELECT v <-> $1 FROM items WHERE category = 7 ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(3001, 3005, 10));
SELECT count(*) FROM (SELECT id FROM items WHERE note LIKE '%no such row%' ORDER BY v <-> pg_temp.q(2) LIMIT 30) t;
SELECT id FROM items WHERE note = 'row 1234' ORDER BY v <-> pg_temp.vec(1234, 10) LIMIT 5;
-- a distance that ends it
SELECT count(*) > 0, bool_and(d < 100) FROM (SELECT v <-> pg_temp.q(2) AS d FROM items WHERE v <-> pg_temp.q(2) < 100 ORDER BY v <-> pg_temp.q(2) LIMIT 1000) t;

-- cursors
BEGIN;
CREATE TEMP TABLE whole ON COMMIT DROP AS SELECT row_number() OVER () AS n, id FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(3) LIMIT 300) t;
CREATE FUNCTION pg_temp.fetched(cursor refcursor, skipped int, wanted int) RETURNS TABLE (rows bigint, same bigint) LANGUAGE plpgsql AS $$
DECLARE
	i int := skipped;
	found_id int;
BEGIN
	rows := 0;
	same := 0;
	LOOP
		EXIT WHEN rows = wanted;
		FETCH NEXT FROM cursor INTO found_id;
		EXIT WHEN NOT FOUND;
		i := i + 1;
		rows := rows + 1;
		same := same + (SELECT count(*) FROM whole w WHERE w.n = i AND w.id = found_id);
	END LOOP;
	RETURN NEXT;
END
$$;
DECLARE piecewise CURSOR FOR SELECT id FROM items ORDER BY v <-> pg_temp.q(3);
SELECT * FROM pg_temp.fetched('piecewise', 0, 3);
SELECT * FROM pg_temp.fetched('piecewise', 3, 1);
SELECT * FROM pg_temp.fetched('piecewise', 4, 96);
-- two at a time, and another search between
DECLARE other CURSOR FOR SELECT id FROM items ORDER BY v <-> pg_temp.q(3);
SELECT * FROM pg_temp.fetched('other', 0, 50);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(4) LIMIT 100) t;
SELECT * FROM pg_temp.fetched('piecewise', 100, 200);
SELECT * FROM pg_temp.fetched('other', 50, 250);
CLOSE other;
-- back and forth
DECLARE scrolling SCROLL CURSOR FOR SELECT id FROM items ORDER BY v <-> pg_temp.q(3) LIMIT 120;
SELECT * FROM pg_temp.fetched('scrolling', 0, 100);
MOVE BACKWARD ALL IN scrolling;
SELECT * FROM pg_temp.fetched('scrolling', 0, 10);
MOVE ABSOLUTE 99 IN scrolling;
SELECT * FROM pg_temp.fetched('scrolling', 99, 10);
SELECT * FROM pg_temp.fetched('scrolling', 109, 100);
FETCH BACKWARD 1 FROM piecewise;
ROLLBACK;
-- beyond its transaction
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM items ORDER BY v <-> pg_temp.vec(77, 10) LIMIT 100;
COMMIT;
FETCH 1 FROM held;
MOVE ALL IN held;
\echo :ROW_COUNT
CLOSE held;
-- the end is the end
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM items WHERE id < 4 ORDER BY v <-> pg_temp.q(3);
SET LOCAL hnsw.iterative_scan = relaxed_order;
MOVE ALL IN c;
\echo :ROW_COUNT
FETCH 1 FROM c;
FETCH 1 FROM c;
ROLLBACK;

-- one search for each row of another table
SELECT probe.id, count(*), count(DISTINCT near.id), bool_or(near.id = probe.id) AS itself
FROM items probe, LATERAL (SELECT id FROM items ORDER BY v <-> probe.v LIMIT 60) near
WHERE probe.id IN (5, 77, 1999) GROUP BY probe.id ORDER BY probe.id;
SELECT count(*) FROM items i WHERE id <= 100 AND id = (SELECT n.id FROM items n ORDER BY n.v <-> i.v LIMIT 1);
SELECT i, count(near.id) FROM generate_series(1, 4) i LEFT JOIN LATERAL (SELECT id FROM items ORDER BY v <-> CASE WHEN i % 2 = 0 THEN pg_temp.q(i) END LIMIT i) near ON true GROUP BY i ORDER BY i;
-- as many rows of each as are read
SELECT count(*) FROM generate_series(1, 20) i WHERE EXISTS (SELECT FROM items ORDER BY v <-> pg_temp.q(i));

-- subqueries
SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 321) LIMIT 1;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = -1) LIMIT 70) t;
WITH query AS MATERIALIZED (SELECT v FROM items WHERE id = 444) SELECT id FROM items ORDER BY v <-> (SELECT v FROM query) LIMIT 1;
SELECT count(*) FROM ((SELECT id FROM items ORDER BY v <-> pg_temp.q(1) LIMIT 20) UNION ALL (SELECT id FROM items ORDER BY v <-> pg_temp.q(2) LIMIT 20)) t;

-- prepared statements
PREPARE nearest (vector, int) AS SELECT id FROM items ORDER BY v <-> $1 LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE nearest (pg_temp.vec(100, 10), 1);
EXECUTE nearest (pg_temp.vec(200, 10), 1);
EXECUTE nearest (NULL, 0);
EXECUTE nearest ('[1,2,3]', 1);
EXECUTE nearest (pg_temp.vec(300, 10), 1);
RESET plan_cache_mode;
DEALLOCATE nearest;
-- functions
CREATE FUNCTION pg_temp.nearest(q vector) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT id FROM items ORDER BY v <-> q LIMIT 1);
END
$$;
SELECT pg_temp.nearest(pg_temp.vec(i, 10)) FROM generate_series(1, 2000, 222) i;

-- rows that a snapshot does not see
CREATE FUNCTION vec_5() RETURNS vector IMMUTABLE LANGUAGE sql AS 'SELECT ''[5,-5,5,-5,5,-5,5,-5,5,-5]''::vector';
CREATE VIEW first_50 AS SELECT count(*) AS rows, count(DISTINCT id) AS ids, min(id % 2) AS odd FROM (SELECT id FROM items ORDER BY v <-> vec_5() LIMIT 50) t;
BEGIN;
DELETE FROM items WHERE id % 2 = 0;
TABLE first_50;
SAVEPOINT s;
DELETE FROM items WHERE id % 3 = 0;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(5) LIMIT 100) t WHERE id % 3 = 0;
ROLLBACK TO s;
SELECT count(*) > 0 FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(5) LIMIT 100) t WHERE id % 3 = 0;
-- a cursor sees what was there when it was opened
DECLARE before CURSOR FOR SELECT id FROM items ORDER BY v <-> pg_temp.q(5) LIMIT 1000;
DELETE FROM items;
MOVE ALL IN before;
\echo :ROW_COUNT
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(5) LIMIT 100) t;
SELECT hnsw_index_check('items_v');
ROLLBACK;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(5) LIMIT 1000) t;

-- columns that are not indexed
UPDATE items SET note = note || '!' WHERE id BETWEEN 1000 AND 1100;
UPDATE items SET note = note || '!' WHERE id BETWEEN 1000 AND 1050; -- a chain of three
SELECT id, note FROM items ORDER BY v <-> pg_temp.vec(1001, 10) LIMIT 1;
SELECT id, note FROM items ORDER BY v <-> pg_temp.vec(1099, 10) LIMIT 1;
SELECT searches, by_index, rows, recall > 0.9 AS found
FROM pg_temp.compare('SELECT v <-> $1 FROM items WHERE note LIKE ''%!'' ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(1001, 1005, 10));
VACUUM items;
SELECT id, note FROM items ORDER BY v <-> pg_temp.vec(1001, 10) LIMIT 1;

-- rows that are gone, before vacuum and after
DELETE FROM items WHERE id % 2 = 0;
TABLE first_50;
SELECT searches, by_index, rows, recall > 0.9 AS found
FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(3001, 3020, 10));
VACUUM items;
TABLE first_50;
SELECT searches, by_index, rows, recall > 0.9 AS found
FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(3001, 3020, 10));
SELECT hnsw_index_check('items_v');
DELETE FROM items WHERE id % 10 <> 1;
VACUUM items;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(6) LIMIT 150) t;
SELECT searches, by_index, rows, recall > 0.9 AS found
FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(3001, 3020, 10));
DELETE FROM items;
VACUUM items;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(6)) t;
SELECT hnsw_index_check('items_v');
REINDEX INDEX items_v;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.q(6)) t;
SELECT hnsw_index_check('items_v');
DROP VIEW first_50;
DROP FUNCTION vec_5();
DROP TABLE items;

-- vacuum of rows that share a point
CREATE TABLE items (id int, v vector(2));
INSERT INTO items SELECT i, ARRAY[i % 4, 0] FROM generate_series(1, 6000) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
DELETE FROM items WHERE id % 4 = 1 OR id % 8 = 2 OR id BETWEEN 2000 AND 4000;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE d = 0) FROM (SELECT id, v <-> '[1,0]' AS d FROM items ORDER BY v <-> '[1,0]') t;
VACUUM items;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE d = 0) FROM (SELECT id, v <-> '[1,0]' AS d FROM items ORDER BY v <-> '[1,0]') t;
SELECT hnsw_index_check('items_v');
SELECT count(*) FROM items;
DROP TABLE items;
