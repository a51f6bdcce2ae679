-- The access method hnsw over sparsevec
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers

-- the i-th vector: n elements or fewer, from i % 10 the same dimensions
CREATE FUNCTION pg_temp.sparse(i int, n int, dimensions int) RETURNS sparsevec LANGUAGE sql IMMUTABLE AS $$
	SELECT format('{%s}/%s', string_agg(format('%s:%s', d, e), ','), dimensions)::sparsevec
	FROM (SELECT 1 + (hashint4((i % 10) * 65536 + j) & 2147483647) % dimensions AS d,
			max(1 + (hashint4(i * 65536 + j) & 63)) AS e
		FROM generate_series(1, n) j GROUP BY 1) s
$$;

-- distances of a query for some vectors, by index and exactly: how many places
-- differ
CREATE FUNCTION pg_temp.sparse_differ(operator text, n int, dimensions int, OUT rows bigint, OUT different bigint)
LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT ARRAY(SELECT v %s $1 FROM items ORDER BY v %1$s $1 LIMIT 30)', operator);
	found float8[];
	expected float8[];
	probe sparsevec;
BEGIN
	rows := 0;
	different := 0;
	FOR i IN 1..10 LOOP
		probe := pg_temp.sparse(i * 101, n, dimensions);
		PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true);
		EXECUTE query INTO found USING probe;
		PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true);
		EXECUTE query INTO expected USING probe;
		rows := rows + cardinality(found);
		different := different + (SELECT count(*) FROM unnest(expected, found) p (e, f) WHERE e IS DISTINCT FROM f);
	END LOOP;
END
$$;
\set ECHO all

CREATE TABLE items (id int, v sparsevec(30000));
INSERT INTO items SELECT i, pg_temp.sparse(i, 20 + i % 40, 30000) FROM generate_series(1, 800) i;
SET hnsw.ef_search = 400;

CREATE INDEX items_v ON items USING hnsw (v sparsevec_l2_ops);
SELECT dimensions, metric, quantizer, points FROM hnsw_index_info('items_v');
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '{1:1}/30000' LIMIT 5;
SELECT * FROM pg_temp.sparse_differ('<->', 40, 30000);
SELECT hnsw_index_check('items_v', true);
DROP INDEX items_v;

CREATE INDEX items_v ON items USING hnsw (v sparsevec_ip_ops);
SELECT * FROM pg_temp.sparse_differ('<#>', 40, 30000);
SELECT hnsw_index_check('items_v', true);
DROP INDEX items_v;

CREATE INDEX items_v ON items USING hnsw (v sparsevec_l1_ops) WITH (quantizer = 'float');
SELECT quantizer FROM hnsw_index_info('items_v');
SELECT * FROM pg_temp.sparse_differ('<+>', 40, 30000);
SELECT hnsw_index_check('items_v', true);
DROP INDEX items_v;

-- vectors without elements have no direction; equal ones share a point
INSERT INTO items SELECT 0, '{}/30000' FROM generate_series(1, 3);
INSERT INTO items SELECT 0, '{5:1,6:2}/30000' FROM generate_series(1, 3);
INSERT INTO items VALUES (0, NULL);
CREATE INDEX items_v ON items USING hnsw (v sparsevec_cosine_ops) WITH (quantizer = '8');
SELECT points FROM hnsw_index_info('items_v');
SELECT * FROM pg_temp.sparse_differ('<=>', 40, 30000);
SELECT hnsw_index_check('items_v', true);
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v sparsevec_l2_ops);
SELECT points FROM hnsw_index_info('items_v');
SELECT id, v <-> '{}/30000' AS distance FROM items ORDER BY v <-> '{}/30000' LIMIT 6;

-- rows that come, change, go and come again, with codes of other sizes
INSERT INTO items SELECT i, pg_temp.sparse(i, 10 + i % 300, 30000) FROM generate_series(1001, 1300) i;
INSERT INTO items SELECT 0, '{}/30000' FROM generate_series(1, 2);
UPDATE items SET v = pg_temp.sparse(id + 5000, 50, 30000) WHERE id % 10 = 0;
DELETE FROM items WHERE id % 10 IN (1, 2, 3) OR id > 1250;
VACUUM (INDEX_CLEANUP ON) items;
DELETE FROM items WHERE id = 4;
VACUUM (INDEX_CLEANUP ON) items;
SELECT hnsw_index_check('items_v', true);
SELECT dead_points < 10 AS few_dead, free_points > 200 AS many_free FROM hnsw_index_stats('items_v');
INSERT INTO items SELECT i, pg_temp.sparse(i, 1 + i % 60, 30000) FROM generate_series(2001, 2300) i;
SELECT * FROM pg_temp.sparse_differ('<->', 40, 30000);
SELECT hnsw_index_check('items_v', true);
SELECT points <= 1350 AS used_again FROM hnsw_index_stats('items_v');
SELECT hnsw_index_prewarm('items_v') = pg_relation_size('items_v') / current_setting('block_size')::int AS all_blocks;
DROP TABLE items;

-- as many dimensions and elements as there can be
CREATE TABLE items (id int, v sparsevec(1000000000));
INSERT INTO items SELECT i, pg_temp.sparse(i, CASE WHEN i % 20 = 0 THEN 16000 ELSE 200 * (i % 20) END, 1000000000)
FROM generate_series(1, 40) i;
CREATE INDEX items_v ON items USING hnsw (v sparsevec_l2_ops);
INSERT INTO items SELECT i, pg_temp.sparse(i, CASE WHEN i % 20 = 0 THEN 16000 ELSE 200 * (i % 20) END, 1000000000)
FROM generate_series(41, 80) i;
SELECT * FROM pg_temp.sparse_differ('<->', 3000, 1000000000);
SELECT hnsw_index_check('items_v', true);
DELETE FROM items WHERE id % 20 IN (0, 15);
VACUUM (INDEX_CLEANUP ON) items;
DELETE FROM items WHERE id = 1;
VACUUM (INDEX_CLEANUP ON) items;
INSERT INTO items SELECT i, pg_temp.sparse(i, 15000, 1000000000) FROM generate_series(81, 84) i;
SELECT * FROM pg_temp.sparse_differ('<->', 3000, 1000000000);
SELECT hnsw_index_check('items_v', true);

-- errors
SELECT id FROM items ORDER BY v <-> '{1:1}/3' LIMIT 1;
CREATE INDEX ON items USING hnsw (v sparsevec_l2_ops) WITH (quantizer = '4');
CREATE INDEX ON items USING hnsw (v);
DROP TABLE items;
CREATE TABLE items (v sparsevec);
CREATE INDEX ON items USING hnsw (v sparsevec_l2_ops);
CREATE INDEX ON items USING hnsw ((v::sparsevec(5)) sparsevec_l2_ops);
INSERT INTO items VALUES ('{1:1}/5');
INSERT INTO items VALUES ('{1:1}/6');
DROP TABLE items;
