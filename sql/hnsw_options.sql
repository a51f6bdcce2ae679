-- The access method hnsw: storage parameters
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all
SET hnsw.ef_search = 1000;
\set probes 'pg_temp.vecs(1001, 1005, 24) || pg_temp.vecs(1, 3, 24)'
\set all_rows '''SELECT v <-> $1 FROM items ORDER BY v <-> $1'''
\set first_rows '''SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 50'''
CREATE TABLE items (id int, v vector(24));
INSERT INTO items SELECT i, pg_temp.vec(i, 24) FROM generate_series(1, 300) i;
CREATE FUNCTION pg_temp.settings(index regclass, OUT quantizer text, OUT link_format text, OUT m int, OUT ef_construction int,
	OUT selection text, OUT extend_candidates bool, OUT keep_pruned bool)
LANGUAGE sql AS 'SELECT quantizer, link_format, m, ef_construction, selection, extend_candidates, keep_pruned FROM hnsw_index_info(index)';

-- none
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT * FROM pg_temp.settings('items_v');
SELECT reloptions FROM pg_class WHERE oid = 'items_v'::regclass;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;

-- m, ef_construction
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4);
SELECT m, ef_construction FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 1000);
SELECT m, ef_construction FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 32);
SELECT m, ef_construction FROM pg_temp.settings('items_v');
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (m = 1);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (m = 101);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (m = many);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (ef_construction = 3);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (ef_construction = 1001);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (ef_construction = 31);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (m = 33);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (m = 16, ef_construction = 31);

-- quantizer
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (quantizer = auto);
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (quantizer = float);
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (quantizer = 'float');
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (quantizer = 8);
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
-- (of rows by the hundred one may come too late and be left out)
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (quantizer = '4');
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:first_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (quantizer = 2);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (quantizer = '');
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (quantizer = half);
-- of the other distances
CREATE INDEX items_v ON items USING hnsw (v vector_ip_ops) WITH (quantizer = 8);
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <#> $1 FROM items ORDER BY v <#> $1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_ip_ops) WITH (quantizer = 4);
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <#> $1 FROM items ORDER BY v <#> $1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_cosine_ops) WITH (quantizer = 8);
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <=> $1 FROM items ORDER BY v <=> $1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_cosine_ops) WITH (quantizer = 4);
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <=> $1 FROM items ORDER BY v <=> $1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l1_ops) WITH (quantizer = float);
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <+> $1 FROM items ORDER BY v <+> $1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l1_ops) WITH (quantizer = 8);
SELECT quantizer FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <+> $1 FROM items ORDER BY v <+> $1', :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX ON items USING hnsw (v vector_l1_ops) WITH (quantizer = 4);
\echo :LAST_ERROR_SQLSTATE

-- link_format: the same graph either way
CREATE INDEX items_packed ON items USING hnsw (v vector_l2_ops) WITH (link_format = packed);
CREATE INDEX items_plain ON items USING hnsw (v vector_l2_ops) WITH (link_format = plain);
SELECT link_format FROM pg_temp.settings('items_packed') UNION ALL SELECT link_format FROM pg_temp.settings('items_plain');
SELECT count(*) AS different FROM
	(SELECT point, level, ctid, unnest(neighbours) FROM hnsw_index_links('items_packed')) a (point, level, ctid, neighbour)
	FULL JOIN (SELECT point, level, ctid, unnest(neighbours) FROM hnsw_index_links('items_plain')) b (point, level, ctid, neighbour)
	USING (point, level, ctid, neighbour)
WHERE a IS NULL OR b IS NULL;
SELECT hnsw_index_check('items_packed'), hnsw_index_check('items_plain');
SET hnsw.ef_search = 20;
SET enable_seqscan = off;
SELECT ARRAY(SELECT id FROM items ORDER BY v <-> pg_temp.vec(-i, 24) LIMIT 100) AS ids INTO TEMP answers FROM generate_series(1, 3) i;
DROP INDEX items_packed;
SELECT count(*) AS same FROM (SELECT ARRAY(SELECT id FROM items ORDER BY v <-> pg_temp.vec(-i, 24) LIMIT 100) AS ids FROM generate_series(1, 3) i) plain JOIN answers USING (ids);
RESET enable_seqscan;
SET hnsw.ef_search = 1000;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
DROP INDEX items_plain;
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (link_format = zip);

-- how neighbours are chosen
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (selection = simple);
SELECT selection, extend_candidates, keep_pruned FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (selection = heuristic, extend_candidates, keep_pruned = off);
SELECT selection, extend_candidates, keep_pruned FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (selection = simple, extend_candidates = true, keep_pruned = false, m = 4);
SELECT selection, extend_candidates, keep_pruned FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (selection = best);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (extend_candidates = 3);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (keep_pruned = maybe);

-- seed: the same graph from the same one
CREATE INDEX items_1 ON items USING hnsw (v vector_l2_ops) WITH (m = 4, seed = 1);
CREATE INDEX items_also_1 ON items USING hnsw (v vector_l2_ops) WITH (m = 4, seed = 1);
CREATE INDEX items_2 ON items USING hnsw (v vector_l2_ops) WITH (m = 4, seed = 2147483647);
CREATE FUNCTION pg_temp.graph(index regclass) RETURNS text LANGUAGE sql AS
	'SELECT string_agg(links::text, '' '' ORDER BY point, level) FROM hnsw_index_links(index) links';
SELECT pg_temp.graph('items_1') = pg_temp.graph('items_also_1'), pg_temp.graph('items_1') = pg_temp.graph('items_2');
SELECT hnsw_index_check('items_1'), hnsw_index_check('items_also_1'), hnsw_index_check('items_2');
SELECT pg_temp.graph('items_1') AS before \gset
REINDEX INDEX items_1;
SELECT pg_temp.graph('items_1') = :'before';
DROP INDEX items_1, items_also_1, items_2;
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (seed = -1);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (seed = 2147483648);

-- what is not there
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (lists = 100);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (fillfactor = 90);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (m = 16, m = 8);

-- a change waits for the next build
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 8, quantizer = 8);
ALTER INDEX items_v SET (m = 5, ef_construction = 100, quantizer = float, link_format = plain, keep_pruned = false, seed = 7);
SELECT reloptions FROM pg_class WHERE oid = 'items_v'::regclass;
SELECT * FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
REINDEX INDEX items_v;
SELECT * FROM pg_temp.settings('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
ALTER INDEX items_v RESET (m, ef_construction, quantizer, link_format, keep_pruned, seed);
REINDEX INDEX items_v;
SELECT * FROM pg_temp.settings('items_v');
SELECT hnsw_index_check('items_v');
ALTER INDEX items_v SET (m = 1000);
ALTER INDEX items_v SET (lists = 1);
ALTER INDEX items_v SET (m = 50);
REINDEX INDEX items_v;
SELECT m FROM pg_temp.settings('items_v');
ALTER INDEX items_v RESET (m);
DROP TABLE items;

-- more than fits
CREATE TABLE items (v vector(100));
INSERT INTO items SELECT array_agg(hashint4(i * 128 + j)::float8 / 1e9)::vector FROM generate_series(1, 4000) i, generate_series(1, 100) j GROUP BY i;
SET maintenance_work_mem = '1MB';
\set VERBOSITY terse
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT hnsw_index_check('items_v', true);
DROP INDEX items_v;
\set VERBOSITY default
RESET maintenance_work_mem;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- far more
CREATE TABLE items (v vector(8));
INSERT INTO items SELECT array_agg(hashint4(i * 8 + j)::float8 / 1e9)::vector FROM generate_series(1, 30000) i, generate_series(1, 8) j GROUP BY i;
SET maintenance_work_mem = '1MB';
\set VERBOSITY terse
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
RESET maintenance_work_mem;
DROP TABLE items;
