-- The access method hnsw over bit
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers

-- the i-th string of bits
CREATE FUNCTION pg_temp.bits(i int, length int) RETURNS varbit LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(hashint4(i * 16384 + j)::bit(32)::text, '' ORDER BY j)::varbit
	FROM generate_series(1, (length + 31) / 32) j
$$;

-- distances of a query for each of some strings, by index and exactly: how
-- many places differ
CREATE FUNCTION pg_temp.bits_differ(query text, length int, OUT rows bigint, OUT different bigint)
LANGUAGE plpgsql AS $$
DECLARE
	found float8[];
	expected float8[];
BEGIN
	rows := 0;
	different := 0;
	FOR i IN 1..10 LOOP
		PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true);
		EXECUTE format('SELECT ARRAY(%s)', query) INTO found
			USING substring(pg_temp.bits(i * 400 - 399, length), 1, length);
		PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true);
		EXECUTE format('SELECT ARRAY(%s)', query) INTO expected
			USING substring(pg_temp.bits(i * 400 - 399, length), 1, length);
		rows := rows + cardinality(found);
		different := different + (SELECT count(*) FROM unnest(expected, found) p (e, f) WHERE e IS DISTINCT FROM f);
	END LOOP;
END
$$;
\set ECHO all

CREATE TABLE strings (id int, b bit(100));
INSERT INTO strings SELECT i, substring(pg_temp.bits(i, 100), 1, 100) FROM generate_series(1, 2000) i;
INSERT INTO strings SELECT i, b'0'::bit(100) FROM generate_series(2001, 2003) i;

CREATE INDEX ON strings USING hnsw (b bit_hamming_ops);
SELECT dimensions, metric, quantizer, points FROM hnsw_index_info('strings_b_idx');
EXPLAIN (COSTS OFF) SELECT id FROM strings ORDER BY b <~> b'1'::bit(100) LIMIT 5;
SET hnsw.ef_search = 600;
SELECT * FROM pg_temp.bits_differ('SELECT b <~> $1::bit(100) FROM strings ORDER BY b <~> $1::bit(100) LIMIT 20', 100);
SELECT id, b <~> b'0'::bit(100) AS distance FROM strings ORDER BY b <~> b'0'::bit(100), id LIMIT 3;

-- rows that come, change, go and come again
INSERT INTO strings SELECT i, substring(pg_temp.bits(i, 100), 1, 100) FROM generate_series(3001, 3200) i;
UPDATE strings SET b = ~b WHERE id % 10 = 0;
DELETE FROM strings WHERE id % 10 = 1;
VACUUM strings;
INSERT INTO strings SELECT i, substring(pg_temp.bits(i, 100), 1, 100) FROM generate_series(4001, 4200) i;
SELECT * FROM pg_temp.bits_differ('SELECT b <~> $1::bit(100) FROM strings ORDER BY b <~> $1::bit(100) LIMIT 20', 100);
SELECT hnsw_index_check('strings_b_idx', true);
DROP INDEX strings_b_idx;

CREATE INDEX ON strings USING hnsw (b bit_jaccard_ops);
SELECT dimensions, metric, quantizer FROM hnsw_index_info('strings_b_idx');
SELECT * FROM pg_temp.bits_differ('SELECT b <%> $1::bit(100) FROM strings ORDER BY b <%> $1::bit(100) LIMIT 20', 100);
INSERT INTO strings SELECT i, substring(pg_temp.bits(i, 100), 1, 100) FROM generate_series(5001, 5100) i;
DELETE FROM strings WHERE id % 10 = 2;
VACUUM strings;
INSERT INTO strings SELECT i, substring(pg_temp.bits(i, 100), 1, 100) FROM generate_series(6001, 6100) i;
SELECT * FROM pg_temp.bits_differ('SELECT b <%> $1::bit(100) FROM strings ORDER BY b <%> $1::bit(100) LIMIT 20', 100);
SELECT hnsw_index_check('strings_b_idx', true);

-- what is in no order by the index comes all the same
SELECT count(*) = (SELECT count(*) FROM strings) AS all_rows FROM
	(SELECT id FROM strings ORDER BY b <%> NULL) s;

-- errors
SELECT id FROM strings ORDER BY b <%> b'101' LIMIT 1;
DROP TABLE strings;
CREATE TABLE strings (b bit(10), v varbit(10), long bit(64001));
CREATE INDEX ON strings USING hnsw (v bit_hamming_ops);
CREATE INDEX ON strings USING hnsw (long bit_hamming_ops);
CREATE INDEX ON strings USING hnsw ((b & b) bit_hamming_ops);
CREATE INDEX ON strings USING hnsw (b);
CREATE INDEX ON strings USING hnsw (b bit_hamming_ops) WITH (quantizer = '8');
CREATE INDEX ON strings USING hnsw (b bit_hamming_ops) WITH (quantizer = 'float');
CREATE INDEX ON strings USING hnsw ((v::bit(10)) bit_hamming_ops);
DROP TABLE strings;

-- one bit, and as many as there can be: one to a page
CREATE TABLE strings (id int, b bit(1));
INSERT INTO strings SELECT i, (i % 2)::bit(1) FROM generate_series(1, 10) i;
CREATE INDEX ON strings USING hnsw (b bit_jaccard_ops);
SELECT id, b <%> b'1' AS distance FROM strings ORDER BY b <%> b'1', id LIMIT 6;
SELECT hnsw_index_check('strings_b_idx', true);
DROP TABLE strings;

CREATE TABLE strings (b bit(64000));
INSERT INTO strings SELECT substring(pg_temp.bits(i, 64000), 1, 64000) FROM generate_series(1, 10) i;
CREATE INDEX ON strings USING hnsw (b bit_hamming_ops);
SELECT dimensions, codes_per_page, pages_per_code FROM hnsw_index_info('strings_b_idx');
INSERT INTO strings SELECT substring(pg_temp.bits(i, 64000), 1, 64000) FROM generate_series(11, 20) i;
SELECT * FROM pg_temp.bits_differ('SELECT b <~> $1::bit(64000) FROM strings ORDER BY b <~> $1::bit(64000)', 64000);
SELECT hnsw_index_check('strings_b_idx', true);
DROP TABLE strings;

-- of vectors, by what their elements are: search with bits, then order
CREATE TABLE items (id int, v vector(768));
INSERT INTO items SELECT i, pg_temp.vec(i, 768) FROM generate_series(1, 300) i;
CREATE INDEX ON items USING hnsw ((binary_quantize(v)::bit(768)) bit_hamming_ops);
SELECT id FROM (SELECT id, v FROM items
	ORDER BY binary_quantize(v)::bit(768) <~> binary_quantize(pg_temp.vec(77, 768))::bit(768) LIMIT 20) s
ORDER BY v <-> pg_temp.vec(77, 768) LIMIT 1;
SELECT hnsw_index_check('items_binary_quantize_idx', true);
DROP TABLE items;
