-- The type sparsevec
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/types.sql"`
\i :helpers
\set ECHO all

-- text that is accepted: any order, zeros are left out
SELECT translate(input, E'\t\n\r\x0b\x0c', 'tnrvf') AS input, pg_temp.parse(input, 'sparsevec') FROM (VALUES
	('{1:1.5,3:3.5}/5'), ('{}/5'), ('{3:1,1:2}/5'), ('{5:1,4:2,3:3,2:4,1:5}/5'), ('{1:1,1:0}/5'), ('{1:0,2:-0}/5'),
	('{9:0}/5'), ('{0:0,-1:0}/5'), (' { 1 : 1 , 2 : 2 } / 5 '), (E'{\t\n\r\x0b\x0c1\t:\n1\r,\x0b2:\x0c2}/\t5\n'), ('{ } /5'),
	('{+1:+1}/+5'), ('{001:1}/005'), ('{1:1.,2:.5,3:-1e-3,4:0x10}/5'), ('{1:1.4e-45,2:3.4028235e38}/5'),
	('{1:1}/1'), ('{1000000000:-1}/1000000000'), ('{}/1000000000')
) t (input);

-- and text that is not
SELECT left(input, 30) AS input, pg_temp.parse(input, 'sparsevec') FROM (VALUES
	(''), ('['), ('1:1}/5'), ('[1,2]'), ('{'), ('{1'), ('{1:'), ('{1:1'), ('{1:1,'), ('{1:1, '), ('{}'), ('{1:1}'), ('{1:1}/'), ('{1:1}/ '),
	('{}x/5'), ('{1:1}}/5'), ('{1:1}9'), ('{1:1}/x'), ('{1:1}/5x'), ('{1:1}/5 x'), ('{1:1}/5/5'), ('{1:1}/5.5'), ('{1:1}/0x5'), ('{1:1}/-'),
	('{1:1,}/5'), ('{,}/5'), ('{1}/5'), ('{1:}/5'), ('{:1}/5'), ('{1:x}/5'), ('{x:1}/5'), ('{1 1}/5'), ('{1:1;2:2}/5'), ('{1:1,2}/5'),
	('{1:1 2:2}/5'), ('{1.5:1}/5'), ('{0x1:1}/5'), ('{- 1:1}/5'), ('{1::1}/5'),
	-- indices
	('{0:1}/5'), ('{6:1}/5'), ('{-1:1}/5'), ('{2147483647:1}/5'), ('{2147483648:1}/5'), ('{-2147483648:1}/5'),
	('{99999999999999999999:1}/5'), ('{-99999999999999999999:1}/5'), ('{6:1,6:1}/5'), ('{0:1,0:1}/5'),
	('{1:1,1:2}/5'), ('{1:1,3:1,2:1,3:1}/5'), ('{1:1,2:1,1:1}/2'), ('{1:1,2:1,3:1}/2'),
	-- dimensions
	('{1:1}/0'), ('{}/0'), ('{}/-1'), ('{}/1000000001'), ('{}/2147483648'), ('{}/4294967301'), ('{}/99999999999999999999'), ('{}/-4294967291'),
	-- values
	('{1:NaN}/5'), ('{1:inf}/5'), ('{1:-Infinity}/5'), ('{1:4e38}/5'), ('{1:1e50}/5'), ('{1:1e-46}/5'), ('{1:-1e-400}/5'),
	('{1:1,2:nan}/-1'), ('{7:1}/5x'), ('{-1:nan}/5')
) t (input);

-- as many elements as there can be
CREATE FUNCTION pg_temp.ones(n int, dim int) RETURNS text AS $$
	SELECT '{' || string_agg(i || ':1', ',' ORDER BY i) || '}/' || dim FROM generate_series(1, n) i
$$ LANGUAGE sql;
SELECT pg_temp.ones(16000, 16000)::sparsevec::text = pg_temp.ones(16000, 16000), l2_norm(pg_temp.ones(16000, 100000)::sparsevec)::real;
SELECT pg_temp.parse(pg_temp.ones(16001, 100000), 'sparsevec');
SELECT pg_temp.parse(pg_temp.ones(16001, 100000) || 'x', 'sparsevec');
SELECT pg_temp.parse(pg_temp.ones(16001, 16000), 'sparsevec');

SELECT left(input, 20) AS input, type, pg_temp.soft_error(input, type) FROM (VALUES
	('{1:1}/2', 'sparsevec(2)'), ('{1:1}/2', 'sparsevec(3)'), ('', 'sparsevec'), ('{1:x}/2', 'sparsevec'), ('{x:1}/2', 'sparsevec'), ('{1;1}/2', 'sparsevec'),
	('{1:1;}/2', 'sparsevec'), ('{1:1}', 'sparsevec'), ('{1:1}/x', 'sparsevec'), ('{1:1}/2x', 'sparsevec'), ('{1:1}/0', 'sparsevec'), ('{1:1}/1000000001', 'sparsevec'),
	('{1:NaN}/2', 'sparsevec'), ('{1:1e39}/2', 'sparsevec'), ('{1:1e-50}/2', 'sparsevec'), ('{3:1}/2', 'sparsevec'), ('{1:1,1:1}/2', 'sparsevec'),
	(pg_temp.ones(16001, 16001), 'sparsevec')
) t (input, type);

-- type modifier
SELECT '{1:1}/3'::sparsevec(3);
SELECT '{1:1}/3'::sparsevec(2);
SELECT '{1:1}/3'::sparsevec::sparsevec(4);
SELECT pg_temp.outcome('''{}/1''::sparsevec(' || modifier || ')') AS outcome, modifier
FROM (VALUES ('1'), ('0'), ('-1'), ('1000000000'), ('1000000001'), ('1,1'), ('''a''')) t (modifier);
SELECT format_type('sparsevec'::regtype, 3), format_type('sparsevec'::regtype, -1);
SELECT '{"{1:1,2:2}/3",NULL,"{}/1"}'::sparsevec[], ARRAY['{1:2}/2'::sparsevec];

-- binary form
SELECT sparsevec_send('{1:1.5,3:-2}/5'), sparsevec_send('{}/5');

SELECT message, pg_temp.receive(message, 'sparsevec') FROM (VALUES
	(sparsevec_send('{1:1.5,3:-2}/5')), (sparsevec_send('{}/5')), (sparsevec_send('{1000000000:1e-45}/1000000000')),
	-- too short or too long
	(''), ('\x00000005'), ('\x0000000500000000'), ('\x000000050000000000000000ff'),
	('\x0000000500000001000000000000'), ('\x00000005000000010000000000000000'), ('\x000000050000000100000000000000003f8000'),
	('\x000000050000000100000000000000003f80000000'),
	-- dimensions, elements, unused
	('\x000000000000000000000000'), ('\xffffffff0000000000000000'), ('\x3b9aca010000000000000000'), ('\x3b9aca000000000000000000'),
	('\x00000005ffffffff00000000'), ('\x000000050000000600000000'), ('\x3b9aca0000003e8100000000'), ('\x000000050000000000000001'),
	-- indices
	('\x00000005000000010000000000000005' || float4send(1)), ('\x000000050000000100000000ffffffff' || float4send(1)),
	('\x0000000500000002000000000000000100000001' || float4send(1) || float4send(1)),
	('\x0000000500000002000000000000000100000000' || float4send(1) || float4send(1)),
	-- values
	('\x00000005000000010000000000000000' || float4send(0)), ('\x00000005000000010000000000000000' || float4send('-0')),
	('\x00000005000000010000000000000000' || float4send('NaN')), ('\x00000005000000010000000000000000' || float4send('-Infinity'))
) t (message);
SELECT pg_temp.receive(sparsevec_send('{1:1}/2'), 'sparsevec(2)'), pg_temp.receive(sparsevec_send('{1:1}/2'), 'sparsevec(3)');
SELECT pg_temp.receive(sparsevec_send(pg_temp.ones(500, 600)::sparsevec), 'sparsevec') = pg_temp.ones(500, 600);

-- casts
SELECT '{1,0,-2}'::int[]::sparsevec, '{0,0.5}'::real[]::sparsevec, '{0,1e-300,0.1}'::float8[]::sparsevec, '{0.1,0}'::numeric[]::sparsevec(2);
SELECT '[0,1.5,0,-2]'::vector::sparsevec, '[0,-0]'::vector::sparsevec, '[0.1,0]'::halfvec::sparsevec;
SELECT '{2:1.5,4:-2}/5'::sparsevec::vector, '{}/2'::sparsevec::vector, '{1:0.1,2:1e-8}/3'::sparsevec::halfvec;
SELECT expression, pg_temp.outcome(expression) FROM (VALUES
	('''{}''::real[]::sparsevec'), ('''{NULL}''::real[]::sparsevec'), ('''{{1},{2}}''::real[]::sparsevec'), ('''{1,2,3}''::int[]::sparsevec(2)'),
	('''{NaN}''::real[]::sparsevec'), ('''{Infinity}''::float8[]::sparsevec'), ('''{1e39}''::float8[]::sparsevec'),
	('array_fill(1, ARRAY[16001])::sparsevec'), ('array_fill(0, ARRAY[100000])::sparsevec'),
	('''[1,2]''::vector::sparsevec(3)'), ('''[1,2]''::halfvec::sparsevec(3)'), ('''{1:1}/2''::sparsevec::vector(3)'), ('''{1:1}/2''::sparsevec::halfvec(3)'),
	('''{}/16001''::sparsevec::vector'), ('''{}/16001''::sparsevec::halfvec'), ('''{1:65520}/2''::sparsevec::halfvec'),
	('''{1:1}/2''::sparsevec::real[]'), ('NULL::vector::sparsevec')
) t (expression);
SELECT vector_dims('{1:1}/16000'::sparsevec::vector), array_fill(1, ARRAY[16000])::vector::sparsevec::vector = array_fill(1, ARRAY[16000])::vector;
SELECT vector_to_sparsevec('[1,0]', -1, true), sparsevec_to_vector('{1:1}/2', 2, false), sparsevec_to_halfvec('{1:1}/2', 2, false), halfvec_to_sparsevec('[1,0]', -1, true), sparsevec('{1:1}/2', 2, true);
SELECT castsource::regtype, casttarget::regtype, castcontext FROM pg_cast
WHERE 'sparsevec'::regtype IN (castsource, casttarget)
ORDER BY castsource::regtype::text, casttarget::regtype::text;
-- the others become sparsevec by themselves, so operators take one of each
SELECT '[1,2]'::vector <-> '{1:4,2:6}/2'::sparsevec, '{1:4,2:6}/2'::sparsevec <-> '[1,2]'::halfvec;
CREATE TEMP TABLE assigned (v vector, h halfvec(2), s sparsevec(2));
INSERT INTO assigned VALUES ('{1:1}/2'::sparsevec, '{1:1}/2'::sparsevec, '[0,1]'::vector), (NULL, NULL, ARRAY[1,2]);
INSERT INTO assigned (s) VALUES ('[1,2,3]'::vector);
SELECT * FROM assigned;

-- distances, and the operators that stand for them
CREATE TEMP TABLE pairs (id serial, a sparsevec, b sparsevec);
INSERT INTO pairs (a, b) VALUES
	('{}/2', '{1:3,2:4}/2'), ('{1:1,2:2}/2', '{1:3,2:4}/2'), ('{1:1,2:1}/2', '{1:-1,2:-1}/2'), ('{1:1}/2', '{2:2}/2'),
	('{1:1,2:2}/2', '{1:2,2:4}/2'), ('{1:1,2:1}/2', '{1:1}/2'), ('{}/2', '{}/2'), ('{1:-3}/1', '{1:-3}/1'),
	('{1:3e38}/1', '{1:-3e38}/1'), ('{1:3e38}/2', '{2:3e38}/2'), ('{1:1e-30}/1', '{}/1'),
	('{1:1,5:2,9:3}/10', '{2:1,5:1,8:1,9:1,10:1}/10'), ('{3:1,7:1}/10', '{1:2,2:2,4:2,10:2}/10'),
	('{1:1,1000000000:2}/1000000000', '{500000000:1,1000000000:-2}/1000000000');
SELECT id, l2_distance(a, b), inner_product(a, b), cosine_distance(a, b), l1_distance(a, b) FROM pairs ORDER BY id;
SELECT id, a <-> b AS l2, a <#> b AS ip, a <=> b AS cosine, a <+> b AS l1 FROM pairs ORDER BY id;
SELECT id, b <-> a AS l2, b <#> a AS ip, b <=> a AS cosine, b <+> a AS l1 FROM pairs ORDER BY id;
SELECT id, sparsevec_l2_squared_distance(a, b), sparsevec_negative_inner_product(a, b) FROM pairs ORDER BY id;
-- as the dense ones of the same numbers
SELECT count(*), bool_and(
	sparsevec_l2_squared_distance(sa, sb) = vector_l2_squared_distance(da, db) AND sa <#> sb = da <#> db
	AND sa <+> sb = da <+> db AND (sa <=> sb) IS NOT DISTINCT FROM (da <=> db) AND (sa <-> sb) = (da <-> db)) AS right
FROM generate_series(1, 300) n,
	LATERAL (SELECT array_agg(i * (i % 7 = n % 7)::int) AS a, array_agg(i * (i * i % 11 < n % 11)::int) AS b FROM generate_series(1, n) i) v,
	LATERAL (SELECT a::vector AS da, b::vector AS db, a::sparsevec AS sa, b::sparsevec AS sb) d;
SELECT l2_distance(NULL, '{}/1'::sparsevec), NULL::sparsevec <#> '{}/1', '{}/1'::sparsevec <=> NULL;
SELECT f, pg_temp.outcome(format('%s(''{}/2''::sparsevec, ''{}/3''::sparsevec)', f)) FROM unnest(ARRAY[
	'l2_distance', 'inner_product', 'cosine_distance', 'l1_distance', 'sparsevec_l2_squared_distance', 'sparsevec_negative_inner_product']) f;
SELECT pg_temp.outcome($$'{}/2'::sparsevec + '{}/2'$$), pg_temp.outcome($$avg('{}/2'::sparsevec)$$), pg_temp.outcome($$vector_dims('{}/2'::sparsevec)$$);

-- norm
SELECT l2_norm('{1:3,2:4}/2'::sparsevec), l2_norm('{}/2'::sparsevec), l2_norm('{1:3e37,2:4e37}/2'::sparsevec)::real;
SELECT v, l2_normalize(v) FROM unnest('{"{1:3,2:4}/2","{}/2","{2:-3}/5","{1:3e38}/2","{1:3e38,2:1e-20,3:-3e38}/3","{1:1e-45}/1"}'::sparsevec[]) v;

-- comparison: as if zeros were there
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, sparsevec_cmp(a, b)
FROM (VALUES
	('{1:1,2:2,3:3}/3'::sparsevec, '{1:1,2:2,3:3}/3'::sparsevec), ('{1:1,2:2,3:3}/3', '{1:1,2:2}/2'), ('{1:1,2:2}/2', '{1:1,2:2,3:3}/3'), ('{1:1,2:2}/2', '{1:2,2:3,3:4}/3'),
	('{}/1', '{}/2'), ('{1:1}/2', '{2:1}/2'), ('{1:-1}/2', '{2:1}/2'), ('{2:-1}/2', '{}/2'), ('{2:-1}/2', '{}/1'), ('{3:-1}/3', '{2:-1}/2')
) t (a, b);
SELECT count(*), count(*) FILTER (WHERE vector_cmp(a, b) <> sparsevec_cmp(a, b)) AS wrong,
	count(*) FILTER (WHERE (sparsevec_lt(a, b), sparsevec_le(a, b), sparsevec_eq(a, b), sparsevec_ne(a, b), sparsevec_ge(a, b), sparsevec_gt(a, b))
		IS DISTINCT FROM (vector_lt(a, b), vector_le(a, b), vector_eq(a, b), vector_ne(a, b), vector_ge(a, b), vector_gt(a, b))) AS wrong
FROM (SELECT ARRAY[x, y, z]::vector AS v FROM generate_series(-1, 1) x, generate_series(-1, 1) y, generate_series(-1, 1) z
	UNION ALL SELECT ARRAY[x, y]::vector FROM generate_series(-1, 1) x, generate_series(-1, 1) y
	UNION ALL SELECT ARRAY[x]::vector FROM generate_series(-1, 1) x) t (a),
	LATERAL (SELECT ARRAY[x, y, z]::vector FROM generate_series(-1, 1) x, generate_series(-1, 1) y, generate_series(-1, 1) z
	UNION ALL SELECT ARRAY[x, y]::vector FROM generate_series(-1, 1) x, generate_series(-1, 1) y) u (b);
CREATE TABLE sparsevec_order (id int, v sparsevec);
INSERT INTO sparsevec_order VALUES (1, '{1:1,2:2}/2'), (2, '{2:5}/2'), (3, NULL), (4, '{1:1}/1'), (5, '{1:1,2:2}/3'), (6, '{1:1,2:2}/2'), (7, '{1:-1}/2');
SELECT * FROM sparsevec_order ORDER BY v, id;
SELECT v, count(*) FROM sparsevec_order GROUP BY v HAVING count(*) > 1;
CREATE INDEX sparsevec_order_v ON sparsevec_order (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM sparsevec_order WHERE v = '{2:5}/2';
SELECT id FROM sparsevec_order WHERE v = '{2:5}/2';
SELECT id FROM sparsevec_order WHERE v >= '{1:1}/1' ORDER BY v, id;
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP TABLE sparsevec_order;
CREATE TABLE sparsevec_unique (v sparsevec PRIMARY KEY);
INSERT INTO sparsevec_unique VALUES ('{1:1}/2'), ('{1:1}/3');
INSERT INTO sparsevec_unique VALUES ('{2:0,1:1}/2');
DROP TABLE sparsevec_unique;

-- storage: short values with short headers, long ones out of line
CREATE TABLE sparsevec_storage (id int, v sparsevec);
INSERT INTO sparsevec_storage SELECT n, pg_temp.ones(n, n)::sparsevec FROM unnest(ARRAY[1, 13, 14, 15, 300, 16000]) n;
SELECT id, pg_column_size(v), v = pg_temp.ones(id, id)::sparsevec AS same, l2_norm(v)::real FROM sparsevec_storage ORDER BY id;
DROP TABLE sparsevec_storage;
SELECT typlen, typbyval, typcategory, typispreferred, typdelim, typalign, typstorage FROM pg_type WHERE oid = 'sparsevec'::regtype;
