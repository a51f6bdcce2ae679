-- The access method hnsw: operator classes of vector
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all
SET hnsw.ef_search = 1000;
\set probes 'pg_temp.vecs(1001, 1010, 12) || pg_temp.vecs(1, 5, 12)'

-- each operator class in its operator's order, nearest to farthest
CREATE TABLE items (id int, v vector(12));
INSERT INTO items SELECT i, pg_temp.vec(i, 12) FROM generate_series(1, 400) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 100', :probes);
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1', :probes);
SELECT by_index FROM pg_temp.compare('SELECT v <#> $1 FROM items ORDER BY v <#> $1 LIMIT 1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;

CREATE INDEX items_v ON items USING hnsw (v vector_ip_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <#> $1 FROM items ORDER BY v <#> $1 LIMIT 100', :probes);
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <#> $1 FROM items ORDER BY v <#> $1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;

CREATE INDEX items_v ON items USING hnsw (v vector_cosine_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <=> $1 FROM items ORDER BY v <=> $1 LIMIT 100', :probes);
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <=> $1 FROM items ORDER BY v <=> $1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;

CREATE INDEX items_v ON items USING hnsw (v vector_l1_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <+> $1 FROM items ORDER BY v <+> $1 LIMIT 100', :probes);
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <+> $1 FROM items ORDER BY v <+> $1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;

-- several indexes on one column, each for its operator
CREATE INDEX items_l2 ON items USING hnsw (v vector_l2_ops);
CREATE INDEX items_ip ON items USING hnsw (v vector_ip_ops);
CREATE INDEX items_cosine ON items USING hnsw (v vector_cosine_ops);
CREATE INDEX items_l1 ON items USING hnsw (v vector_l1_ops);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <#> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <=> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <+> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 5;
SELECT hnsw_index_check(indexrelid) FROM pg_index WHERE indrelid = 'items'::regclass;
DROP TABLE items;

-- rows without a vector, and without a direction, are left out
CREATE TABLE items (id int, v vector(3));
INSERT INTO items VALUES (1, '[1,2,3]'), (2, NULL), (3, '[0,0,0]'), (4, '[-1,0,2]'), (5, NULL), (6, '[4,4,4]'), (7, '[0,-0,0]');
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT v <-> '[0,0,1]' AS d FROM items ORDER BY v <-> '[0,0,1]';
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_cosine_ops);
SELECT id FROM items ORDER BY v <=> '[0,0,1]';
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_ip_ops);
SELECT v <#> '[1,1,3]' AS d FROM items ORDER BY v <#> '[1,1,3]';
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l1_ops);
SELECT v <+> '[1,1,3]' AS d FROM items ORDER BY v <+> '[1,1,3]';
SELECT hnsw_index_check('items_v');

-- nothing but such rows
DELETE FROM items WHERE v <> '[0,0,0]';
CREATE INDEX items_cosine ON items USING hnsw (v vector_cosine_ops);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <=> '[0,0,1]') t;
SELECT hnsw_index_check('items_cosine');
DROP TABLE items;

-- queries without a vector, without a direction, of other dimensions
CREATE TABLE items (id int, v vector(3));
INSERT INTO items SELECT i, ARRAY[i, i % 3, -1] FROM generate_series(1, 20) i;
CREATE INDEX items_l2 ON items USING hnsw (v vector_l2_ops);
CREATE INDEX items_ip ON items USING hnsw (v vector_ip_ops);
CREATE INDEX items_cosine ON items USING hnsw (v vector_cosine_ops);
CREATE INDEX items_l1 ON items USING hnsw (v vector_l1_ops);
CREATE FUNCTION no_vector() RETURNS vector STABLE LANGUAGE sql AS 'SELECT NULL::vector';
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> (SELECT no_vector())) t;
SELECT index, rows FROM hnsw_scan_stats();
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <#> (SELECT no_vector())) t;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <=> (SELECT no_vector())) t;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <+> (SELECT no_vector())) t;
SELECT id FROM items ORDER BY v <-> '[0,0,0]' LIMIT 3;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <#> '[0,0,0]') t;
SELECT count(*), count(*) FILTER (WHERE d = 'NaN') FROM (SELECT v <=> '[0,0,0]' AS d FROM items ORDER BY v <=> '[0,0,0]') t;
SELECT id FROM items ORDER BY v <+> '[0,0,0]' LIMIT 3;
SELECT id FROM items ORDER BY v <-> '[1,2]' LIMIT 3;
SELECT id FROM items ORDER BY v <#> '[1]' LIMIT 3;
SELECT id FROM items ORDER BY v <=> '[1,2,3,4]' LIMIT 3;
SELECT id FROM items ORDER BY v <+> '[1,2,3,4]' LIMIT 3;
SELECT count(*), count(*) FILTER (WHERE d = 'Infinity') FROM (SELECT v <-> '[3e38,-3e38,3e38]' AS d FROM items ORDER BY v <-> '[3e38,-3e38,3e38]') t;
SELECT hnsw_index_check(indexrelid) FROM pg_index WHERE indrelid = 'items'::regclass;
DROP FUNCTION no_vector();
DROP TABLE items;

-- numbers at the ends of what float4 can hold
CREATE TABLE items (id int, v vector(2));
INSERT INTO items VALUES (1, '[3e38,3e38]'), (2, '[-3e38,3e38]'), (3, '[1e-38,0]'), (4, '[1e-45,1e-45]'), (5, '[0,0]'), (6, '[1,1]');
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[0,0]') t;
SELECT id FROM items ORDER BY v <-> '[1,1]' LIMIT 1;
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_cosine_ops);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <=> '[1,0]') t;
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_ip_ops);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <#> '[1,0]') t;
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l1_ops);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <+> '[1,0]') t;
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- inner products that are infinite or no numbers come where sorting puts them,
-- equal ones in any order
CREATE TABLE items (id int, v vector(2));
INSERT INTO items VALUES (1, '[1e20,0]'), (2, '[1,1]'), (3, '[3e38,-3e38]'), (4, '[-3e38,0]'), (5, '[-2,-1]'), (6, '[1e10,1]');
CREATE INDEX items_v ON items USING hnsw (v vector_ip_ops);
SELECT v <#> '[1e20,0]' AS d FROM items ORDER BY v <#> '[1e20,0]';
SELECT v <#> '[3e38,3e38]' AS d FROM items ORDER BY v <#> '[3e38,3e38]';
DROP TABLE items;

-- distances much smaller than their rounding: no row is taken for one that
-- comes too late
CREATE TABLE items AS SELECT i, ARRAY[cos(i * 1e-6), sin(i * 1e-6)]::vector(2) AS v FROM generate_series(0, 3000) i;
CREATE INDEX items_v ON items USING hnsw (v vector_cosine_ops);
SELECT count(DISTINCT i) FROM (SELECT i FROM items ORDER BY v <=> '[1,0]') t;
DROP TABLE items;

-- equal vectors share a point
CREATE TABLE items (id int, v vector(3));
INSERT INTO items SELECT i, ARRAY[i % 10, 1, 2] FROM generate_series(1, 200) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT points FROM hnsw_index_info('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1', '{"[3,1,2]","[9,9,9]"}');
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 25', '{"[3,1,2]","[9,9,9]"}');
SELECT count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[3,1,2]') t;
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- more of them than a page holds row pointers, beside few others
CREATE TABLE items (id int, v vector(3));
INSERT INTO items SELECT i, CASE WHEN i % 1000 = 0 THEN ARRAY[0, i / 1000, 1] ELSE ARRAY[1, 1, 1] END FROM generate_series(1, 5000) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT points FROM hnsw_index_info('items_v');
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE v = '[1,1,1]') FROM (SELECT * FROM items ORDER BY v <-> '[1,1,1]') t;
SELECT id FROM items ORDER BY v <-> '[0,2.9,1]' LIMIT 3;
SELECT id FROM items WHERE id % 1000 = 0 ORDER BY v <-> '[1,0,1]';
SELECT hnsw_index_check('items_v');
-- one vector only
DROP INDEX items_v;
TRUNCATE items;
INSERT INTO items SELECT i, '[1,1,1]' FROM generate_series(1, 4995) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT points, levels FROM hnsw_index_info('items_v');
SELECT count(DISTINCT id) FROM (SELECT * FROM items ORDER BY v <-> '[1,2,3]') t;
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- zero has two signs, which no distance tells apart
CREATE TABLE items (id int, v vector(2));
INSERT INTO items SELECT i, CASE i % 2 WHEN 0 THEN '[0,1]'::vector ELSE '[-0,1]' END FROM generate_series(1, 6) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT count(*), count(DISTINCT d) FROM (SELECT v <-> '[0,2]' AS d FROM items ORDER BY v <-> '[0,2]') t;
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- an expression
CREATE TABLE items (id int, a real[], v vector);
INSERT INTO items SELECT i, ARRAY[i, -i, i * i % 7], ARRAY[i, i % 4] FROM generate_series(1, 300) i;
CREATE INDEX items_a ON items USING hnsw ((a::vector(3)) vector_l2_ops);
CREATE INDEX items_v ON items USING hnsw ((v::vector(2)) vector_l2_ops);
CREATE INDEX items_sub ON items USING hnsw ((subvector(a::vector, 1, 2)::vector(2)) vector_l1_ops);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY a::vector(3) <-> '[10,-10,3]' LIMIT 3;
SELECT id FROM items ORDER BY a::vector(3) <-> '[10.1,-10,2]' LIMIT 3;
SELECT searches, by_index, rows, different
FROM pg_temp.compare('SELECT v::vector(2) <-> $1 FROM items ORDER BY v::vector(2) <-> $1', '{"[3,1]","[-100,20]","[177,2]"}');
SELECT searches, by_index, rows, different
FROM pg_temp.compare('SELECT subvector(a::vector, 1, 2)::vector(2) <+> $1 FROM items ORDER BY 1', '{"[3,1]","[-100,20]","[177,2]"}');
SELECT by_index FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1', '{"[3,1]"}');
SELECT hnsw_index_check(indexrelid) FROM pg_index WHERE indrelid = 'items'::regclass;
DROP INDEX items_a, items_v, items_sub;
-- a value that does not fit
UPDATE items SET v = '[1,2,3]' WHERE id = 77;
CREATE INDEX items_v ON items USING hnsw ((v::vector(2)) vector_l2_ops);
-- rows of several dimensions, an index for each
CREATE INDEX items_v2 ON items USING hnsw ((v::vector(2)) vector_l2_ops) WHERE vector_dims(v) = 2;
CREATE INDEX items_v3 ON items USING hnsw ((v::vector(3)) vector_l2_ops) WHERE vector_dims(v) = 3;
SELECT id FROM items WHERE vector_dims(v) = 3 ORDER BY v::vector(3) <-> '[1,2,3]' LIMIT 3;
SELECT count(*) FROM (SELECT id FROM items WHERE vector_dims(v) = 2 ORDER BY v::vector(2) <-> '[1,2]') t;
SELECT hnsw_index_check(indexrelid) FROM pg_index WHERE indrelid = 'items'::regclass;
DROP TABLE items;

-- a predicate
CREATE TABLE items (id int, category int, v vector(6));
INSERT INTO items SELECT i, i % 5, pg_temp.vec(i, 6) FROM generate_series(1, 500) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WHERE category = 3;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE category = 3 ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 3;
SELECT pg_temp.uses_index('SELECT id FROM items WHERE category = 2 ORDER BY v <-> $1 LIMIT 3', '[1,2,3,4,5,6]');
SELECT searches, by_index, rows, different
FROM pg_temp.compare('SELECT v <-> $1 FROM items WHERE category = 3 ORDER BY v <-> $1', pg_temp.vecs(1001, 1005, 6));
SELECT points FROM hnsw_index_info('items_v');
SELECT hnsw_index_check('items_v');

-- what cannot be indexed
CREATE INDEX ON items USING hnsw (v);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (v vector_l2_ops, v vector_ip_ops);
\echo :LAST_ERROR_SQLSTATE
CREATE UNIQUE INDEX ON items USING hnsw (v vector_l2_ops);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (v vector_l2_ops) INCLUDE (id);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (v vector_l2_ops DESC);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (v vector_l2_ops NULLS FIRST);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (id vector_l2_ops);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (v vector_ops);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw ((v::vector) vector_l2_ops);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw ((v + v) vector_l2_ops);
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE items ADD COLUMN w vector;
CREATE INDEX ON items USING hnsw (w vector_l2_ops);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING btree (v vector_l2_ops);
\echo :LAST_ERROR_SQLSTATE
DROP TABLE items;

-- another type for an indexed column: the index goes with it
CREATE TABLE items (v vector(3));
INSERT INTO items SELECT ARRAY[i, i, i] FROM generate_series(1, 30) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 8);
ALTER TABLE items ALTER COLUMN v TYPE vector(2) USING subvector(v, 1, 2)::vector(2);
SELECT dimensions, m, points FROM hnsw_index_info('items_v');
SELECT v FROM items ORDER BY v <-> '[7,7.9]' LIMIT 2;
SELECT hnsw_index_check('items_v');
-- without dimensions
ALTER TABLE items ALTER COLUMN v TYPE vector;
SELECT v FROM items ORDER BY v <-> '[7.1,8]' LIMIT 2;
SELECT hnsw_index_check('items_v');
REINDEX INDEX items_v;
DROP TABLE items;
