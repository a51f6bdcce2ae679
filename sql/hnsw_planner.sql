-- The access method hnsw: when the planner takes the index, and as what
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all
CREATE TABLE items (id int PRIMARY KEY, category int, v vector(8));
INSERT INTO items SELECT i, i % 10, pg_temp.vec(i, 8) FROM generate_series(1, 4000) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 32);
SELECT hnsw_index_check('items_v');
ANALYZE items;
\set q '''[1,2,3,4,5,6,7,8]'''

-- the nearest few
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> :q LIMIT 1;
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> :q LIMIT 10;
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> :q LIMIT 10 OFFSET 5;
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> :q ASC NULLS LAST LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id, v <-> :q AS distance FROM items ORDER BY distance LIMIT 10;
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> :q FETCH FIRST 3 ROWS ONLY;
-- with the operands the other way round
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY :q <-> v LIMIT 10;
-- with a condition
EXPLAIN (COSTS OFF) SELECT * FROM items WHERE category <> 3 ORDER BY v <-> :q LIMIT 10;
-- the condition picks few rows: through its own index
EXPLAIN (COSTS OFF) SELECT * FROM items WHERE id < 10 ORDER BY v <-> :q LIMIT 5;
-- not for all rows
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> :q;
-- not the farthest first
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> :q DESC LIMIT 10;
-- not nulls first
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> :q NULLS FIRST LIMIT 10;
-- not for other distances, nor for what is made of the distance
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <=> :q LIMIT 10;
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY 2 * (v <-> :q) LIMIT 10;
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY l2_distance(v, :q) LIMIT 10;
-- not without an order
EXPLAIN (COSTS OFF) SELECT * FROM items LIMIT 10;
EXPLAIN (COSTS OFF) SELECT count(*) FROM items;
EXPLAIN (COSTS OFF) SELECT * FROM items WHERE v <-> :q < 5;
EXPLAIN (COSTS OFF) SELECT * FROM items WHERE v = :q;
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v LIMIT 10;
-- whatever is forbidden
SELECT pg_temp.uses_index('SELECT v FROM items WHERE v <-> $1 < 5', :q), pg_temp.uses_index('SELECT v FROM items WHERE v = $1', :q),
	pg_temp.uses_index('SELECT v FROM items', :q), pg_temp.uses_index('SELECT v FROM items ORDER BY v', :q);
-- the query is not a constant
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> v LIMIT 10;
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> random()::text::vector LIMIT 10;
-- no index scan is allowed
SET enable_indexscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM items ORDER BY v <-> :q LIMIT 10;
RESET enable_indexscan;

-- a small table is sorted
CREATE TABLE few (v vector(8));
INSERT INTO few SELECT pg_temp.vec(i, 8) FROM generate_series(1, 20) i;
CREATE INDEX few_v ON few USING hnsw (v vector_l2_ops);
SELECT hnsw_index_check('few_v');
ANALYZE few;
EXPLAIN (COSTS OFF) SELECT * FROM few ORDER BY v <-> :q LIMIT 5;
EXPLAIN (COSTS OFF) SELECT * FROM few ORDER BY v <-> :q;
DROP TABLE few;

-- one search for each row
EXPLAIN (COSTS OFF) SELECT near.id FROM unnest(ARRAY[:q, :q]::vector[]) probe, LATERAL (SELECT id FROM items ORDER BY v <-> probe LIMIT 3) near;
-- the query comes from a subquery
SELECT pg_temp.uses_index('SELECT id FROM items ORDER BY v <-> (SELECT $1) LIMIT 3', :q),
	pg_temp.uses_index('SELECT id FROM items WHERE id = (SELECT id FROM items ORDER BY v <-> $1 LIMIT 1)', :q),
	pg_temp.uses_index('SELECT (SELECT n.id FROM items n WHERE n.id <> i ORDER BY n.v <-> $1 LIMIT 1) FROM generate_series(1, 3) i', :q);

-- a parameter
PREPARE nearest (vector) AS SELECT id FROM items ORDER BY v <-> $1 LIMIT 3;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE nearest (:q);
SET plan_cache_mode = force_custom_plan;
EXPLAIN (COSTS OFF) EXECUTE nearest (:q);
RESET plan_cache_mode;
DEALLOCATE nearest;

-- a cursor that can go back keeps what it has read
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) DECLARE c SCROLL CURSOR FOR SELECT id FROM items ORDER BY v <-> :q;
RESET enable_seqscan;

-- a bigger list of candidates is a dearer start
CREATE FUNCTION pg_temp.startup_cost(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan -> 0 -> 'Plan' ->> 'Startup Cost';
END
$$;
SET enable_seqscan = off;
SET hnsw.ef_search = 10;
SELECT pg_temp.startup_cost($$ SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6,7,8]' $$) AS cost_10 \gset
SET hnsw.ef_search = 1000;
SELECT pg_temp.startup_cost($$ SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6,7,8]' $$) AS cost_1000 \gset
SELECT 0 < :cost_10, :cost_10 < :cost_1000;
RESET hnsw.ef_search;

-- what happened
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> :q LIMIT 10) t;
SELECT index, rows, visited > 10, microseconds > 0 FROM hnsw_scan_stats();
CREATE FUNCTION pg_temp.analyzed(query text, OUT node text, OUT rows int) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' || query INTO plan;
	node := plan -> 0 -> 'Plan' -> 'Plans' -> 0 ->> 'Node Type';
	rows := (plan -> 0 -> 'Plan' -> 'Plans' -> 0 ->> 'Actual Rows')::numeric;
END
$$;
SELECT * FROM pg_temp.analyzed($$ SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 10 $$);
RESET enable_seqscan;
DROP TABLE items;
