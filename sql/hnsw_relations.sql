-- The access method hnsw: kinds of tables, commands on indexes, catalogs
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all
SET hnsw.ef_search = 1000;
\set all_rows '''SELECT v <-> $1 FROM items ORDER BY v <-> $1'''
\set probes 'pg_temp.vecs(5001, 5003, 4)'

-- operator classes and the access method
SELECT opcname, opcdefault, opcintype::regtype, amvalidate(c.oid)
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'hnsw' ORDER BY opcname COLLATE "C";
SELECT opfname, amopstrategy, amopopr::regoperator, amoppurpose, (SELECT opfname FROM pg_opfamily WHERE oid = amopsortfamily) AS sorted_by
FROM pg_amop o JOIN pg_opfamily f ON f.oid = amopfamily JOIN pg_am a ON a.oid = amopmethod WHERE amname = 'hnsw' ORDER BY opfname COLLATE "C";
SELECT p, pg_indexam_has_property(a.oid, p)
FROM pg_am a, unnest('{can_order,can_unique,can_multi_col,can_exclude,can_include,bogus}'::text[]) p WHERE amname = 'hnsw';
CREATE TABLE items (id int, v vector(4));
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT p, pg_index_has_property('items_v'::regclass, p) FROM unnest('{clusterable,index_scan,bitmap_scan,backward_scan,bogus}'::text[]) p;
SELECT p, pg_index_column_has_property('items_v'::regclass, 1, p)
FROM unnest('{asc,desc,nulls_first,nulls_last,orderable,distance_orderable,returnable,search_array,search_nulls,bogus}'::text[]) p;
SELECT pg_get_indexdef('items_v'::regclass);

-- operator classes that are none
CREATE OPERATOR CLASS bad_ops FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops;
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'bad_ops';
DROP OPERATOR FAMILY bad_ops USING hnsw;
-- one that has another name, and is the default
CREATE OPERATOR CLASS my_l2_ops DEFAULT FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops, FUNCTION 1 hnsw_vector_l2_support(internal);
CREATE INDEX items_my ON items USING hnsw (v);
SELECT metric FROM hnsw_index_info('items_my');
DROP INDEX items_my;
DROP OPERATOR FAMILY my_l2_ops USING hnsw;
-- functions that are no support functions, as pgvector's operator classes have them, and others
CREATE OPERATOR CLASS bad_ops DEFAULT FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops, FUNCTION 1 vector_l2_squared_distance(vector, vector);
CREATE OPERATOR CLASS bad_ops FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops, FUNCTION 1 vector_norm(vector);
CREATE OPERATOR CLASS bad_ops FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops, FUNCTION 1 hnswhandler(internal);
CREATE OPERATOR CLASS bad_ops FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops, FUNCTION 1 hnsw_vector_l2_support(internal), FUNCTION 2 vector_norm(vector);
ALTER OPERATOR FAMILY vector_l2_ops USING hnsw ADD FUNCTION 1 (halfvec, halfvec) halfvec_l2_squared_distance(halfvec, halfvec);
-- one that became such a function behind the server's back
CREATE OPERATOR CLASS bad_ops FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops, FUNCTION 1 hnsw_vector_l2_support(internal);
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'bad_ops';
UPDATE pg_amproc SET amproc = 'vector_l2_squared_distance' WHERE amprocfamily = (SELECT opcfamily FROM pg_opclass WHERE opcname = 'bad_ops');
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'bad_ops';
-- (releases differ in how they name the function in the DETAIL)
\set VERBOSITY terse
CREATE INDEX ON items USING hnsw (v bad_ops);
\set VERBOSITY default
DROP OPERATOR FAMILY bad_ops USING hnsw;
CREATE OPERATOR CLASS bad_ops FOR TYPE vector USING hnsw AS OPERATOR 1 < (vector, vector), FUNCTION 1 hnsw_vector_l2_support(internal);
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'bad_ops';
DROP OPERATOR FAMILY bad_ops USING hnsw;

-- the functions behind them are not for users; releases of one major version
-- differ in how they say so
DO $$
DECLARE
	name	text;
BEGIN
	FOREACH name IN ARRAY '{hnswhandler,hnsw_vector_l2_support}'::text[] LOOP
		BEGIN
			EXECUTE format('SELECT %I(NULL)', name);
		EXCEPTION WHEN undefined_function OR feature_not_supported THEN
			RAISE NOTICE '% is refused', name;
		END;
	END LOOP;
END $$;

-- empty
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT points, entry_point, levels FROM hnsw_index_info('items_v');
SELECT hnsw_index_check('items_v');
VACUUM items;
ANALYZE items;
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;

-- one row, then two
INSERT INTO items VALUES (1, '[1,2,3,4]');
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
INSERT INTO items VALUES (2, '[4,3,2,1]');
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;
INSERT INTO items SELECT i, pg_temp.vec(i, 4) FROM generate_series(3, 300) i;

-- IF NOT EXISTS, names, comments
CREATE INDEX IF NOT EXISTS items_v ON items USING hnsw (v vector_l2_ops);
CREATE INDEX IF NOT EXISTS items_v ON items USING hnsw (v vector_l2_ops);
CREATE INDEX ON items USING hnsw (v vector_ip_ops);
ALTER INDEX items_v_idx RENAME TO items_ip;
COMMENT ON INDEX items_ip IS 'inner product';
SELECT indexdef FROM pg_indexes WHERE tablename = 'items' ORDER BY indexdef COLLATE "C";
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
DROP INDEX items_ip;

-- REINDEX
REINDEX INDEX items_v;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
REINDEX INDEX CONCURRENTLY items_v;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
REINDEX TABLE items;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
-- VACUUM FULL and a rewrite of the table
DELETE FROM items WHERE id % 2 = 0;
VACUUM FULL items;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
ALTER TABLE items ALTER COLUMN id TYPE bigint;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
ALTER INDEX items_v SET TABLESPACE pg_default;
ALTER TABLE items ADD COLUMN more int DEFAULT 3, DROP COLUMN id;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);

-- CLUSTER
CLUSTER items USING items_v;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE items CLUSTER ON items_v;

-- TRUNCATE, and its undoing
BEGIN;
TRUNCATE items;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
ROLLBACK;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
TRUNCATE items;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
BEGIN;
DROP INDEX items_v;
ROLLBACK;
SELECT hnsw_index_check('items_v');
DROP INDEX items_v;

-- CREATE INDEX CONCURRENTLY, and after an error
INSERT INTO items (v) SELECT pg_temp.vec(i, 4) FROM generate_series(1, 300) i;
CREATE INDEX CONCURRENTLY items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP INDEX CONCURRENTLY items_v;
CREATE INDEX CONCURRENTLY items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 50);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_v'::regclass;
SELECT pg_temp.uses_index('SELECT v FROM items ORDER BY v <-> $1', '[1,2,3,4]');
ALTER INDEX items_v SET (m = 4);
REINDEX INDEX CONCURRENTLY items_v;
SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_v'::regclass;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- in the transaction that makes the table, and in part undone
BEGIN;
CREATE TABLE items (v vector(4));
INSERT INTO items SELECT pg_temp.vec(i, 4) FROM generate_series(1, 100) i;
SAVEPOINT s;
INSERT INTO items SELECT pg_temp.vec(i, 4) FROM generate_series(101, 200) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
ROLLBACK TO s;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
DELETE FROM items WHERE v <-> '[0,0,0,0]' < 60;
COMMIT;
SELECT searches, by_index, rows = (SELECT 3 * count(*) FROM items) AS all_rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- rows that are deleted, but not for all
CREATE TABLE items (v vector(4));
INSERT INTO items SELECT pg_temp.vec(i, 4) FROM generate_series(1, 100) i;
DELETE FROM items WHERE v <-> '[0,0,0,0]' < 60;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows = (SELECT 3 * count(*) FROM items) AS all_rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- temporary
CREATE TEMP TABLE items (v vector(4));
INSERT INTO items SELECT pg_temp.vec(i, 4) FROM generate_series(1, 300) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
DELETE FROM items WHERE v <-> '[0,0,0,0]' < 60;
VACUUM items;
SELECT searches, by_index, rows = (SELECT 3 * count(*) FROM items) AS all_rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP TABLE items;
BEGIN;
CREATE TEMP TABLE items (v vector(4)) ON COMMIT DELETE ROWS;
INSERT INTO items SELECT pg_temp.vec(i, 4) FROM generate_series(1, 300) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
COMMIT;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- unlogged, and logged after all
CREATE UNLOGGED TABLE items (v vector(4));
INSERT INTO items SELECT pg_temp.vec(i, 4) FROM generate_series(1, 300) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT pg_relation_size('items_v', 'init') > 0, pg_relation_size('items_v', 'init') < pg_relation_size('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
ALTER TABLE items SET LOGGED;
SELECT pg_relation_size('items_v', 'init');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
ALTER TABLE items SET UNLOGGED;
SELECT pg_relation_size('items_v', 'init') > 0;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- partitioned
CREATE TABLE items (id int, v vector(4)) PARTITION BY RANGE (id);
CREATE TABLE items_1 PARTITION OF items FOR VALUES FROM (0) TO (100);
CREATE TABLE items_2 PARTITION OF items FOR VALUES FROM (100) TO (200);
CREATE TABLE items_3 (id int, v vector(4));
INSERT INTO items SELECT i, pg_temp.vec(i, 4) FROM generate_series(1, 199) i;
INSERT INTO items_3 SELECT i, pg_temp.vec(i, 4) FROM generate_series(200, 299) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 10);
ALTER TABLE items ATTACH PARTITION items_3 FOR VALUES FROM (200) TO (300);
SELECT relname, relkind, reloptions FROM pg_partition_tree('items_v') t JOIN pg_class c ON c.oid = relid ORDER BY relname COLLATE "C";
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT searches, by_index, rows, different FROM pg_temp.compare('SELECT v <-> $1 FROM items WHERE id BETWEEN 50 AND 150 ORDER BY v <-> $1 LIMIT 20', :probes);
SELECT hnsw_index_check(relid) FROM pg_partition_tree('items_v') WHERE isleaf;
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- inherited
CREATE TABLE items (id int, v vector(4));
CREATE TABLE items_more () INHERITS (items);
INSERT INTO items SELECT i, pg_temp.vec(i, 4) FROM generate_series(1, 100) i;
INSERT INTO items_more SELECT i, pg_temp.vec(i, 4) FROM generate_series(101, 200) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
CREATE INDEX items_more_v ON items_more USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v'), hnsw_index_check('items_more_v');
DROP TABLE items CASCADE;

-- materialized views
CREATE MATERIALIZED VIEW items AS SELECT ARRAY[i % 17, i % 13, i % 7, i % 5]::vector(4) AS v FROM generate_series(1, 200) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
REFRESH MATERIALIZED VIEW items;
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
DROP MATERIALIZED VIEW items;

-- toasted values
CREATE TABLE items (v vector(3000));
ALTER TABLE items ALTER COLUMN v SET STORAGE extended;
INSERT INTO items SELECT pg_temp.vec(i, 3000) FROM generate_series(1, 20) i;
INSERT INTO items SELECT array_fill(i::float4, '{3000}') FROM generate_series(1, 20) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, pg_temp.vecs(1, 3, 3000) || array_fill(4.2, '{3000}')::vector);
SELECT hnsw_index_check('items_v');
DROP TABLE items;

-- domains
CREATE DOMAIN embedding AS vector(4) CHECK (vector_norm(VALUE) > 0);
CREATE TABLE items (v embedding, w embedding[]);
INSERT INTO items SELECT pg_temp.vec(i, 4) FROM generate_series(1, 100) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
SELECT dimensions FROM hnsw_index_info('items_v');
SELECT searches, by_index, rows, different FROM pg_temp.compare(:all_rows, :probes);
SELECT hnsw_index_check('items_v');
CREATE INDEX ON items USING hnsw (w vector_l2_ops);
DROP TABLE items;
DROP DOMAIN embedding;

-- what CREATE INDEX needs, and who may
CREATE ROLE regress_hnsw_user;
CREATE TABLE items (v vector(4));
SET ROLE regress_hnsw_user;
CREATE INDEX ON items USING hnsw (v vector_l2_ops);
RESET ROLE;
DROP TABLE items;
DROP ROLE regress_hnsw_user;
