-- The SQL surface that clients of pgvector know: nothing of it is missing, and
-- all is declared in the same way.  (What is not here: ivfflat, and the support
-- functions of operator classes, which are each access method's own.)

-- functions, all of them immutable, strict and parallel safe
CREATE TEMP TABLE surface_functions (signature text, result text);
INSERT INTO surface_functions VALUES
	('array_to_halfvec(double precision[], integer, boolean)', 'halfvec'),
	('array_to_halfvec(integer[], integer, boolean)', 'halfvec'),
	('array_to_halfvec(numeric[], integer, boolean)', 'halfvec'),
	('array_to_halfvec(real[], integer, boolean)', 'halfvec'),
	('array_to_sparsevec(double precision[], integer, boolean)', 'sparsevec'),
	('array_to_sparsevec(integer[], integer, boolean)', 'sparsevec'),
	('array_to_sparsevec(numeric[], integer, boolean)', 'sparsevec'),
	('array_to_sparsevec(real[], integer, boolean)', 'sparsevec'),
	('array_to_vector(double precision[], integer, boolean)', 'vector'),
	('array_to_vector(integer[], integer, boolean)', 'vector'),
	('array_to_vector(numeric[], integer, boolean)', 'vector'),
	('array_to_vector(real[], integer, boolean)', 'vector'),
	('binary_quantize(halfvec)', 'bit'),
	('binary_quantize(vector)', 'bit'),
	('cosine_distance(halfvec, halfvec)', 'double precision'),
	('cosine_distance(sparsevec, sparsevec)', 'double precision'),
	('cosine_distance(vector, vector)', 'double precision'),
	('halfvec(halfvec, integer, boolean)', 'halfvec'),
	('halfvec_accum(double precision[], halfvec)', 'double precision[]'),
	('halfvec_add(halfvec, halfvec)', 'halfvec'),
	('halfvec_avg(double precision[])', 'halfvec'),
	('halfvec_cmp(halfvec, halfvec)', 'integer'),
	('halfvec_combine(double precision[], double precision[])', 'double precision[]'),
	('halfvec_concat(halfvec, halfvec)', 'halfvec'),
	('halfvec_eq(halfvec, halfvec)', 'boolean'),
	('halfvec_ge(halfvec, halfvec)', 'boolean'),
	('halfvec_gt(halfvec, halfvec)', 'boolean'),
	('halfvec_in(cstring, oid, integer)', 'halfvec'),
	('halfvec_l2_squared_distance(halfvec, halfvec)', 'double precision'),
	('halfvec_le(halfvec, halfvec)', 'boolean'),
	('halfvec_lt(halfvec, halfvec)', 'boolean'),
	('halfvec_mul(halfvec, halfvec)', 'halfvec'),
	('halfvec_ne(halfvec, halfvec)', 'boolean'),
	('halfvec_negative_inner_product(halfvec, halfvec)', 'double precision'),
	('halfvec_out(halfvec)', 'cstring'),
	('halfvec_recv(internal, oid, integer)', 'halfvec'),
	('halfvec_send(halfvec)', 'bytea'),
	('halfvec_spherical_distance(halfvec, halfvec)', 'double precision'),
	('halfvec_sub(halfvec, halfvec)', 'halfvec'),
	('halfvec_to_float4(halfvec, integer, boolean)', 'real[]'),
	('halfvec_to_sparsevec(halfvec, integer, boolean)', 'sparsevec'),
	('halfvec_to_vector(halfvec, integer, boolean)', 'vector'),
	('halfvec_typmod_in(cstring[])', 'integer'),
	('hamming_distance(bit, bit)', 'double precision'),
	('inner_product(halfvec, halfvec)', 'double precision'),
	('inner_product(sparsevec, sparsevec)', 'double precision'),
	('inner_product(vector, vector)', 'double precision'),
	('jaccard_distance(bit, bit)', 'double precision'),
	('l1_distance(halfvec, halfvec)', 'double precision'),
	('l1_distance(sparsevec, sparsevec)', 'double precision'),
	('l1_distance(vector, vector)', 'double precision'),
	('l2_distance(halfvec, halfvec)', 'double precision'),
	('l2_distance(sparsevec, sparsevec)', 'double precision'),
	('l2_distance(vector, vector)', 'double precision'),
	('l2_norm(halfvec)', 'double precision'),
	('l2_norm(sparsevec)', 'double precision'),
	('l2_normalize(halfvec)', 'halfvec'),
	('l2_normalize(sparsevec)', 'sparsevec'),
	('l2_normalize(vector)', 'vector'),
	('sparsevec(sparsevec, integer, boolean)', 'sparsevec'),
	('sparsevec_cmp(sparsevec, sparsevec)', 'integer'),
	('sparsevec_eq(sparsevec, sparsevec)', 'boolean'),
	('sparsevec_ge(sparsevec, sparsevec)', 'boolean'),
	('sparsevec_gt(sparsevec, sparsevec)', 'boolean'),
	('sparsevec_in(cstring, oid, integer)', 'sparsevec'),
	('sparsevec_l2_squared_distance(sparsevec, sparsevec)', 'double precision'),
	('sparsevec_le(sparsevec, sparsevec)', 'boolean'),
	('sparsevec_lt(sparsevec, sparsevec)', 'boolean'),
	('sparsevec_ne(sparsevec, sparsevec)', 'boolean'),
	('sparsevec_negative_inner_product(sparsevec, sparsevec)', 'double precision'),
	('sparsevec_out(sparsevec)', 'cstring'),
	('sparsevec_recv(internal, oid, integer)', 'sparsevec'),
	('sparsevec_send(sparsevec)', 'bytea'),
	('sparsevec_to_halfvec(sparsevec, integer, boolean)', 'halfvec'),
	('sparsevec_to_vector(sparsevec, integer, boolean)', 'vector'),
	('sparsevec_typmod_in(cstring[])', 'integer'),
	('subvector(halfvec, integer, integer)', 'halfvec'),
	('subvector(vector, integer, integer)', 'vector'),
	('vector(vector, integer, boolean)', 'vector'),
	('vector_accum(double precision[], vector)', 'double precision[]'),
	('vector_add(vector, vector)', 'vector'),
	('vector_avg(double precision[])', 'vector'),
	('vector_cmp(vector, vector)', 'integer'),
	('vector_combine(double precision[], double precision[])', 'double precision[]'),
	('vector_concat(vector, vector)', 'vector'),
	('vector_dims(halfvec)', 'integer'),
	('vector_dims(vector)', 'integer'),
	('vector_eq(vector, vector)', 'boolean'),
	('vector_ge(vector, vector)', 'boolean'),
	('vector_gt(vector, vector)', 'boolean'),
	('vector_in(cstring, oid, integer)', 'vector'),
	('vector_l2_squared_distance(vector, vector)', 'double precision'),
	('vector_le(vector, vector)', 'boolean'),
	('vector_lt(vector, vector)', 'boolean'),
	('vector_mul(vector, vector)', 'vector'),
	('vector_ne(vector, vector)', 'boolean'),
	('vector_negative_inner_product(vector, vector)', 'double precision'),
	('vector_norm(vector)', 'double precision'),
	('vector_out(vector)', 'cstring'),
	('vector_recv(internal, oid, integer)', 'vector'),
	('vector_send(vector)', 'bytea'),
	('vector_spherical_distance(vector, vector)', 'double precision'),
	('vector_sub(vector, vector)', 'vector'),
	('vector_to_float4(vector, integer, boolean)', 'real[]'),
	('vector_to_halfvec(vector, integer, boolean)', 'halfvec'),
	('vector_to_sparsevec(vector, integer, boolean)', 'sparsevec'),
	('vector_typmod_in(cstring[])', 'integer');
SELECT count(*) FROM surface_functions;
SELECT signature AS missing FROM surface_functions WHERE to_regprocedure(signature) IS NULL;
SELECT signature, result AS expected, prorettype::regtype AS result, provolatile, proisstrict, proparallel, prokind, proretset
FROM surface_functions JOIN pg_proc p ON p.oid = to_regprocedure(signature)
WHERE (prorettype::regtype::text, provolatile, proisstrict, proparallel, prokind, proretset)
	IS DISTINCT FROM (result, 'i', true, 's', 'f', false);

-- aggregates, and what they are made of
CREATE TEMP TABLE surface_aggregates (signature text, result text, transition text, final text, combine text, state text, initial text);
INSERT INTO surface_aggregates VALUES
	('avg(vector)', 'vector', 'vector_accum', 'vector_avg', 'vector_combine', 'double precision[]', '{0}'),
	('avg(halfvec)', 'halfvec', 'halfvec_accum', 'halfvec_avg', 'halfvec_combine', 'double precision[]', '{0}'),
	('sum(vector)', 'vector', 'vector_add', '-', 'vector_add', 'vector', NULL),
	('sum(halfvec)', 'halfvec', 'halfvec_add', '-', 'halfvec_add', 'halfvec', NULL);
SELECT signature AS missing FROM surface_aggregates WHERE to_regprocedure(signature) IS NULL;
SELECT signature, prorettype::regtype AS result, provolatile, proisstrict, proparallel, aggtransfn, aggfinalfn, aggcombinefn, aggtranstype::regtype, agginitval
FROM surface_aggregates JOIN pg_proc p ON p.oid = to_regprocedure(signature) JOIN pg_aggregate a ON a.aggfnoid = p.oid
WHERE (prorettype::regtype::text, provolatile, proisstrict, proparallel, aggtransfn::text, aggfinalfn::text, aggcombinefn::text, aggtranstype::regtype::text, agginitval)
	IS DISTINCT FROM (result, 'i', false, 's', transition, final, combine, state, initial);

-- operators; both operands have the type
CREATE TEMP TABLE surface_operators (operator text, types text[], result text, commutator text, negator text, restrict_function text, join_function text, functions text[]);
INSERT INTO surface_operators VALUES
	('<->', '{vector,halfvec,sparsevec}', 'double precision', '<->', NULL, '-', '-', '{l2_distance,l2_distance,l2_distance}'),
	('<#>', '{vector,halfvec,sparsevec}', 'double precision', '<#>', NULL, '-', '-', '{vector_negative_inner_product,halfvec_negative_inner_product,sparsevec_negative_inner_product}'),
	('<=>', '{vector,halfvec,sparsevec}', 'double precision', '<=>', NULL, '-', '-', '{cosine_distance,cosine_distance,cosine_distance}'),
	('<+>', '{vector,halfvec,sparsevec}', 'double precision', '<+>', NULL, '-', '-', '{l1_distance,l1_distance,l1_distance}'),
	('<~>', '{bit}', 'double precision', '<~>', NULL, '-', '-', '{hamming_distance}'),
	('<%>', '{bit}', 'double precision', '<%>', NULL, '-', '-', '{jaccard_distance}'),
	('+', '{vector,halfvec}', NULL, '+', NULL, '-', '-', '{vector_add,halfvec_add}'),
	('-', '{vector,halfvec}', NULL, NULL, NULL, '-', '-', '{vector_sub,halfvec_sub}'),
	('*', '{vector,halfvec}', NULL, '*', NULL, '-', '-', '{vector_mul,halfvec_mul}'),
	('||', '{vector,halfvec}', NULL, NULL, NULL, '-', '-', '{vector_concat,halfvec_concat}'),
	('<', '{vector,halfvec,sparsevec}', 'boolean', '>', '>=', 'scalarltsel', 'scalarltjoinsel', '{vector_lt,halfvec_lt,sparsevec_lt}'),
	('<=', '{vector,halfvec,sparsevec}', 'boolean', '>=', '>', 'scalarlesel', 'scalarlejoinsel', '{vector_le,halfvec_le,sparsevec_le}'),
	('=', '{vector,halfvec,sparsevec}', 'boolean', '=', '<>', 'eqsel', 'eqjoinsel', '{vector_eq,halfvec_eq,sparsevec_eq}'),
	('<>', '{vector,halfvec,sparsevec}', 'boolean', '<>', '=', 'neqsel', 'neqjoinsel', '{vector_ne,halfvec_ne,sparsevec_ne}'),
	('>=', '{vector,halfvec,sparsevec}', 'boolean', '<=', '<', 'scalargesel', 'scalargejoinsel', '{vector_ge,halfvec_ge,sparsevec_ge}'),
	('>', '{vector,halfvec,sparsevec}', 'boolean', '<', '<=', 'scalargtsel', 'scalargtjoinsel', '{vector_gt,halfvec_gt,sparsevec_gt}');
CREATE TEMP TABLE expected_operators AS
	SELECT operator, type, coalesce(result, type) AS result, commutator, negator, restrict_function, join_function, function
	FROM surface_operators, unnest(types, functions) u (type, function);
SELECT count(*) FROM expected_operators;
SELECT operator, type AS missing FROM expected_operators
WHERE to_regoperator(format('%s(%s,%s)', operator, type, type)) IS NULL;
SELECT operator, type, oprresult::regtype, c.oprname AS commutator, n.oprname AS negator, o.oprrest, o.oprjoin, proname
FROM expected_operators JOIN pg_operator o ON o.oid = to_regoperator(format('%s(%s,%s)', operator, type, type))
	JOIN pg_proc p ON p.oid = o.oprcode
	LEFT JOIN (SELECT oid, oprname, oprleft AS l FROM pg_operator) c ON c.oid = o.oprcom AND c.l = o.oprleft
	LEFT JOIN (SELECT oid, oprname, oprleft AS l FROM pg_operator) n ON n.oid = o.oprnegate AND n.l = o.oprleft
WHERE (o.oprresult::regtype::text, c.oprname, n.oprname, o.oprrest::text, o.oprjoin::text, proname, o.oprcanhash, o.oprcanmerge)
	IS DISTINCT FROM (result, commutator, negator, restrict_function, join_function, function, false, false);

-- casts
CREATE TEMP TABLE surface_casts (source text, target text, context text);
INSERT INTO surface_casts VALUES
	('integer[]', 'vector', 'a'), ('real[]', 'vector', 'a'), ('double precision[]', 'vector', 'a'), ('numeric[]', 'vector', 'a'),
	('integer[]', 'halfvec', 'a'), ('real[]', 'halfvec', 'a'), ('double precision[]', 'halfvec', 'a'), ('numeric[]', 'halfvec', 'a'),
	('integer[]', 'sparsevec', 'a'), ('real[]', 'sparsevec', 'a'), ('double precision[]', 'sparsevec', 'a'), ('numeric[]', 'sparsevec', 'a'),
	('vector', 'real[]', 'i'), ('vector', 'vector', 'i'), ('vector', 'halfvec', 'i'), ('vector', 'sparsevec', 'i'),
	('halfvec', 'real[]', 'a'), ('halfvec', 'vector', 'a'), ('halfvec', 'halfvec', 'i'), ('halfvec', 'sparsevec', 'i'),
	('sparsevec', 'vector', 'a'), ('sparsevec', 'halfvec', 'a'), ('sparsevec', 'sparsevec', 'i');
SELECT source, target, context AS expected, castcontext, castmethod
FROM surface_casts LEFT JOIN pg_cast ON castsource = source::regtype AND casttarget = target::regtype
WHERE (castcontext, castmethod) IS DISTINCT FROM (context, 'f');

-- types
CREATE TEMP TABLE surface_types (type text, input text, output text, receive text, send text, typmod_in text);
INSERT INTO surface_types VALUES
	('vector', 'vector_in', 'vector_out', 'vector_recv', 'vector_send', 'vector_typmod_in'),
	('halfvec', 'halfvec_in', 'halfvec_out', 'halfvec_recv', 'halfvec_send', 'halfvec_typmod_in'),
	('sparsevec', 'sparsevec_in', 'sparsevec_out', 'sparsevec_recv', 'sparsevec_send', 'sparsevec_typmod_in');
SELECT type FROM surface_types LEFT JOIN pg_type ON oid = to_regtype(type)
WHERE (typinput::text, typoutput::text, typreceive::text, typsend::text, typmodin::text, typmodout::text, typanalyze::text,
		typlen, typbyval, typalign, typstorage, typcategory, typispreferred, typdelim, typtype)
	IS DISTINCT FROM (input, output, receive, send, typmod_in, '-', '-', -1::int2, false, 'i', 'e', 'U', false, ',', 'b')
	OR to_regtype(type || '[]') IS NULL;

-- operator classes: what they order by, and the default ones
CREATE TEMP TABLE surface_opclasses (method text, opclass text, type text, is_default bool, operators text[]);
INSERT INTO surface_opclasses VALUES
	('btree', 'vector_ops', 'vector', true, '{<,<=,=,>=,>}'),
	('btree', 'halfvec_ops', 'halfvec', true, '{<,<=,=,>=,>}'),
	('btree', 'sparsevec_ops', 'sparsevec', true, '{<,<=,=,>=,>}'),
	('hnsw', 'vector_l2_ops', 'vector', false, '{<->}'),
	('hnsw', 'vector_ip_ops', 'vector', false, '{<#>}'),
	('hnsw', 'vector_cosine_ops', 'vector', false, '{<=>}'),
	('hnsw', 'vector_l1_ops', 'vector', false, '{<+>}'),
	('hnsw', 'halfvec_l2_ops', 'halfvec', false, '{<->}'),
	('hnsw', 'halfvec_ip_ops', 'halfvec', false, '{<#>}'),
	('hnsw', 'halfvec_cosine_ops', 'halfvec', false, '{<=>}'),
	('hnsw', 'halfvec_l1_ops', 'halfvec', false, '{<+>}'),
	('hnsw', 'sparsevec_l2_ops', 'sparsevec', false, '{<->}'),
	('hnsw', 'sparsevec_ip_ops', 'sparsevec', false, '{<#>}'),
	('hnsw', 'sparsevec_cosine_ops', 'sparsevec', false, '{<=>}'),
	('hnsw', 'sparsevec_l1_ops', 'sparsevec', false, '{<+>}'),
	('hnsw', 'bit_hamming_ops', 'bit', false, '{<~>}'),
	('hnsw', 'bit_jaccard_ops', 'bit', false, '{<%>}');
SELECT e.*, opcdefault, a.operators AS has
FROM surface_opclasses e LEFT JOIN pg_am ON amname = method
	LEFT JOIN pg_opclass c ON opcmethod = pg_am.oid AND opcname = opclass AND opcintype = type::regtype
	LEFT JOIN LATERAL (SELECT array_agg(oprname::text ORDER BY amopstrategy) AS operators,
			bool_and(amopsortfamily = CASE method WHEN 'hnsw' THEN
				(SELECT f.oid FROM pg_opfamily f JOIN pg_am m ON m.oid = opfmethod WHERE opfname = 'float_ops' AND amname = 'btree') ELSE 0 END) AS sorted
		FROM pg_amop JOIN pg_operator o ON o.oid = amopopr
		WHERE amopfamily = opcfamily AND amoplefttype = opcintype AND amoprighttype = opcintype) a ON true
WHERE (opcdefault, a.operators, sorted) IS DISTINCT FROM (is_default, e.operators, true);
SELECT amhandler, amtype FROM pg_am WHERE amname = 'hnsw';
SELECT prorettype::regtype, provolatile, proisstrict, proparallel FROM pg_proc WHERE oid = to_regprocedure('hnswhandler(internal)');

-- what there is beyond it bears a name of its own
SELECT p.oid::regprocedure FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_proc p ON p.oid = d.objid
WHERE d.deptype = 'e' AND d.classid = 'pg_proc'::regclass AND extname = 'vector_hnsw'
	AND p.oid NOT IN (SELECT to_regprocedure(signature) FROM surface_functions UNION ALL SELECT to_regprocedure(signature) FROM surface_aggregates)
	AND proname NOT LIKE 'hnsw%';

-- everything that users see is described
SELECT pg_describe_object(classid, objid, 0) AS not_described FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE deptype = 'e' AND extname = 'vector_hnsw' AND obj_description(objid, classid::regclass::name) IS NULL
	AND classid IN ('pg_operator'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_am'::regclass)
	AND pg_describe_object(classid, objid, 0) !~ '_support\(internal\)|\[\]$';
