-- The access method hnsw: changes of an indexed table
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all
SET enable_seqscan = off;
SET hnsw.ef_search = 100;

-- from an empty index up, one row at a time and many
CREATE TABLE items (id int, note text, v vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
INSERT INTO items VALUES (1, 'first', pg_temp.vec(1, 8));
SELECT id FROM items ORDER BY v <-> pg_temp.vec(2, 8) LIMIT 5;
INSERT INTO items VALUES (2, 'second', pg_temp.vec(2, 8));
SELECT id FROM items ORDER BY v <-> pg_temp.vec(2, 8) LIMIT 5;
SELECT hnsw_index_check('items_v');
INSERT INTO items SELECT i, 'row ' || i, pg_temp.vec(i, 8) FROM generate_series(3, 2000) i;
SELECT hnsw_index_check('items_v');
SELECT points FROM hnsw_index_info('items_v');
SELECT by_index, rows, recall > 0.98 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(5001, 5050, 8));
SELECT count(*) > 1990 FROM (SELECT FROM items ORDER BY v <-> pg_temp.vec(9, 8)) t;

-- into an index that was built
REINDEX INDEX items_v;
INSERT INTO items SELECT i, 'row ' || i, pg_temp.vec(i, 8) FROM generate_series(2001, 3000) i;
COPY items FROM stdin;
3001	copied	[1,2,3,4,5,6,7,8]
3002	copied	[8,7,6,5,4,3,2,1]
\.
SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 1;
SELECT hnsw_index_check('items_v');
SELECT by_index, rows, recall > 0.98 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(5001, 5050, 8));

-- what does not belong there
INSERT INTO items VALUES (4000, 'wrong', '[1,2]');
INSERT INTO items VALUES (4000, 'none', NULL);
SELECT points FROM hnsw_index_info('items_v');

-- rows with the same vector share a point
INSERT INTO items SELECT i, 'same', pg_temp.vec(7, 8) FROM generate_series(4001, 4100) i;
SELECT points FROM hnsw_index_info('items_v');
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.vec(7, 8) LIMIT 101) t WHERE id = 7 OR id > 4000;
SELECT hnsw_index_check('items_v');

-- and so does a row whose other columns change
CREATE INDEX items_note ON items (note);
UPDATE items SET note = note || '!' WHERE id <= 1000;
SELECT points FROM hnsw_index_info('items_v');
SELECT id, note FROM items ORDER BY v <-> pg_temp.vec(50, 8) LIMIT 1;
SELECT hnsw_index_check('items_v');
VACUUM items;
SELECT id, note FROM items ORDER BY v <-> pg_temp.vec(50, 8) LIMIT 1;
SELECT hnsw_index_check('items_v');

-- a new vector
UPDATE items SET v = '[100,100,100,100,100,100,100,100]' WHERE id = 50;
SELECT id, note FROM items ORDER BY v <-> '[100,100,100,100,100,100,100,100]' LIMIT 1;
UPDATE items SET v = NULL WHERE id = 50;
SELECT id = 50 FROM items ORDER BY v <-> '[100,100,100,100,100,100,100,100]' LIMIT 1;

-- taken back
BEGIN;
INSERT INTO items SELECT i, 'gone', '[90,90,90,90,90,90,90,90]' FROM generate_series(5001, 5010) i;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[90,90,90,90,90,90,90,90]' LIMIT 10) t WHERE id > 5000;
ROLLBACK;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[90,90,90,90,90,90,90,90]' LIMIT 10) t WHERE id > 5000;
SELECT hnsw_index_check('items_v');

-- deletion
DELETE FROM items WHERE id % 2 = 0;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.vec(9, 8) LIMIT 20) t WHERE id % 2 = 0;
VACUUM items;
SELECT count(*), count(*) FILTER (WHERE id % 2 = 0) FROM (SELECT id FROM items ORDER BY v <-> pg_temp.vec(9, 8) LIMIT 20) t;
SELECT by_index, rows, recall > 0.98 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(5001, 5050, 8));
INSERT INTO items SELECT i, 'again', pg_temp.vec(i, 8) FROM generate_series(6000, 6500) i;
SELECT hnsw_index_check('items_v');
SELECT by_index, rows, recall > 0.98 FROM pg_temp.compare('SELECT v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(5001, 5050, 8));
DELETE FROM items;
VACUUM items;
SELECT count(*) FROM (SELECT FROM items ORDER BY v <-> pg_temp.vec(9, 8) LIMIT 20) t;
INSERT INTO items VALUES (1, 'alone', pg_temp.vec(1, 8));
SELECT count(*) FROM (SELECT FROM items ORDER BY v <-> pg_temp.vec(9, 8) LIMIT 20) t;
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- every quantizer, codes of several pages, both link formats, all metrics
CREATE FUNCTION pg_temp.inserted(dimensions int, opclass text, operator text, options text, OUT by_index int, OUT good boolean)
LANGUAGE plpgsql AS $$
DECLARE
	n int := CASE WHEN dimensions > 1000 THEN 40 ELSE 300 END;
BEGIN
	EXECUTE format('CREATE TABLE inserted (v vector(%s))', dimensions);
	EXECUTE format('CREATE INDEX inserted_v ON inserted USING hnsw (v %s) WITH (%s)', opclass, options);
	FOR i IN 1 .. n LOOP
		INSERT INTO inserted VALUES (pg_temp.vec(i, dimensions));
	END LOOP;
	PERFORM hnsw_index_check('inserted_v');
	SELECT c.by_index, c.recall > 0.9 INTO by_index, good
		FROM pg_temp.compare(format('SELECT v %1$s $1 FROM inserted ORDER BY v %1$s $1 LIMIT 10', operator), pg_temp.vecs(5001, 5005, dimensions)) c;
	DROP TABLE inserted;
END
$$;
SELECT pg_temp.inserted(16, 'vector_l2_ops', '<->', 'quantizer = float');
SELECT pg_temp.inserted(40, 'vector_l2_ops', '<->', 'quantizer = 8');
SELECT pg_temp.inserted(100, 'vector_l2_ops', '<->', 'quantizer = 4');
SELECT pg_temp.inserted(100, 'vector_l2_ops', '<->', 'link_format = plain');
SELECT pg_temp.inserted(100, 'vector_l2_ops', '<->', 'm = 8, ef_construction = 20');
SELECT pg_temp.inserted(100, 'vector_l2_ops', '<->', 'm = 100, ef_construction = 200');
SELECT pg_temp.inserted(100, 'vector_l2_ops', '<->', 'selection = simple');
SELECT pg_temp.inserted(100, 'vector_ip_ops', '<#>', 'm = 16');
SELECT pg_temp.inserted(100, 'vector_cosine_ops', '<=>', 'm = 16');
SELECT pg_temp.inserted(100, 'vector_l1_ops', '<+>', 'm = 16');
SELECT pg_temp.inserted(9000, 'vector_l2_ops', '<->', 'quantizer = 8');
SELECT pg_temp.inserted(16000, 'vector_l2_ops', '<->', 'quantizer = float');

-- one statement, and searches that meet many points
CREATE TABLE many (v vector(4));
CREATE INDEX many_v ON many USING hnsw (v vector_l2_ops) WITH (ef_construction = 400);
INSERT INTO many SELECT pg_temp.vec(i, 4) FROM generate_series(1, 4000) i;
SELECT hnsw_index_check('many_v');
SELECT by_index, rows, recall > 0.98 FROM pg_temp.compare('SELECT v <-> $1 FROM many ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(5001, 5010, 4));
DROP TABLE many;

-- expression and partial indexes
CREATE TABLE partly (id int, category int, v real[]);
CREATE INDEX partly_v ON partly USING hnsw ((v::vector(2)) vector_l2_ops) WHERE category = 1;
INSERT INTO partly SELECT i, i % 3, ARRAY[i, i] FROM generate_series(1, 300) i;
INSERT INTO partly SELECT i, i % 3, ARRAY[i, i] FROM generate_series(1, 300) i;
SELECT points FROM hnsw_index_info('partly_v');
SELECT id FROM partly WHERE category = 1 ORDER BY v::vector(2) <-> '[100,100]' LIMIT 4;
SELECT hnsw_index_check('partly_v');
DROP TABLE partly;

-- unlogged and temporary
CREATE UNLOGGED TABLE unlogged_items (v vector(3));
CREATE INDEX unlogged_items_v ON unlogged_items USING hnsw (v vector_l2_ops);
INSERT INTO unlogged_items SELECT pg_temp.vec(i, 3) FROM generate_series(1, 500) i;
SELECT hnsw_index_check('unlogged_items_v');
DROP TABLE unlogged_items;
CREATE TEMP TABLE temp_items (v vector(3));
CREATE INDEX temp_items_v ON temp_items USING hnsw (v vector_l2_ops);
INSERT INTO temp_items SELECT pg_temp.vec(i, 3) FROM generate_series(1, 500) i;
SELECT hnsw_index_check('temp_items_v');
SELECT by_index, rows, recall > 0.98 FROM pg_temp.compare('SELECT v <-> $1 FROM temp_items ORDER BY v <-> $1 LIMIT 10', pg_temp.vecs(5001, 5010, 3));
DROP TABLE temp_items;

-- what is kept from row to row: neither an error nor a row within a row makes
-- more of it, and what a large insert needs is not kept
CREATE FUNCTION pg_temp.show_states() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'few states: %', (SELECT count(*) <= 2 FROM pg_backend_memory_contexts WHERE name = 'hnsw insert row');
	RETURN NULL;
END
$$;
CREATE TABLE nested (id int, v vector(2)) WITH (autovacuum_enabled = off);
CREATE TRIGGER show_states AFTER INSERT ON nested EXECUTE FUNCTION pg_temp.show_states();
SET insert_test.evaluated = 0;
CREATE FUNCTION pg_temp.insert_more(v vector) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	-- the row's own value, then the other row's it is compared with
	PERFORM set_config('insert_test.evaluated', (current_setting('insert_test.evaluated')::int + 1)::text, false);
	IF current_setting('insert_test.evaluated') = '2' THEN
		INSERT INTO nested SELECT i, format('[%s,1]', i)::vector FROM generate_series(1, 100) i;
	ELSIF current_setting('insert_test.evaluated') = '-1' THEN
		RAISE 'evaluated again';
	END IF;
END
$$;
CREATE FUNCTION pg_temp.with_more(v vector) RETURNS vector
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM pg_temp.insert_more(v);
	RETURN v;
END
$$;
INSERT INTO nested VALUES (1, '[0,1]');
CREATE INDEX nested_v ON nested USING hnsw ((pg_temp.with_more(v)::vector(2)) vector_l2_ops);
SET insert_test.evaluated = 0;
INSERT INTO nested VALUES (2, '[0,1]');
SET insert_test.evaluated = -3;
BEGIN;
DO $$
BEGIN
	INSERT INTO nested VALUES (3, '[0,1]');
EXCEPTION WHEN raise_exception THEN
	RAISE NOTICE '%', sqlerrm;
END
$$;
SET insert_test.evaluated = 1000;
INSERT INTO nested SELECT i, format('[%s,2]', i)::vector FROM generate_series(4, 100) i;
COMMIT;
SELECT points FROM hnsw_index_info('nested_v');
SELECT hnsw_index_check('nested_v');
DROP TABLE nested;

CREATE TABLE large (v vector(4000));
CREATE INDEX large_v ON large USING hnsw (v vector_l2_ops) WITH (quantizer = float, m = 4, ef_construction = 1000);
INSERT INTO large SELECT array_agg(i * j % 1009)::vector FROM generate_series(1, 1100) i, generate_series(1, 4000) j GROUP BY i;
SELECT sum(total_bytes) < 16000000 FROM pg_backend_memory_contexts WHERE name LIKE 'hnsw in%';
SELECT hnsw_index_check('large_v');
DROP TABLE large;
