-- The access method hnsw: searches where most of what is near is deleted
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all
CREATE TABLE items (id int, v vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, pg_temp.vec(i, 8) FROM generate_series(1, 3000) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
\set query 'ARRAY[pg_temp.vec(5001, 8)]'
DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY v <-> pg_temp.vec(5001, 8) LIMIT 1500);

-- the index does not know yet: as many rows as asked for, and the right ones
SELECT by_index, rows, recall >= 0.9 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :query);
SELECT by_index, rows, recall >= 0.9 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 1000', :query);
SET hnsw.ef_search = 1;
SELECT by_index, rows FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :query);
RESET hnsw.ef_search;
SET hnsw.iterative_scan = relaxed_order;
SELECT by_index, rows, recall >= 0.9 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :query);
SET hnsw.rerank = off;
SELECT by_index, rows, recall >= 0.8 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :query);
RESET hnsw.rerank;
RESET hnsw.iterative_scan;

-- rows whose transaction is rolled back, and rows of the own one
BEGIN;
DELETE FROM items;
SELECT count(*) FROM (SELECT FROM items ORDER BY v <-> pg_temp.vec(5001, 8)) t;
INSERT INTO items SELECT i, pg_temp.vec(i, 8) FROM generate_series(6001, 6005) i;
SELECT by_index, rows, different FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :query);
ROLLBACK;
SELECT by_index, rows, recall >= 0.9 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :query);

-- dead points take no place in the candidate list
VACUUM items;
SELECT hnsw_index_check('items_v', true);
SELECT by_index, rows, recall > 0.95 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(5001, 5040, 8));
SET hnsw.iterative_scan = off;
SELECT by_index, rows, recall > 0.95 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 40', pg_temp.vecs(5001, 5040, 8));
RESET hnsw.iterative_scan;

-- nothing is left, and something comes
DELETE FROM items;
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> pg_temp.vec(5001, 8) LIMIT 10;
VACUUM items;
SELECT id FROM items ORDER BY v <-> pg_temp.vec(5001, 8) LIMIT 10;
INSERT INTO items SELECT i, pg_temp.vec(i, 8) FROM generate_series(7001, 7003) i;
SELECT id FROM items ORDER BY v <-> pg_temp.vec(7002, 8) LIMIT 1;
SELECT by_index, rows, different FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', :query);
SELECT hnsw_index_check('items_v', true);
DROP TABLE items;
