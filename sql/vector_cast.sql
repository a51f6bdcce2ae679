-- The type vector: casts to itself, from and to arrays
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/types.sql"`
\i :helpers
\set ECHO all

-- from arrays
SELECT ARRAY[1,2,3]::vector, ARRAY[1.0,2.5,-3.25]::vector, ARRAY[1,2.5]::real[]::vector, ARRAY[1,2.5]::float8[]::vector;
SELECT '{1,2,3}'::int[]::vector(3), '{1,2,3}'::real[]::vector(3), '{1,2,3}'::float8[]::vector(3), '{1,2,3}'::numeric[]::vector(3);
SELECT '{2147483647,-2147483648,16777217}'::int[]::vector;
SELECT '{0.1,1e-46,-1e-46,1e-300,3.4e38,16777217}'::float8[]::vector;
SELECT '{0.1,3.4e38,16777217,12345678901234567890}'::numeric[]::vector;
SELECT '[5:7]={1,2,3}'::int[]::vector;
SELECT '{NULL,1}'::int[], ('{NULL,1,2}'::int[])[2:]::vector;
SELECT expression, pg_temp.outcome(expression) FROM (VALUES
	('''{}''::real[]::vector'), ('''{}''::int[]::vector(3)'), ('''{}''::numeric[]::vector'),
	('''{NULL}''::real[]::vector'), ('''{1,NULL}''::int[]::vector'), ('''{1,NULL}''::numeric[]::vector(1)'), ('''{NULL,1}''::float8[]::vector'),
	('''{{1},{2}}''::real[]::vector'), ('''{{1,2}}''::int[]::vector'), ('''{{NULL}}''::real[]::vector'),
	('''{1,2,3}''::int[]::vector(2)'), ('''{1,2,3}''::real[]::vector(4)'),
	('''{NaN}''::real[]::vector'), ('''{1,Infinity}''::real[]::vector'), ('''{-Infinity}''::real[]::vector'),
	('''{NaN}''::float8[]::vector'), ('''{Infinity}''::float8[]::vector'), ('''{1e39}''::float8[]::vector'), ('''{-1e308}''::float8[]::vector'),
	('''{NaN}''::numeric[]::vector'), ('''{1e39}''::numeric[]::vector'), ('''{1e-46}''::numeric[]::vector'),
	('array_fill(1, ARRAY[16001])::vector'), ('array_fill(1::real, ARRAY[16001])::vector'), ('array_fill(1::numeric, ARRAY[16001])::vector'),
	('array_fill(1::float8, ARRAY[100000])::vector(3)'),
	('''{1}''::bigint[]::vector'), ('''{1}''::text[]::vector'), ('1::vector'),
	('NULL::int[]::vector')
) t (expression);
SELECT vector_dims(array_fill(1::real, ARRAY[16000])::vector), vector_dims(array_fill(1::numeric, ARRAY[16000])::vector);

-- the functions behind the casts, called by hand
SELECT array_to_vector('{1,2}'::int[], -1, true), array_to_vector('{1,2}'::numeric[], 2, false), vector('[1,2]', 2, true), vector_to_float4('[1,2]', -1, false);
SELECT array_to_vector('{1,2}'::real[], 3, true);
SELECT vector('[1,2]', 3, true);

-- to arrays
SELECT '[1,2.5,-0]'::vector::real[], '[1]'::vector::real[], '[3.4028235e38,1e-45]'::vector::real[];
SELECT array_ndims('[1,2]'::vector::real[]), array_lower('[1,2]'::vector::real[], 1), array_length('[1,2]'::vector::real[], 1);
SELECT array_length(array_fill(1, ARRAY[16000])::vector::real[], 1);
SELECT '[1,2]'::vector::real[] = '{1,2}'::real[], array_send('[1,2]'::vector::real[]) = array_send('{1,2}'::real[]);
SELECT pg_temp.outcome($$'[1,2]'::vector::float8[]$$);
SELECT pg_temp.outcome($$'[1,2]'::vector::int[]$$);

-- implicit, where a function wants real[]; but polymorphic functions want an array
CREATE FUNCTION pg_temp.first(real[]) RETURNS real AS 'SELECT $1[1]' LANGUAGE sql;
SELECT pg_temp.first('[1.5,2]'::vector);
SELECT pg_temp.outcome($$array_length('[1,2,3]'::vector, 1)$$);
-- in assignments only, the other way
CREATE TEMP TABLE assigned (v vector(2), r real[]);
INSERT INTO assigned VALUES (ARRAY[1,2], '[3,4]'::vector), ('{1,2}'::real[], '{5}'), ('{1,2}'::float8[], NULL), ('{1.5,2}'::numeric[], NULL);
INSERT INTO assigned VALUES (ARRAY[1,2,3], NULL);
SELECT * FROM assigned;
SELECT pg_temp.outcome($$l2_distance(ARRAY[1,2], ARRAY[3,4])$$);
SELECT pg_temp.outcome($$'[1,2]'::vector <-> ARRAY[3,4]$$);
SELECT '[1,2]'::vector <-> '[3,4]';

-- stored values, with short headers and out of line
CREATE TEMP TABLE stored AS SELECT n, array_fill(n, ARRAY[n]) AS a, array_fill(n, ARRAY[n])::vector AS v FROM unnest(ARRAY[1, 20, 1000, 16000]) n;
SELECT n, a::vector = v AS from_array, v::real[] = a::real[] AS to_array, v::vector(1000) = v AS itself FROM stored WHERE n = 1000;
SELECT n, a::vector = v AS from_array, v::real[] = a::real[] AS to_array FROM stored ORDER BY n;
SELECT v::vector(20) FROM stored WHERE n = 1000;

SELECT castsource::regtype, casttarget::regtype, castcontext, castmethod FROM pg_cast
WHERE 'vector'::regtype IN (castsource, casttarget)
	AND (castsource::regtype::text IN ('integer[]', 'real[]', 'double precision[]', 'numeric[]', 'vector'))
	AND (casttarget::regtype::text IN ('real[]', 'vector'))
ORDER BY castsource::regtype::text, casttarget::regtype::text;
