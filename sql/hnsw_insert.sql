-- The access method hnsw: changes of an indexed table
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all
CREATE TABLE items (id int, note text, v vector(3)) WITH (fillfactor = 50);
INSERT INTO items SELECT i, 'row ' || i, pg_temp.vec(i, 3) FROM generate_series(1, 100) i;
INSERT INTO items VALUES (101, 'no vector', NULL);
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT hnsw_index_check('items_v');

-- no new vectors
INSERT INTO items VALUES (200, 'new', '[1,2,3]');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO items SELECT i, 'new', pg_temp.vec(i, 3) FROM generate_series(1, 10) i;
UPDATE items SET v = '[1,2,3]' WHERE id = 7;
UPDATE items SET v = '[1,2,3]' WHERE id = 101;
\set VERBOSITY terse
INSERT INTO items VALUES (200, 'new', '[1,2]');
COPY items FROM stdin;
201	new	[1,2,3]
\.
\set VERBOSITY default
SELECT count(*), max(id) FROM items;

-- rows without a vector are no business of the index
INSERT INTO items VALUES (102, 'none', NULL);
INSERT INTO items (id) SELECT generate_series(103, 110);
COPY items FROM stdin;
111	none	\N
\.
UPDATE items SET note = note || '!' WHERE v IS NULL;
UPDATE items SET v = NULL WHERE id BETWEEN 11 AND 20;
SELECT count(*), count(v) FROM items;
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE id BETWEEN 11 AND 20) FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3]') t;
VACUUM items;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE id BETWEEN 11 AND 20) FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3]') t;
SELECT hnsw_index_check('items_v');

-- other columns, as long as the new row fits on the old one's page
UPDATE items SET note = note || '!' WHERE id = 50;
SELECT id, note FROM items ORDER BY v <-> pg_temp.vec(50, 3) LIMIT 1;
UPDATE items SET v = v WHERE id = 50;
SELECT id, note FROM items ORDER BY v <-> pg_temp.vec(50, 3) LIMIT 1;
CREATE TABLE full_pages (id int, note text, v vector(3)) WITH (autovacuum_enabled = off);
INSERT INTO full_pages SELECT i, 'row ' || i, pg_temp.vec(i, 3) FROM generate_series(1, 500) i;
CREATE INDEX full_pages_v ON full_pages USING hnsw (v vector_l2_ops);
\set VERBOSITY terse
UPDATE full_pages SET note = repeat('x', 1000) WHERE id <= 100;
\set VERBOSITY default
SELECT count(*) FROM full_pages WHERE note LIKE 'x%';
DROP TABLE full_pages;
-- nor when another index has to learn of the change
CREATE INDEX items_note ON items (note);
\set VERBOSITY terse
UPDATE items SET note = 'other' WHERE id = 51;
\set VERBOSITY default
DROP INDEX items_note;

-- rows that a partial index does not have
CREATE TABLE partly (id int, category int, v vector(2));
INSERT INTO partly SELECT i, i % 3, ARRAY[i, i] FROM generate_series(1, 30) i;
CREATE INDEX partly_v ON partly USING hnsw (v vector_l2_ops) WHERE category = 1;
INSERT INTO partly VALUES (31, 2, '[1,1]');
\set VERBOSITY terse
INSERT INTO partly VALUES (31, 1, '[1,1]');
\set VERBOSITY default
SELECT hnsw_index_check('partly_v');
DROP TABLE partly;

-- an index on an empty table takes no rows either
CREATE TABLE nothing (v vector(2));
CREATE INDEX nothing_v ON nothing USING hnsw (v vector_cosine_ops);
\set VERBOSITY terse
INSERT INTO nothing VALUES ('[1,2]');
\set VERBOSITY default
SELECT count(*) FROM (SELECT FROM nothing ORDER BY v <=> '[1,2]') t;
SELECT hnsw_index_check('nothing_v');
DROP TABLE nothing;

-- deletion
DELETE FROM items WHERE id BETWEEN 21 AND 30;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3]') t;
VACUUM items;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3]') t;
VACUUM (FREEZE, INDEX_CLEANUP ON) items;
SELECT hnsw_index_check('items_v');

-- drop, insert, create again
DROP INDEX items_v;
INSERT INTO items SELECT i, 'new', pg_temp.vec(i, 3) FROM generate_series(201, 250) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3]') t;
SELECT hnsw_index_check('items_v');
DROP TABLE items;
