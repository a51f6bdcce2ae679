-- The access method hnsw: settings of scans
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all
CREATE TABLE items (id int, v vector(20));
INSERT INTO items SELECT i, pg_temp.vec(i, 20) FROM generate_series(1, 1500) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT hnsw_index_check('items_v');
\set probes 'pg_temp.vecs(3001, 3010, 20)'
CREATE FUNCTION pg_temp.row_count(query text) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
	result bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (%s) t', query) INTO result;
	RETURN result;
END
$$;

-- defaults
SELECT name, setting, vartype, min_val, max_val, enumvals, context FROM pg_settings WHERE name LIKE 'hnsw.%' ORDER BY name COLLATE "C";

-- values out of range
SET hnsw.ef_search = 0;
\echo :LAST_ERROR_SQLSTATE
SET hnsw.ef_search = 1001;
SET hnsw.ef_search = 'a lot';
SET hnsw.iterative_scan = on;
\echo :LAST_ERROR_SQLSTATE
SET hnsw.max_scan_tuples = 0;
SET hnsw.max_scan_tuples = 2147483648;
SET hnsw.scan_mem_multiplier = 0.5;
SET hnsw.scan_mem_multiplier = 1001;
SET hnsw.rerank = sometimes;
SET hnsw.ef = 10;
\echo :LAST_ERROR_SQLSTATE
SHOW hnsw.probes;
SET hnsw.ef_search = 1;
SET hnsw.ef_search = 1000;
SET hnsw.iterative_scan = off;
SET hnsw.iterative_scan = relaxed_order;
SET hnsw.iterative_scan = strict_order;
SET hnsw.max_scan_tuples = 1;
SET hnsw.max_scan_tuples = 2147483647;
SET hnsw.scan_mem_multiplier = 1.5;
SET hnsw.rerank = off;
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;
RESET hnsw.max_scan_tuples;
RESET hnsw.scan_mem_multiplier;
RESET hnsw.rerank;

-- ef_search: more of it finds more
SET hnsw.ef_search = 10;
SELECT searches, by_index, rows, recall > 0.3 AS found FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :probes);
SET hnsw.ef_search = 40;
SELECT searches, by_index, rows, recall > 0.7 AS found FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :probes);
SET hnsw.ef_search = 1000;
SELECT searches, by_index, rows, recall > 0.99 AS found FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :probes);
-- of one candidate, that one first
SET hnsw.ef_search = 1;
SELECT searches, by_index, different FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 1', pg_temp.vecs(1, 20, 20));
SELECT pg_temp.row_count('SELECT FROM items ORDER BY v <-> pg_temp.vec(-1, 20) LIMIT 100');
-- taken when a scan begins
SET enable_seqscan = off;
BEGIN;
SET LOCAL hnsw.iterative_scan = off;
SET LOCAL hnsw.ef_search = 30;
DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> pg_temp.vec(-1, 20);
MOVE 10 IN c;
\echo :ROW_COUNT
SET LOCAL hnsw.ef_search = 5;
SET LOCAL hnsw.iterative_scan = relaxed_order;
MOVE ALL IN c;
\echo :ROW_COUNT
MOVE ALL IN c;
\echo :ROW_COUNT
COMMIT;

-- iterative_scan
SET hnsw.ef_search = 25;
SET hnsw.iterative_scan = off;
SELECT pg_temp.row_count('SELECT FROM items ORDER BY v <-> pg_temp.vec(-1, 20)');
SELECT continuations FROM hnsw_scan_stats();
SELECT pg_temp.row_count('SELECT FROM items WHERE id % 5 = 0 ORDER BY v <-> pg_temp.vec(-1, 20) LIMIT 25') < 25;
SET hnsw.iterative_scan = relaxed_order;
SELECT pg_temp.row_count('SELECT FROM items ORDER BY v <-> pg_temp.vec(-1, 20)');
SELECT continuations > 50, rows FROM hnsw_scan_stats();
SELECT pg_temp.row_count('SELECT FROM items WHERE id % 5 = 0 ORDER BY v <-> pg_temp.vec(-1, 20) LIMIT 25');
SELECT count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.vec(-1, 20) LIMIT 1000) t;
SET hnsw.iterative_scan = strict_order;
SELECT pg_temp.row_count('SELECT FROM items WHERE id % 5 = 0 ORDER BY v <-> pg_temp.vec(-1, 20) LIMIT 25');
SELECT count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.vec(-1, 20) LIMIT 1000) t;
-- never a step back
SELECT count(*) FILTER (WHERE d < before) AS back FROM (
	SELECT d, lag(d) OVER (ORDER BY n) AS before FROM
		unnest(ARRAY(SELECT v <-> pg_temp.vec(-1, 20) FROM items ORDER BY v <-> pg_temp.vec(-1, 20) LIMIT 1000)) WITH ORDINALITY u (d, n)) t;
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;

-- max_scan_tuples: the end of an iterative scan
SET hnsw.max_scan_tuples = 200;
SELECT pg_temp.row_count('SELECT FROM items ORDER BY v <-> pg_temp.vec(-1, 20)') BETWEEN 40 AND 1000;
SELECT visited BETWEEN 200 AND 1000 FROM hnsw_scan_stats();
SET hnsw.max_scan_tuples = 1;
SELECT pg_temp.row_count('SELECT FROM items ORDER BY v <-> pg_temp.vec(-1, 20)') BETWEEN 40 AND 1000;
-- the first search is not cut short
SELECT searches, by_index, rows, recall > 0.7 AS found FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :probes);
RESET hnsw.max_scan_tuples;

-- memory: its end ends a scan too, the multiplier puts it off
SET work_mem = '64kB';
SELECT pg_temp.row_count('SELECT FROM items ORDER BY v <-> pg_temp.vec(-1, 20)') AS few \gset
SET hnsw.scan_mem_multiplier = 1000;
SELECT pg_temp.row_count('SELECT FROM items ORDER BY v <-> pg_temp.vec(-1, 20)') AS many \gset
SELECT :few >= 40, :few <= :many;
RESET work_mem;
RESET hnsw.scan_mem_multiplier;

-- rerank: off reads no rows of the table and may err in the order
SET hnsw.rerank = off;
SELECT pg_temp.row_count('SELECT FROM items ORDER BY v <-> pg_temp.vec(-1, 20) LIMIT 40');
SELECT rows, reranked FROM hnsw_scan_stats();
SELECT searches, by_index, rows, recall > 0.7 AS found FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :probes);
-- the values shown are exact all the same
SELECT count(*) FROM (SELECT id, v <-> pg_temp.vec(7, 20) AS d FROM items ORDER BY v <-> pg_temp.vec(7, 20) LIMIT 10) a
	JOIN items i USING (id) WHERE a.d = i.v <-> pg_temp.vec(7, 20);
SET hnsw.rerank = on;
SELECT pg_temp.row_count('SELECT FROM items ORDER BY v <-> pg_temp.vec(-1, 20) LIMIT 10');
SELECT rows, reranked BETWEEN 10 AND 40 FROM hnsw_scan_stats();
-- every code, every distance
TRUNCATE items;
DROP INDEX items_v;
INSERT INTO items SELECT i, pg_temp.vec(i, 20) FROM generate_series(1, 500) i;
SET hnsw.rerank = off;
SET hnsw.ef_search = 1000;
CREATE INDEX items_8 ON items USING hnsw (v vector_l2_ops) WITH (quantizer = 8);
SELECT searches, by_index, rows, recall > 0.9 AS found FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 50', :probes);
SELECT hnsw_index_check('items_8');
DROP INDEX items_8;
CREATE INDEX items_4 ON items USING hnsw (v vector_l2_ops) WITH (quantizer = 4);
SELECT searches, by_index, rows, recall > 0.9 AS found FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 50', :probes);
SELECT hnsw_index_check('items_4');
DROP INDEX items_4;
CREATE INDEX items_ip ON items USING hnsw (v vector_ip_ops) WITH (quantizer = 8);
SELECT searches, by_index, rows, recall > 0.9 AS found FROM pg_temp.compare('SELECT v <#> $1 FROM items ORDER BY v <#> $1 LIMIT 50', :probes);
SELECT hnsw_index_check('items_ip');
DROP INDEX items_ip;
CREATE INDEX items_cosine ON items USING hnsw (v vector_cosine_ops) WITH (quantizer = 8);
SELECT searches, by_index, rows, recall > 0.9 AS found FROM pg_temp.compare('SELECT v <=> $1 FROM items ORDER BY v <=> $1 LIMIT 50', :probes);
SELECT hnsw_index_check('items_cosine');
DROP INDEX items_cosine;
CREATE INDEX items_l1 ON items USING hnsw (v vector_l1_ops) WITH (quantizer = 8);
SELECT searches, by_index, rows, recall > 0.9 AS found FROM pg_temp.compare('SELECT v <+> $1 FROM items ORDER BY v <+> $1 LIMIT 50', :probes);
SELECT hnsw_index_check('items_l1');

-- which arithmetic is in use
SELECT hnsw_kernels() <> '';
DROP TABLE items;
