-- The access method hnsw: dimensions, from 1 to 16000
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers

-- Builds indexes over so many vectors, one with each operator class and
-- quantizer, and compares what they give for vectors of the table and others
-- with exact answers.  Bounds of the linear codes are those of values that
-- have nothing to do with their rounding; ours have, so rows can get lost.
CREATE FUNCTION pg_temp.try(dimensions int, vectors int, opclasses text[], quantizers text[])
RETURNS TABLE (opclass text, quantizer text, kind text, answer text, pages_per_code int)
LANGUAGE plpgsql SET hnsw.ef_search = 1000 AS $$
DECLARE
	operators jsonb := '{"l2": "<->", "ip": "<#>", "cosine": "<=>", "l1": "<+>"}';
	probes vector[] := pg_temp.vecs(1, 2, dimensions) || pg_temp.vecs(5001, 5003, dimensions);
BEGIN
	EXECUTE format('CREATE TEMP TABLE sized (v vector(%s))', dimensions);
	INSERT INTO sized SELECT unnest(pg_temp.vecs(1, vectors, dimensions));
	FOREACH opclass IN ARRAY opclasses LOOP
		FOREACH quantizer IN ARRAY quantizers LOOP
			CONTINUE WHEN opclass = 'l1' AND quantizer = '4';
			EXECUTE format('CREATE INDEX sized_v ON sized USING hnsw (v vector_%s_ops) WITH (quantizer = %L, m = 6, ef_construction = 20)', opclass, quantizer);
			SELECT i.quantizer, i.pages_per_code FROM hnsw_index_info('sized_v') i INTO kind, pages_per_code;
			SELECT CASE WHEN by_index < searches THEN 'not by index'
				WHEN kind LIKE '%linear%' AND recall > 0.95 THEN 'near'
				WHEN different = 0 THEN 'exact'
				ELSE format('%s rows, %s different', rows, different) END
			FROM pg_temp.compare(format('SELECT v %s $1 FROM sized ORDER BY v %1$s $1', operators ->> opclass), probes) INTO answer;
			PERFORM hnsw_index_check('sized_v');
			DROP INDEX sized_v;
			RETURN NEXT;
		END LOOP;
	END LOOP;
	DROP TABLE sized;
END
$$;
\set ECHO all

SELECT * FROM pg_temp.try(1, 100, '{l2,ip,cosine,l1}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(2, 100, '{l2,ip,cosine,l1}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(3, 100, '{l2,ip,cosine,l1}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(31, 60, '{l2}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(32, 60, '{l2,ip,cosine,l1}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(33, 60, '{l2,ip,cosine,l1}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(100, 60, '{l2,ip,cosine,l1}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(255, 40, '{l2}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(256, 40, '{l2,ip,cosine,l1}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(257, 40, '{l2,ip,cosine,l1}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(768, 30, '{l2,ip,cosine,l1}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(1000, 30, '{l2}', '{auto,float,8,4}');

-- values of several pages
SELECT * FROM pg_temp.try(2000, 20, '{l2}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(2048, 20, '{cosine,l1}', '{float,8,4}');
SELECT * FROM pg_temp.try(4096, 12, '{l2,ip}', '{auto,float,8,4}');
SELECT * FROM pg_temp.try(8192, 8, '{l2,l1}', '{8}');
SELECT * FROM pg_temp.try(16000, 8, '{l2,ip,cosine,l1}', '{auto,float,8,4}');

-- one more is not a vector
CREATE TABLE items (v vector(16001));
