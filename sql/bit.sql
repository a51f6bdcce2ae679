-- The core type bit: distances
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/types.sql"`
\i :helpers
\set ECHO all

SELECT a, b, hamming_distance(a, b), a <~> b AS hamming, b <~> a AS hamming, jaccard_distance(a, b), a <%> b AS jaccard, b <%> a AS jaccard
FROM (VALUES
	(B'111', B'111'), (B'111', B'110'), (B'111', B'100'), (B'111', B'000'), (B'1100', B'1000'), (B'1100', B'0011'),
	(B'0', B'0'), (B'0', B'1'), (B'1', B'1'), (B'000', B'000'), (B'', B''),
	(B'101010101', B'010101010'), (B'1111111100000001', B'1111111100000000'),
	(B'11111111111111111111111111111111111', B'00000000000000000000000000000000001')
) t (a, b);

-- every length about the width of the processor's registers, and a long one
SELECT count(*), bool_and(
	hamming_distance(a, b) = n AND hamming_distance(a, a) = 0 AND hamming_distance(a, b | a) = n / 2
	AND jaccard_distance(a, b) = 1 AND jaccard_distance(a, b | a) = 1 - ((n + 1) / 2) / n::float8) AS right
FROM generate_series(1, 700) n,
	LATERAL (SELECT left(repeat('10', 350), n)::varbit AS a, left(repeat('01', 350), n)::varbit AS b) v;
SELECT hamming_distance(a, b), jaccard_distance(a, b)
FROM (SELECT repeat('1', 1000003)::varbit AS a, repeat('1000', 250000)::varbit || B'111' AS b) t;
SELECT hamming_distance(a::bit(64000), b::bit(64000)), jaccard_distance(a::bit(64000), b::bit(64000))
FROM (SELECT repeat('1', 64000)::varbit AS a, repeat('01', 32000)::varbit AS b) t;

-- NULL, and what does not match
SELECT hamming_distance(NULL, B'1'), B'1' <%> NULL;
SELECT expression, pg_temp.outcome(expression) FROM (VALUES
	('B''111'' <~> B''11'''), ('B''111'' <%> B''11'''), ('hamming_distance(B'''', B''0'')'), ('jaccard_distance(B''1'', B''11'')'),
	('hamming_distance(B''1''::bit(3), B''1''::varbit(3))'), ('B''1'' <-> B''1'''), ('1 <~> 2')
) t (expression);

-- of columns, stored with short headers and out of line
CREATE TABLE bits (id int, b bit(10000), v varbit);
INSERT INTO bits SELECT i, repeat(to_char(i, 'FM0'), 10000)::bit(10000), repeat('1', i * 20)::varbit FROM generate_series(0, 1) i;
SELECT a.id, b.id, a.b <~> b.b AS hamming, a.b <%> b.b AS jaccard FROM bits a, bits b ORDER BY 1, 2;
SELECT id, v <~> repeat('0', id * 20)::varbit AS hamming FROM bits ORDER BY 1;
SELECT id FROM bits ORDER BY b <~> repeat('1', 10000)::bit(10000);
DROP TABLE bits;

-- what vectors become
SELECT binary_quantize('[1,-2,3]'::vector) <~> binary_quantize('[1,2,3]'::halfvec);

SELECT oprname, oprcom = o.oid AS own_commutator, oprrest, oprjoin, oprcode, oprresult::regtype
FROM pg_operator o WHERE oprname IN ('<~>', '<%>') AND oprleft = 'bit'::regtype ORDER BY oprname COLLATE "C";
