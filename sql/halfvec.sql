-- The type halfvec: what it shares with vector, and where half precision shows
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/types.sql"`
\i :helpers
\set ECHO all

-- text that is accepted; numbers become floats, then half-precision
SELECT translate(input, E'\t\n\r\x0b\x0c', 'tnrvf') AS input, pg_temp.parse(input, 'halfvec') FROM (VALUES
	('[1,2,3]'), ('[-1,-2,-3]'), ('[1.,2.,3.]'), ('[.5,-.5,+.5]'), ('[-0,0]'),
	('  [ 1,  2 ,    3  ]  '), (E'\t[\n1\x0b,\x0c2\r]\n'), ('[1]'),
	('[1.23456]'), ('[0.1,0.6,-0.3]'), ('[1e3,1E3,1e-3]'), ('[0x10,0x1.8p1]'),
	('[65504,-65504,65519,-65519.99]'), ('[2049,2051,2048.5]'),
	('[1.00048828125,1.00048828126,1.00146484375]'),
	('[6.103515625e-05,6.1e-05,5.9604645e-08,2.9802322e-08,2.9802326e-08,-1e-8]'),
	('[1e-46,1]'), ('[1e-400]')
) t (input);

-- and text that is not
SELECT left(input, 20) AS input, pg_temp.parse(input, 'halfvec') FROM (VALUES
	(''), ('1,2,3'), ('{1,2}'), ('['), ('[1'), ('[1,'), ('[]'), ('[ ]'), ('[,]'), ('[1,]'), ('[1,,3]'),
	('[1,2,3]9'), ('[1]]'), ('[hello,1]'), ('[1a]'), ('[1 2]'), ('[1e]'), ('[- 1]'),
	('[NaN,1]'), ('[-nan(1)]'), ('[1,Infinity]'), ('[-inf,1]'),
	('[65520,1]'), ('[1,-65520]'), ('[65519.999]'), ('[1e5]'), ('[4e38,1]'), ('[1e400]'), ('[ 70000 ]')
) t (input);

SELECT left(input, 20) AS input, type, pg_temp.soft_error(input, type) FROM (VALUES
	('[1,2]', 'halfvec(2)'), ('[1,2]', 'halfvec(3)'), ('1,2', 'halfvec'), ('[1,x]', 'halfvec'), ('[1,2]x', 'halfvec'),
	('[]', 'halfvec'), ('[NaN]', 'halfvec'), ('[inf]', 'halfvec'), ('[65520]', 'halfvec'),
	('[' || repeat('1,', 16000) || '1]', 'halfvec')
) t (input, type);

-- as many dimensions as there can be
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::halfvec);
SELECT vector_dims(('[' || repeat('1,', 16000) || '1]')::halfvec);

-- type modifier
SELECT '[1,2,3]'::halfvec(3);
SELECT '[1,2,3]'::halfvec(2);
SELECT '[1,2,3]'::halfvec::halfvec(4);
SELECT pg_temp.outcome('''[1]''::halfvec(' || modifier || ')') AS outcome, modifier
FROM (VALUES ('1'), ('0'), ('16000'), ('16001'), ('1,1'), ('''a''')) t (modifier);
SELECT format_type('halfvec'::regtype, 3), format_type('halfvec'::regtype, -1);
SELECT '{"[1,2]",NULL,"[3]"}'::halfvec[], ('{"[1,2]",NULL,"[3]"}'::halfvec[])[3];
SELECT '{"[1,2,3]"}'::halfvec(2)[];

-- every number that there is comes back from text and from binary form
CREATE TEMP TABLE every_half AS
	SELECT i AS first, string_agg(int2send((n - 32768)::int2), '' ORDER BY n) AS bytes
	FROM generate_series(0, 65535, 512) i, generate_series(i, i + 511) n
	WHERE n % 32768 < 31744 GROUP BY i;

CREATE TEMP TABLE every_halfvec AS
	SELECT bytes, pg_temp.receive(int2send((length(bytes) / 2)::int2) || '\x0000' || bytes, 'halfvec')::halfvec AS v FROM every_half;
SELECT count(*), sum(vector_dims(v)),
	bool_and(substr(halfvec_send(v), 5) = bytes) AS sent,
	bool_and(halfvec_send(v::text::halfvec) = halfvec_send(v)) AS printed,
	bool_and(halfvec_send(v::vector::halfvec) = halfvec_send(v)) AS widened,
	bool_and(halfvec_send(v::real[]::halfvec) = halfvec_send(v)) AS as_array,
	bool_and(v::vector::text = v::text) AS same_text
FROM every_halfvec;

SELECT message, pg_temp.receive(message, 'halfvec') FROM (VALUES
	(halfvec_send('[1,2]')), (halfvec_send('[-0,65504,5.9604645e-08]')),
	-- too short or too long
	(''), ('\x0001'), ('\x00010000'), ('\x000100003c'), ('\x000200003c00'), ('\x000100003c0000'),
	-- dimensions, unused
	('\x00000000'), ('\xffff0000'), ('\x3e810000'), ('\x000100013c00'), ('\x0001ffff3c00'),
	-- elements
	('\x000100007c00'), ('\x00010000fc00'), ('\x000100007c01'), ('\x000200003c00ffff'), ('\x000100007bff')
) t (message);
SELECT pg_temp.receive(halfvec_send('[1,2]'), 'halfvec(2)');
SELECT pg_temp.receive(halfvec_send('[1,2]'), 'halfvec(3)');

-- casts
SELECT '{1,2,65504}'::int[]::halfvec, '{0.1,-65519}'::real[]::halfvec, '{0.1,1e-300}'::float8[]::halfvec, '{0.1,2}'::numeric[]::halfvec(2);
SELECT '[0.1,65504]'::halfvec::real[], '[0.1,65504]'::halfvec::vector, '[0.1,1e-8,-1e-8]'::vector::halfvec;
SELECT expression, pg_temp.outcome(expression) FROM (VALUES
	('''{}''::real[]::halfvec'), ('''{NULL}''::real[]::halfvec'), ('''{{1},{2}}''::real[]::halfvec'), ('''{1,2,3}''::int[]::halfvec(2)'),
	('''{NaN}''::real[]::halfvec'), ('''{Infinity}''::real[]::halfvec'), ('''{-Infinity}''::float8[]::halfvec'),
	('''{65520}''::int[]::halfvec'), ('''{1,-65520.5}''::real[]::halfvec'), ('''{1e39}''::float8[]::halfvec'), ('''{70000}''::numeric[]::halfvec'),
	('array_fill(1, ARRAY[16001])::halfvec'),
	('''[1,65519]''::vector::halfvec'), ('''[1,65520]''::vector::halfvec'), ('''[-1e38]''::vector::halfvec'),
	('''[1,2]''::vector::halfvec(3)'), ('''[1,2]''::halfvec::vector(3)'), ('''[1,2]''::halfvec::vector(2)'),
	('''[1,2]''::halfvec::int[]'), ('NULL::vector::halfvec')
) t (expression);
SELECT vector_to_halfvec('[1,2]', -1, true), halfvec_to_vector('[1,2]', 2, false), halfvec('[1,2]', 2, true), halfvec_to_float4('[1,2]', -1, false);
SELECT castsource::regtype, casttarget::regtype, castcontext FROM pg_cast
WHERE 'halfvec'::regtype IN (castsource, casttarget)
	AND 'sparsevec' NOT IN (castsource::regtype::text, casttarget::regtype::text)
ORDER BY castsource::regtype::text, casttarget::regtype::text;
-- vector becomes halfvec by itself, so operators take one of each
SELECT '[1,2]'::vector <-> '[4,6]'::halfvec, '[1,2]'::halfvec <-> '[4,6]'::vector;
CREATE TEMP TABLE assigned (v vector, h halfvec(2), r real[]);
INSERT INTO assigned VALUES ('[1,2]'::halfvec, '[1.1,2]'::vector, '[1,2]'::halfvec), (NULL, ARRAY[1,2], NULL);
INSERT INTO assigned (h) VALUES ('[1,2,3]'::vector);
SELECT * FROM assigned;

-- distances, and the operators that stand for them
CREATE TEMP TABLE pairs (id serial, a halfvec, b halfvec);
INSERT INTO pairs (a, b) VALUES
	('[0,0]', '[3,4]'), ('[1,2]', '[3,4]'), ('[1,1]', '[-1,-1]'), ('[1,0]', '[0,2]'), ('[1,2]', '[2,4]'), ('[1,1]', '[1,0]'),
	('[0,0]', '[0,0]'), ('[-3]', '[-3]'), ('[65504,65504]', '[-65504,-65504]'), ('[1e-07]', '[1e-07]'),
	('[1,2,3,4,5,6,7,8,9]', '[9,8,7,6,5,4,3,2,1]'),
	('[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]', '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4]');
SELECT id, l2_distance(a, b), inner_product(a, b), cosine_distance(a, b), l1_distance(a, b) FROM pairs ORDER BY id;
SELECT id, a <-> b AS l2, a <#> b AS ip, a <=> b AS cosine, a <+> b AS l1 FROM pairs ORDER BY id;
SELECT id, b <-> a AS l2, b <#> a AS ip, b <=> a AS cosine, b <+> a AS l1 FROM pairs ORDER BY id;
SELECT id, halfvec_l2_squared_distance(a, b), halfvec_negative_inner_product(a, b) FROM pairs ORDER BY id;
SELECT halfvec_spherical_distance('[1,0]', '[1,0]'), halfvec_spherical_distance('[1,0]', '[0,1]'),
	halfvec_spherical_distance('[1,0]', '[-1,0]'), halfvec_spherical_distance('[2]', '[2]'), halfvec_spherical_distance('[2]', '[-2]');
SELECT n, a <-> b AS l2, a <#> b AS ip, a <=> b AS cosine, a <+> b AS l1, l2_norm(b) AS norm
FROM unnest(ARRAY[1, 4, 16, 25, 64, 100, 784, 1024, 16000]) n,
	LATERAL (SELECT array_fill(1, ARRAY[n])::halfvec AS a, array_fill(2, ARRAY[n])::halfvec AS b) v;
SELECT count(*), bool_and(
	halfvec_l2_squared_distance(a, b) = n AND inner_product(a, b) = n * (n + 1) * (n + 2) / 3
	AND l1_distance(a, b) = n AND abs(cosine_distance(a, b)) < 0.06) AS right
FROM generate_series(1, 70) n,
	LATERAL (SELECT array_agg(i)::halfvec AS a, array_agg(i + 1)::halfvec AS b FROM generate_series(1, n) i) v;
SELECT l2_distance(NULL, '[1]'::halfvec), NULL::halfvec <#> '[1]', '[1]'::halfvec <=> NULL;
SELECT f, pg_temp.outcome(format('%s(''[1,2]''::halfvec, ''[3]''::halfvec)', f)) FROM unnest(ARRAY[
	'l2_distance', 'inner_product', 'cosine_distance', 'l1_distance',
	'halfvec_l2_squared_distance', 'halfvec_negative_inner_product', 'halfvec_spherical_distance',
	'halfvec_add', 'halfvec_sub', 'halfvec_mul']) f;

-- norms, bits, parts
SELECT vector_dims('[1,2,3]'::halfvec), l2_norm('[3,4]'::halfvec), l2_norm('[0,0]'::halfvec), l2_norm('[65504,65504]'::halfvec)::real;
SELECT v, l2_normalize(v) FROM unnest('{"[3,4]","[3,0]","[0,0.1]","[0,0]","[-0]","[65504]","[65504,1e-7]","[5.9604645e-08]"}'::halfvec[]) v;
SELECT v, binary_quantize(v) FROM unnest('{"[1,0,-1]","[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]","[0]","[-0]","[1e-7]"}'::halfvec[]) v;
SELECT length(binary_quantize(array_fill(1, ARRAY[1001])::halfvec)), bit_count(binary_quantize(array_fill(1, ARRAY[1001])::halfvec));
SELECT start, count, pg_temp.outcome(format('subvector(''[1,2,3,4,5]''::halfvec, %s, %s)', start, count))
FROM (VALUES
	(1, 3), (3, 2), (3, 9), (-1, 3), (0, 2), (1, 0), (3, -1), (6, 1), (-1, 2), (-100, 102),
	(2147483647, 10), (3, 2147483647), (-2147483644, 2147483647), ('-2147483648'::int, 2147483647), (2147483647, '-2147483648'::int)
) t (start, count);

-- arithmetic is rounded to half precision
SELECT '[1,2,3]'::halfvec + '[4,5,6]', '[1,2,3]'::halfvec - '[4,5,6]', '[1,2,3]'::halfvec * '[4,5,6]', '[1,2,3]'::halfvec || '[4,5]';
SELECT '[2048,2048]'::halfvec + '[1,3]', '[0.1]'::halfvec * '[0.1]', array_fill(1, ARRAY[1001])::halfvec + array_fill(2, ARRAY[1001])::halfvec = array_fill(3, ARRAY[1001])::halfvec;
SELECT expression, pg_temp.outcome(expression) FROM (VALUES
	($$'[65504]'::halfvec + '[15.99]'$$), ($$'[65504]'::halfvec + '[16]'$$), ($$'[1,-65504]'::halfvec + '[1,-65504]'$$),
	($$'[-65504]'::halfvec - '[65504]'$$), ($$'[65504]'::halfvec - '[65504]'$$), ($$'[256]'::halfvec * '[256]'$$), ($$'[-256]'::halfvec * '[255.8]'$$),
	($$'[1e-4]'::halfvec * '[1e-4]'$$), ($$'[1e-4,0]'::halfvec * '[0,1e-4]'$$),
	-- half of the smallest number, which is rounded to even, and what is next
	($$'[5.9604645e-08]'::halfvec * '[0.5]'$$), ($$'[5.9604645e-08]'::halfvec * '[-0.5]'$$), ($$'[5.9604645e-08]'::halfvec * '[0.50048828125]'$$),
	($$'[1,2]'::halfvec + '[1]'$$), ($$'[1]'::halfvec || NULL$$),
	($$vector_dims(array_fill(0, ARRAY[15999])::halfvec || '[1]')$$),
	($$vector_dims(array_fill(0, ARRAY[16000])::halfvec || '[1]')$$)
) t (expression);

-- comparison: by elements, then by dimensions
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, halfvec_cmp(a, b)
FROM (VALUES
	('[1,2,3]'::halfvec, '[1,2,3]'::halfvec), ('[1,2,3]', '[1,2]'), ('[1,2]', '[1,2,3]'), ('[1,2]', '[2,3,4]'),
	('[2,3]', '[1,2,3]'), ('[-1]', '[1]'), ('[0]', '[-0]'), ('[1e-7]', '[0]'), ('[-1]', '[-2]')
) t (a, b);
SELECT bool_and(a.v < b.v) FROM
	(SELECT i, (array_fill(1, ARRAY[i]) || 1)::halfvec AS v FROM generate_series(0, 600) i) a,
	LATERAL (SELECT (array_fill(1, ARRAY[i]) || 2)::halfvec AS v) b;
CREATE TABLE halfvec_order (id int, v halfvec);
INSERT INTO halfvec_order VALUES (1, '[1,2]'), (2, '[0,5]'), (3, NULL), (4, '[1]'), (5, '[1,2,0]'), (6, '[1,2]'), (7, '[-1,100]');
SELECT * FROM halfvec_order ORDER BY v, id;
SELECT v, count(*) FROM halfvec_order GROUP BY v HAVING count(*) > 1;
CREATE INDEX halfvec_order_v ON halfvec_order (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM halfvec_order WHERE v = '[0,5]';
SELECT id FROM halfvec_order WHERE v = '[0,5]';
SELECT id FROM halfvec_order WHERE v >= '[1]' ORDER BY v, id;
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP TABLE halfvec_order;
CREATE TABLE halfvec_unique (v halfvec PRIMARY KEY);
INSERT INTO halfvec_unique VALUES ('[1,2]'), ('[1]');
INSERT INTO halfvec_unique VALUES ('[1.0001,2.0]');
DROP TABLE halfvec_unique;

-- aggregates
SELECT avg(v), sum(v) FROM unnest('{"[1,2,3]","[3,5,7]",NULL}'::halfvec[]) v;
SELECT avg(v), sum(v) FROM unnest('{}'::halfvec[]) v;
SELECT avg(v) FROM unnest('{"[65504]","[65504]","[65504]"}'::halfvec[]) v;
SELECT sum(v) FROM unnest('{"[65504]","[65504]"}'::halfvec[]) v;
SELECT avg(v) FROM unnest('{"[1,2]","[3]"}'::halfvec[]) v;
SELECT sum(v) FROM unnest('{"[1,2]","[3]"}'::halfvec[]) v;
SELECT avg(v) = array_fill(2, ARRAY[1001])::halfvec FROM (VALUES (array_fill(1, ARRAY[1001])::halfvec), (array_fill(3, ARRAY[1001])::halfvec)) t (v);
SELECT halfvec_accum('{0}', '[1,2,3]'), halfvec_accum('{2,1,2,3}', '[1,2,3]'), halfvec_combine('{1,1,2}', '{3,10,20}'), halfvec_avg('{2,2,4,6}'), halfvec_avg('{0}');
SELECT expression, pg_temp.outcome(expression) FROM (VALUES
	('halfvec_avg(''{}'')'), ('halfvec_avg(''{1,NULL}'')'), ('halfvec_avg(''{1}'')'), ('halfvec_avg(''{1,NaN}'')'),
	('halfvec_avg(''{1,65519}'')'), ('halfvec_avg(''{1,65520}'')'), ('halfvec_avg(''{1,1e39}'')'),
	('halfvec_accum(''{}'', ''[1]'')'), ('halfvec_accum(''{1,2}'', ''[1,2]'')'), ('halfvec_accum(''{1,1e308}'', ''[1]'')'),
	('halfvec_combine(''{}'', ''{0}'')'), ('halfvec_combine(''{1,2}'', ''{1,2,3}'')'), ('halfvec_combine(''{1,1.5e308}'', ''{1,1.5e308}'')')
) t (expression);
CREATE TABLE halfvec_parallel (g int, v halfvec);
INSERT INTO halfvec_parallel SELECT i % 3, ARRAY[i % 1000, i % 7, 0]::halfvec FROM generate_series(1, 10000) i;
INSERT INTO halfvec_parallel SELECT NULL, NULL FROM generate_series(1, 100);
ALTER TABLE halfvec_parallel SET (parallel_workers = 2);
ANALYZE halfvec_parallel;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT avg(v) FROM halfvec_parallel;
SELECT avg(v) FROM halfvec_parallel;
SELECT avg(v), sum(v - '[1,0,0]') FROM halfvec_parallel WHERE v < '[3]';
SET max_parallel_workers_per_gather = 0;
SELECT avg(v) FROM halfvec_parallel;
SELECT avg(v), sum(v - '[1,0,0]') FROM halfvec_parallel WHERE v < '[3]';
DROP TABLE halfvec_parallel;

-- storage: short values with short headers, long ones out of line
CREATE TABLE halfvec_storage (id int, v halfvec);
INSERT INTO halfvec_storage SELECT n, array_fill(n % 2048, ARRAY[n])::halfvec FROM unnest(ARRAY[1, 59, 60, 61, 1000, 16000]) n;
SELECT id, vector_dims(v), pg_column_size(v), v = array_fill(id % 2048, ARRAY[id])::halfvec AS same FROM halfvec_storage ORDER BY id;
DROP TABLE halfvec_storage;
SELECT typlen, typbyval, typcategory, typispreferred, typdelim, typalign, typstorage FROM pg_type WHERE oid = 'halfvec'::regtype;
