-- The type vector: distances, norms, arithmetic, comparison
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/types.sql"`
\i :helpers
\set ECHO all

-- distances, and the operators that stand for them
CREATE TEMP TABLE pairs (id serial, a vector, b vector);
INSERT INTO pairs (a, b) VALUES
	('[0,0]', '[3,4]'),
	('[1,2]', '[3,4]'),
	('[1,1]', '[-1,-1]'),
	('[1,0]', '[0,2]'),
	('[1,2]', '[2,4]'),
	('[1,1]', '[1,0]'),
	('[0,0]', '[0,0]'),
	('[-3]', '[-3]'),
	('[3e38]', '[-3e38]'),
	('[3e38]', '[3e38]'),
	('[1e-30]', '[1e-30]'),
	('[1e19,1]', '[1e19,1]'),
	('[1,2,3,4,5,6,7,8,9]', '[9,8,7,6,5,4,3,2,1]'),
	('[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]', '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4]');
SELECT id, l2_distance(a, b), inner_product(a, b), cosine_distance(a, b), l1_distance(a, b) FROM pairs ORDER BY id;
SELECT id, a <-> b AS l2, a <#> b AS ip, a <=> b AS cosine, a <+> b AS l1 FROM pairs ORDER BY id;
SELECT id, b <-> a AS l2, b <#> a AS ip, b <=> a AS cosine, b <+> a AS l1 FROM pairs ORDER BY id;
SELECT id, vector_l2_squared_distance(a, b), vector_negative_inner_product(a, b) FROM pairs ORDER BY id;
SELECT vector_spherical_distance('[1,0]', '[1,0]'), vector_spherical_distance('[1,0]', '[0,1]'),
	vector_spherical_distance('[1,0]', '[-1,0]'), vector_spherical_distance('[2]', '[2]'), vector_spherical_distance('[2]', '[-2]');

-- long vectors: n ones against n twos
SELECT n, a <-> b AS l2, a <#> b AS ip, a <=> b AS cosine, a <+> b AS l1, vector_norm(b) AS norm
FROM unnest(ARRAY[1, 4, 16, 25, 64, 100, 784, 1024, 16000]) n,
	LATERAL (SELECT array_fill(1, ARRAY[n])::vector AS a, array_fill(2, ARRAY[n])::vector AS b) v;

-- every length about the width of the processor's registers
SELECT count(*), bool_and(
	vector_l2_squared_distance(a, b) = n AND inner_product(a, b) = n * (n + 1) * (n + 2) / 3
	AND l1_distance(a, b) = n AND abs(cosine_distance(a, b)) < 0.06) AS right
FROM generate_series(1, 70) n,
	LATERAL (SELECT array_agg(i)::vector AS a, array_agg(i + 1)::vector AS b FROM generate_series(1, n) i) v;

-- NULL, and vectors that do not match
SELECT l2_distance(NULL, '[1]'::vector), NULL::vector <#> '[1]', '[1]'::vector <=> NULL, l1_distance('[1]'::vector, NULL);
SELECT f, pg_temp.outcome(format('%s(''[1,2]''::vector, ''[3]''::vector)', f)) FROM unnest(ARRAY[
	'l2_distance', 'inner_product', 'cosine_distance', 'l1_distance',
	'vector_l2_squared_distance', 'vector_negative_inner_product', 'vector_spherical_distance',
	'vector_add', 'vector_sub', 'vector_mul']) f;

-- norms
SELECT vector_norm('[3,4]'), vector_norm('[0,1]'), vector_norm('[0,0]'), vector_norm('[2]'), vector_norm('[1,2,2,4,0,0,12]');
SELECT vector_norm('[3e37,4e37]')::real, vector_norm('[3e-30,4e-30]')::real;
SELECT v, l2_normalize(v) FROM unnest('{"[3,4]","[3,0]","[0,0.1]","[0,0]","[-0]","[3e38]","[-3e38,3e38]","[3e38,1e-37]","[1e-45]","[-2]"}'::vector[]) v;
SELECT vector_dims('[1,2,3]'::vector), vector_dims('[1]'::vector);

-- one bit for each element
SELECT v, binary_quantize(v) FROM unnest('{"[1,0,-1]","[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]","[1]","[0]","[-0]","[1e-45]","[1,1,1,1,1,1,1,1]"}'::vector[]) v;
SELECT length(binary_quantize(array_fill(1, ARRAY[16000])::vector)), bit_count(binary_quantize(array_fill(1, ARRAY[16000])::vector));

-- subvector clips as substring does
SELECT start, count, pg_temp.outcome(format('subvector(''[1,2,3,4,5]''::vector, %s, %s)', start, count))
FROM (VALUES
	(1, 3), (3, 2), (1, 5), (5, 1), (1, 6), (3, 9), (-1, 3), (0, 2), (-1, 99),
	(1, 0), (3, -1), (6, 1), (-1, 2), (-5, 3), (0, 0), (0, 1), (-100, 100), (-100, 101), (-100, 102),
	(2147483647, 10), (2147483647, 2147483647), (3, 2147483647), (-2147483644, 2147483647), (-2147483647, 2147483647),
	('-2147483648'::int, 2147483647), ('-2147483648'::int, '-2147483648'::int), (1, '-2147483648'::int), (2147483647, '-2147483648'::int)
) t (start, count);

-- arithmetic
SELECT '[1,2,3]'::vector + '[4,5,6]', '[1,2,3]'::vector - '[4,5,6]', '[1,2,3]'::vector * '[4,5,6]', '[1,2,3]'::vector || '[4,5]';
SELECT vector_add('[0.1]', '[0.2]'), vector_sub('[1]', '[1]'), vector_mul('[0,-1]', '[-1,0]'), vector_concat('[1]', '[2]');
SELECT expression, pg_temp.outcome(expression) FROM (VALUES
	($$'[3e38]'::vector + '[3e38]'$$), ($$'[1,-3e38]'::vector + '[1,-3e38]'$$), ($$'[3e38]'::vector + '[-3e38]'$$),
	($$'[-3e38]'::vector - '[3e38]'$$), ($$'[3e38]'::vector - '[3e38]'$$), ($$'[1e-45]'::vector - '[1e-45]'$$),
	($$'[1e37]'::vector * '[1e37]'$$), ($$'[-1e37]'::vector * '[1e37]'$$), ($$'[1e-37]'::vector * '[1e-37]'$$),
	($$'[0,1e-37]'::vector * '[1e-37,0]'$$), ($$'[1e-45]'::vector * '[1]'$$), ($$'[1e-45]'::vector * '[0.4]'$$),
	($$'[1,2]'::vector + '[1]'$$), ($$'[1,2]'::vector - '[1]'$$), ($$'[1,2]'::vector * '[1]'$$),
	($$'[1]'::vector + NULL$$), ($$'[1]'::vector || NULL$$),
	($$vector_dims(array_fill(0, ARRAY[15999])::vector || '[1]')$$),
	($$vector_dims(array_fill(0, ARRAY[16000])::vector || '[1]')$$),
	($$vector_dims(array_fill(0, ARRAY[16000])::vector || array_fill(0, ARRAY[16000])::vector)$$)
) t (expression);

-- comparison: by elements, then by dimensions
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, vector_cmp(a, b)
FROM (VALUES
	('[1,2,3]'::vector, '[1,2,3]'::vector), ('[1,2,3]', '[1,2]'), ('[1,2]', '[1,2,3]'), ('[1,2]', '[2,3,4]'),
	('[2,3]', '[1,2,3]'), ('[1,2]', '[1,3]'), ('[-1]', '[1]'), ('[0]', '[-0]'), ('[1e-45]', '[0]'), ('[-3e38]', '[3e38]')
) t (a, b);
SELECT a.v, b.v FROM unnest('{"[1]","[1,0]","[0,9]","[-1,5]"}'::vector[]) a (v), unnest('{"[1]","[1,0]","[0,9]","[-1,5]"}'::vector[]) b (v)
WHERE (vector_lt(a.v, b.v), vector_le(a.v, b.v), vector_eq(a.v, b.v), vector_ne(a.v, b.v), vector_ge(a.v, b.v), vector_gt(a.v, b.v))
	IS DISTINCT FROM (vector_cmp(a.v, b.v) < 0, vector_cmp(a.v, b.v) <= 0, vector_cmp(a.v, b.v) = 0, vector_cmp(a.v, b.v) <> 0, vector_cmp(a.v, b.v) >= 0, vector_cmp(a.v, b.v) > 0)
	OR vector_cmp(a.v, b.v) <> -vector_cmp(b.v, a.v);

-- sorting, grouping, joining
CREATE TABLE vector_order (id int, v vector);
INSERT INTO vector_order VALUES (1, '[1,2]'), (2, '[0,5]'), (3, NULL), (4, '[1]'), (5, '[1,2,0]'), (6, '[1,2]'), (7, '[-1,100]');
SELECT v, id FROM vector_order ORDER BY v, id;
SELECT v, id FROM vector_order ORDER BY v DESC, id;
SELECT DISTINCT v FROM vector_order ORDER BY v;
SELECT v, count(*) FROM vector_order GROUP BY v HAVING count(*) > 1;
SELECT a.id, b.id FROM vector_order a JOIN vector_order b USING (v) WHERE a.id <> b.id ORDER BY 1;
SELECT id, v <-> '[1,2]' AS distance FROM vector_order WHERE vector_dims(v) = 2 ORDER BY v <-> '[1,2]', id LIMIT 3;

-- a btree index
INSERT INTO vector_order SELECT i, ARRAY[i % 10, i]::vector FROM generate_series(10, 2000) i;
CREATE INDEX vector_order_v ON vector_order (v);
ANALYZE vector_order;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM vector_order WHERE v = '[3,13]';
SELECT id FROM vector_order WHERE v = '[3,13]';
SELECT v FROM vector_order WHERE v > '[5,1980]' AND v <= '[6,30]' ORDER BY v;
SELECT count(*) FROM vector_order WHERE v < '[5]';
SELECT count(*) FROM vector_order WHERE v >= '[5]';
SELECT v FROM vector_order WHERE v IS NOT NULL ORDER BY v LIMIT 3;
SELECT v FROM vector_order WHERE v IS NOT NULL ORDER BY v DESC LIMIT 3;
RESET enable_seqscan;
RESET enable_bitmapscan;
RESET enable_sort;
DROP TABLE vector_order;
CREATE TABLE vector_unique (v vector PRIMARY KEY);
INSERT INTO vector_unique VALUES ('[1,2]'), ('[1]');
INSERT INTO vector_unique VALUES ('[1.0,2.0]');
INSERT INTO vector_unique VALUES ('[1,2]') ON CONFLICT DO NOTHING;
DROP TABLE vector_unique;

-- distances are said to cost something, and every function to be safe
SELECT proname, procost FROM pg_proc WHERE proname ~ 'distance$|inner_product$' AND proargtypes[0] = 'vector'::regtype ORDER BY 1;
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE lanname = 'c' AND 'vector'::regtype = ANY (proargtypes::oid[] || prorettype)
	AND NOT (provolatile = 'i' AND proisstrict AND proparallel = 's');

-- everything is described
SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
WHERE d.deptype = 'e' AND obj_description(d.objid, d.classid::regclass::name) IS NULL
	AND (EXISTS (SELECT FROM pg_proc p WHERE d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND 'vector'::regtype = ANY (proargtypes::oid[] || prorettype))
		OR EXISTS (SELECT FROM pg_operator o WHERE d.classid = 'pg_operator'::regclass AND o.oid = d.objid AND oprleft = 'vector'::regtype)
		OR EXISTS (SELECT FROM pg_type t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND typname = 'vector'));

-- operators: what the planner is told of them
SELECT oprname, oprcom <> 0 AND oprcom = o.oid AS own_commutator,
	(SELECT oprname FROM pg_operator c WHERE c.oid = o.oprcom) AS commutator,
	(SELECT oprname FROM pg_operator n WHERE n.oid = o.oprnegate) AS negator,
	oprrest, oprjoin, (SELECT proname FROM pg_proc p WHERE p.oid = oprcode) AS function
FROM pg_operator o WHERE oprleft = 'vector'::regtype AND oprright = 'vector'::regtype ORDER BY oprname COLLATE "C";
SELECT amname, opcname, opcdefault FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE opcintype = 'vector'::regtype AND amname = 'btree';
