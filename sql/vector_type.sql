-- The type vector: text and binary form, type modifier, storage
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/types.sql"`
\i :helpers
\set ECHO all

-- text that is accepted
SELECT translate(input, E'\t\n\r\x0b\x0c', 'tnrvf') AS input, pg_temp.parse(input, 'vector') FROM (VALUES
	('[1,2,3]'), ('[-1,-2,-3]'), ('[1.,2.,3.]'), ('[.5,-.5,+.5]'), ('[+1,-0,0]'),
	('  [ 1,  2 ,    3  ]  '), (E'\t[\n1\x0b,\x0c2\r]\n'), ('[1]'),
	('[1.23456]'), ('[0.1,0.2,0.3]'), ('[1e3,1E3,1e+3,1e-3]'), ('[1e05,1e-05]'),
	('[16777217,16777219]'), ('[1.00000005960464477539062,1.00000005960464477539063]'),
	('[0.0023064255714416504,-0.023064255714416504]'),
	('[123456789,1234567890,12345678901234567890123456789012345678]'),
	('[1.5e38,-1.5e38]'), ('[1.5e-38,-1.5e-38]'), ('[3.4028235e38,-3.4028235e38]'),
	('[1.17549435e-38,1.4e-45]'), ('[1e-46,1]'), ('[-1e-46,1]'), ('[1e-400,1]'),
	('[0x10,0x1.8p1]'), ('[000001.5]'),
	('[100000,1000000,10000000,123456.7,0.0001,0.00001]')
) t (input);

-- and text that is not
SELECT left(input, 20) AS input, pg_temp.parse(input, 'vector') FROM (VALUES
	(''), (' '), ('1,2,3'), ('{1,2,3}'), ('(1)'), ('1]'), ('x[1]'), (']'),
	('['), ('[ '), ('[1'), ('[1,'), ('[1, '), ('[1,2,3'), ('[1 '), ('[-'),
	('[]'), ('[ ]'), ('[]x'), ('[,]'), ('[,'), ('[1,]'), ('[1, ]'), ('[,1]'), ('[1,,3]'), ('[1, ,3]'),
	('[1,2,3]9'), ('[1] x'), ('[1]]'), ('[1][2]'), ('[1],'),
	('[hello,1]'), ('[1a]'), ('[1 2]'), ('[1;2]'), ('[1}'), ('[[1,2]]'), ('["1"]'), ('[null]'),
	('[--1]'), ('[+-1]'), ('[.]'), ('[e5]'), ('[1e]'), ('[1e+]'), ('[1.2.3]'), ('[- 1]'), ('[0xg]'),
	('[NaN,1]'), ('[nan]'), ('[-nan(1)]'), ('[1,Infinity]'), ('[-Infinity,1]'), ('[inf]'), ('[1,infinit]'),
	('[4e38,1]'), ('[1,-4e38]'), ('[1e400]'), ('[3.4028236e38]'), ('[ 1e39 ]'),
	('[' || repeat('[', 1000)), ('[' || repeat('9', 50) || ']'), (E'[\x01]'), (E'[1\x7f]')
) t (input);

SELECT left(input, 20) AS input, type, pg_temp.soft_error(input, type) FROM (VALUES
	('[1,2]', 'vector'), ('[1,2]', 'vector(2)'), ('[1,2]', 'vector(3)'),
	('1,2', 'vector'), ('[1,2', 'vector'), ('[1,x]', 'vector'), ('[1,2]x', 'vector'),
	('[]', 'vector'), ('[]x', 'vector'), ('[1,]', 'vector'),
	('[NaN]', 'vector'), ('[inf]', 'vector'), ('[4e38]', 'vector'),
	('[' || repeat('1,', 16000) || '1]', 'vector'),
	('{"[1]","[x]"}', 'vector[]')
) t (input, type);

-- as many dimensions as there can be
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::vector);
SELECT vector_dims(('[' || repeat('1,', 16000) || '1]')::vector);
SELECT vector_dims(('[' || repeat('1,', 16000) || 'x')::vector);
SELECT ('[' || repeat('1,', 15999) || '1]')::vector::text = '[' || repeat('1,', 15999) || '1]';
SELECT ('[' || repeat('-1.17549435e-38,', 15999) || '1]')::vector::text = '[' || repeat('-1.1754944e-38,', 15999) || '1]';

-- text form and back is the identity
SELECT count(*), count(*) FILTER (WHERE v::text::vector = v) AS same
FROM (
	SELECT ARRAY[(random() - 0.5) * 10.0 ^ (i % 38), random() * 10.0 ^ -(i % 38)]::vector AS v
	FROM generate_series(1, 1000) i
) t;

-- it does not depend on settings
SET extra_float_digits = 0;
SELECT '[0.1,0.3333333333]'::vector;
SET extra_float_digits = -15;
SELECT '[0.1,0.3333333333]'::vector;
RESET extra_float_digits;

-- type modifier
SELECT '[1,2,3]'::vector(3);
SELECT '[1,2,3]'::vector(2);
SELECT '[1,2,3]'::vector(4);
SELECT '[1,2,3]'::vector::vector(2);
SELECT '[1]'::vector(16000);
SELECT pg_temp.outcome('''[1]''::vector(' || modifier || ')') AS outcome, modifier
FROM (VALUES ('1'), ('''1'''), (' 1 '), ('0'), ('-1'), ('16000'), ('16001'), ('2147483647'), ('2147483648'),
	('1,1'), (''), ('a'), ('''a'''), ('1.5'), ('''''')) t (modifier);
SELECT format_type('vector'::regtype, 3), format_type('vector'::regtype, -1), format_type('vector[]'::regtype, 16000);

CREATE TABLE vector_type (id int, v vector(3), a vector(2)[]);
INSERT INTO vector_type VALUES (1, '[1,2,3]', '{"[1,2]","[3,4]"}'), (2, NULL, NULL), (3, ARRAY[4, 5, 6], ARRAY['[5,6]']::vector[]);
INSERT INTO vector_type (v) VALUES ('[1,2]');
INSERT INTO vector_type (v) VALUES (ARRAY[1, 2, 3, 4]);
INSERT INTO vector_type (a) VALUES ('{"[1,2]","[3]"}');
INSERT INTO vector_type (a) VALUES (ARRAY['[1,2,3]'::vector]);
SELECT * FROM vector_type ORDER BY id;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'vector_type'::regclass AND attnum > 0 ORDER BY attnum;
ALTER TABLE vector_type ALTER v TYPE vector(4);
ALTER TABLE vector_type ALTER v TYPE vector;
ALTER TABLE vector_type ALTER v TYPE vector(3);
DROP TABLE vector_type;

-- arrays and composites
SELECT '{"[1,2]",NULL,"[3]"}'::vector[], ('{"[1,2]",NULL,"[3]"}'::vector[])[3];
SELECT ARRAY['[1,2]'::vector, '[3]'], ROW('[1,2]'::vector, 1);
SELECT unnest('{"[1,2,3]","[4,5,6]"}'::vector[]);
SELECT '{"[1,2,3]"}'::vector(2)[];

-- binary form
SELECT vector_send('[1,2]'), vector_send('[-0,1.5e-38,3.4028235e38]');
SELECT length(vector_send(array_fill(1, ARRAY[16000])::vector));

SELECT message, pg_temp.receive(message, 'vector') FROM (VALUES
	(vector_send('[1,2]')), (vector_send('[-0,1.5e-38,3.4028235e38]')),
	('\x00010000'::bytea || float4send('1.4e-45')),
	-- too short or too long
	(''), ('\x00'), ('\x0001'), ('\x000100'), ('\x00010000'), ('\x000100003f8000'), ('\x000200003f800000'),
	('\x000100003f80000000'), ('\x000100003f8000003f800000'),
	-- dimensions
	('\x00000000'), ('\xffff0000'), ('\x80000000'), ('\x3e810000'), ('\x7fff0000'), ('\x3e800000'),
	-- unused
	('\x000100013f800000'), ('\x0001ffff3f800000'), ('\x000180003f800000'),
	-- elements
	('\x00010000'::bytea || float4send('NaN')), ('\x000200003f800000'::bytea || float4send('Infinity')),
	('\x00010000'::bytea || float4send('-Infinity')), ('\x00010000ffffffff'), ('\x000100007f800001'),
	-- text, with zero bytes
	('[1,2]'), ('\x0000000000000000000000'), ('\x5b31005d')
) t (message);
SELECT pg_temp.receive(vector_send('[1,2]'), 'vector(2)'), pg_temp.receive(vector_send('[1,2]'), 'vector(3)');
SELECT pg_temp.receive(array_send('{"[1,2]","[3]"}'::vector[]), 'vector[]');
SELECT pg_temp.receive(array_send('{"[1,2]","[3]"}'::vector[]), 'vector(2)[]');

-- storage: short values with short headers, long ones out of line
CREATE TABLE vector_storage (id int, v vector);
INSERT INTO vector_storage SELECT n, array_fill(n, ARRAY[n])::vector FROM unnest(ARRAY[1, 29, 30, 31, 500, 2000, 16000]) n;
SELECT id, vector_dims(v), pg_column_size(v), v = array_fill(id, ARRAY[id])::vector AS same
FROM vector_storage ORDER BY id;
SELECT count(*) FROM vector_storage a, vector_storage b WHERE a.v = b.v;
DROP TABLE vector_storage;

SELECT typlen, typbyval, typcategory, typispreferred, typdelim, typalign, typstorage FROM pg_type WHERE oid = 'vector'::regtype;
