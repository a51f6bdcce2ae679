-- Values that are damaged as they are stored: numbers in their headers that do
-- not fit their sizes, or are too large, and indices of any order
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/types.sql"`
\i :helpers
\set ECHO all

CREATE CAST (bytea AS vector) WITHOUT FUNCTION;
CREATE CAST (bytea AS halfvec) WITHOUT FUNCTION;
CREATE CAST (bytea AS sparsevec) WITHOUT FUNCTION;
CREATE CAST (bytea AS bit) WITHOUT FUNCTION;
CREATE CAST (vector AS bytea) WITHOUT FUNCTION;
CREATE CAST (halfvec AS bytea) WITHOUT FUNCTION;
CREATE CAST (sparsevec AS bytea) WITHOUT FUNCTION;
CREATE CAST (bit AS bytea) WITHOUT FUNCTION;

-- There and back is the value.  Numbers are taken from other values, or have
-- bytes that are the same from both ends, as those of a value are the server's.
SELECT '[1,2,3]'::vector::bytea::vector, '[1,2,3]'::halfvec::bytea::halfvec, '{1:1,3:2}/4'::sparsevec::bytea::sparsevec, b'10110'::bytea::bit;
CREATE TEMP TABLE damaged (type text, damage text, value bytea);
INSERT INTO damaged VALUES
	('vector', 'empty', ''),
	('vector', 'too short', substring('[1,2,3]'::vector::bytea FOR 15)),
	('vector', 'too long', '[1,2,3]'::vector::bytea || '\x00'),
	('vector', 'no dimensions', '\x00000000'),
	('vector', 'negative dimensions', '\xffff0000'),
	('vector', 'too many dimensions', '\x3f3f0000' || decode(repeat('00', 4 * x'3f3f'::int), 'hex')),
	('vector', 'far too many dimensions', '\x7f7f0000' || decode(repeat('00', 4 * x'7f7f'::int), 'hex')),
	('halfvec', 'empty', ''),
	('halfvec', 'too short', substring('[1,2,3]'::halfvec::bytea FOR 9)),
	('halfvec', 'too long', '[1,2,3]'::halfvec::bytea || '\x00'),
	('halfvec', 'no dimensions', '\x00000000'),
	('halfvec', 'negative dimensions', '\xffff0000'),
	('halfvec', 'too many dimensions', '\x3f3f0000' || decode(repeat('00', 2 * x'3f3f'::int), 'hex')),
	('halfvec', 'far too many dimensions', '\x7f7f0000' || decode(repeat('00', 2 * x'7f7f'::int), 'hex')),
	('sparsevec', 'empty', ''),
	('sparsevec', 'too short', substring('{1:1,3:2}/4'::sparsevec::bytea FOR 27)),
	('sparsevec', 'too long', '{1:1,3:2}/4'::sparsevec::bytea || '\x00'),
	('sparsevec', 'no dimensions', '\x000000000000000000000000'),
	('sparsevec', 'negative dimensions', '\xffffffff0000000000000000'),
	('sparsevec', 'too many dimensions', '\x7f7f7f7f0000000000000000'),
	('sparsevec', 'negative elements', '\x00010100ffffffff00000000'),
	('sparsevec', 'too many elements', '\x000101000001010000000000' || decode(repeat('00', 8 * x'010100'::int), 'hex')),
	('"bit"', 'empty', ''),
	('"bit"', 'too short', substring(repeat('1', 20)::bit(20)::bytea FOR 5)),
	('"bit"', 'too long', repeat('1', 20)::bit(20)::bytea || '\x00'),
	('"bit"', 'negative length', '\xffffffff');

-- each is said to be damaged, by all that reads it
CREATE FUNCTION pg_temp.try(tried text, expression text) RETURNS TABLE (damage text, outcome text) AS $$
	SELECT damage, pg_temp.outcome(replace(expression, '?', format('%L::bytea::%s', value, tried)))
	FROM damaged WHERE type = tried
$$ LANGUAGE sql;
SELECT * FROM pg_temp.try('vector', '?') WHERE damage <> 'empty';
SELECT * FROM pg_temp.try('halfvec', '?') WHERE damage <> 'empty';
SELECT * FROM pg_temp.try('sparsevec', '?') WHERE damage <> 'empty';
SELECT * FROM pg_temp.try('"bit"', 'hamming_distance(?, b''1'')') WHERE damage <> 'empty';
SELECT type, expression, count(*), count(*) FILTER (WHERE outcome LIKE 'XX001: stored %') AS refused
FROM (VALUES ('vector'), ('halfvec'), ('sparsevec')) t (type),
	(VALUES ('?'), ('%s_send(?)'), ('? <-> ?'), ('? <#> ?'), ('? <=> ?'), ('? <+> ?'), ('? < ?'), ('l2_normalize(?)'),
		('?::%s(3)'), ('?::vector::real[]'), ('?::halfvec'), ('?::sparsevec')) e (template),
	format(template, type) expression, pg_temp.try(type, expression)
GROUP BY type, expression ORDER BY type, expression COLLATE "C";
SELECT type, expression, count(*), count(*) FILTER (WHERE outcome LIKE 'XX001: stored %') AS refused
FROM (VALUES ('vector'), ('halfvec')) t (type),
	(VALUES ('?::real[]'), ('? + ?'), ('? || ?'), ('vector_dims(?)'), ('subvector(?, 1, 1)'), ('binary_quantize(?)'),
		('avg(?)'), ('sum(?) + ?')) e (expression), pg_temp.try(type, expression)
GROUP BY type, expression ORDER BY type, expression COLLATE "C";
SELECT expression, count(*), count(*) FILTER (WHERE outcome LIKE 'XX001: stored %') AS refused
FROM (VALUES ('? <~> ?'), ('? <%> ?'), ('b''10110'' <~> ?')) e (expression), pg_temp.try('"bit"', expression)
GROUP BY expression ORDER BY expression COLLATE "C";

-- indices: outside of the vector, and in another order
CREATE TEMP TABLE misplaced (damage text, value sparsevec);
INSERT INTO misplaced VALUES
	('beyond', (substring('{1:1}/4'::sparsevec::bytea FOR 4) || substring('{1:5,16000:7}/16000'::sparsevec::bytea FROM 5))::sparsevec),
	('far beyond', overlay('{1:1,2:1}/4'::sparsevec::bytea PLACING '\x7f7f7f7f' FROM 17)::sparsevec),
	('negative', overlay('{1:1,2:1}/4'::sparsevec::bytea PLACING '\xffffffff' FROM 13)::sparsevec),
	('descending', overlay('{2:1,3:1}/4'::sparsevec::bytea PLACING '\x00000000' FROM 17)::sparsevec),
	('twice', overlay('{1:1,3:1}/4'::sparsevec::bytea PLACING '\x00000000' FROM 17)::sparsevec);
SELECT damage, value FROM misplaced;
SELECT damage, pg_temp.outcome(format('%L::bytea::sparsevec::%s', value::bytea, type)) FROM misplaced, (VALUES ('vector'), ('halfvec')) t (type);
SELECT damage, value <-> '{2:1}/4' AS l2, value < '{2:1}/4' AS less, l2_norm(value) FROM misplaced;

-- Tables and indexes.  A column that gets its modifier behind the server's
-- back takes values that the cast to it would not.
CREATE FUNCTION pg_temp.try_index(tried text, damage text, bytes bytea, n int, opclass text, operator text,
	OUT build text, OUT search text) AS $$
BEGIN
	EXECUTE format('CREATE TEMP TABLE items (v %s)', tried);
	EXECUTE format('INSERT INTO items VALUES (%L::bytea::%s)', bytes, tried);
	UPDATE pg_attribute SET atttypmod = n WHERE attrelid = 'items'::regclass AND attname = 'v';
	BEGIN
		EXECUTE format('CREATE INDEX ON items USING hnsw (v %s)', opclass);
		build := 'done';
	EXCEPTION WHEN OTHERS THEN
		build := SQLSTATE || ': ' || SQLERRM;
	END;
	TRUNCATE items;
	EXECUTE format('CREATE INDEX ON items USING hnsw (v %s)', opclass);
	search := left(pg_temp.outcome(format('ARRAY(SELECT true FROM items ORDER BY v %s %L::bytea::%s)', operator, bytes, tried)), length(build));
	DROP TABLE items;
END
$$ LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off;
SELECT type, damage, t.* FROM damaged,
	pg_temp.try_index(type, damage, value, CASE type WHEN '"bit"' THEN 20 ELSE 3 END,
		CASE type WHEN '"bit"' THEN 'bit_hamming_ops' ELSE type || '_l2_ops' END, CASE type WHEN '"bit"' THEN '<~>' ELSE '<->' END) t;
SELECT damage, t.* FROM misplaced, pg_temp.try_index('sparsevec', damage, value::bytea, 4, 'sparsevec_l2_ops', '<->') t;

DROP CAST (bytea AS vector);
DROP CAST (bytea AS halfvec);
DROP CAST (bytea AS sparsevec);
DROP CAST (bytea AS bit);
DROP CAST (vector AS bytea);
DROP CAST (halfvec AS bytea);
DROP CAST (sparsevec AS bytea);
DROP CAST (bit AS bytea);
