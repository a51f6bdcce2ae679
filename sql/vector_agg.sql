-- The type vector: aggregates
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/types.sql"`
\i :helpers
\set ECHO all

SELECT avg(v), sum(v) FROM unnest('{"[1,2,3]","[3,5,7]"}'::vector[]) v;
SELECT avg(v), sum(v) FROM unnest('{"[1,2,3]","[3,5,7]",NULL}'::vector[]) v;
SELECT avg(v), sum(v) FROM unnest('{NULL,"[1,2,3]"}'::vector[]) v;
SELECT avg(v), sum(v) FROM unnest('{NULL,NULL}'::vector[]) v;
SELECT avg(v), sum(v) FROM unnest('{}'::vector[]) v;
SELECT avg(v) FROM unnest('{"[3e38]","[3e38]","[3e38]"}'::vector[]) v;
SELECT sum(v) FROM unnest('{"[3e38]","[3e38]"}'::vector[]) v;
SELECT avg(v) FROM unnest('{"[1,2]","[3]"}'::vector[]) v;
SELECT sum(v) FROM unnest('{"[1,2]","[3]"}'::vector[]) v;
SELECT avg(DISTINCT v), sum(DISTINCT v), avg(v) FILTER (WHERE v > '[1]') FROM unnest('{"[1]","[1]","[4]"}'::vector[]) v;

-- in groups and windows the states do not get into each other's way
SELECT i % 3 AS g, avg(ARRAY[i, -i]::vector), sum(ARRAY[i, -i]::vector) FROM generate_series(1, 9) i GROUP BY g ORDER BY g;
SELECT i, avg(v) OVER (ORDER BY i), sum(v) OVER (ORDER BY i), avg(v) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
FROM (SELECT i, ARRAY[i, 10 * i]::vector AS v FROM generate_series(1, 5) i) t;
SELECT g, avg(v) FROM (VALUES (1, '[1]'::vector), (1, '[2]'), (2, '[5]'), (2, '[6]')) t (g, v) GROUP BY GROUPING SETS ((g), ()) ORDER BY g;

-- the functions behind them, called by hand
SELECT vector_accum('{0}', '[1,2,3]'), vector_accum('{2,1,2,3}', '[1,2,3]');
SELECT vector_combine('{1,1,2}', '{3,10,20}'), vector_combine('{0}', '{3,10,20}'), vector_combine('{1,1,2}', '{0}'), vector_combine('{0}', '{0}');
SELECT vector_avg('{2,2,4,6}'), vector_avg('{0}'), vector_avg('{0,1}'), vector_avg('{4,-1,0}');
SELECT expression, pg_temp.outcome(expression) FROM (VALUES
	('vector_avg(''{}'')'), ('vector_avg(''{NULL}'')'), ('vector_avg(''{1,NULL}'')'), ('vector_avg(''{{1},{2}}'')'),
	('vector_avg(''{1}'')'), ('vector_avg(''{1,NaN}'')'), ('vector_avg(''{1,Infinity}'')'), ('vector_avg(''{1,1e39}'')'), ('vector_avg(''{NaN,1}'')'),
	('vector_avg(''[0:2]={2,4,6}'')'),
	('vector_accum(''{}'', ''[1]'')'), ('vector_accum(''{NULL}'', ''[1]'')'), ('vector_accum(''{{0}}'', ''[1]'')'),
	('vector_accum(''{1,2}'', ''[1,2]'')'), ('vector_accum(''{1,2,3}'', ''[1]'')'), ('vector_accum(''{1,Infinity}'', ''[1]'')'),
	('vector_accum(''{0}'', NULL)'),
	('vector_combine(''{}'', ''{0}'')'), ('vector_combine(''{0}'', ''{}'')'), ('vector_combine(''{0}'', ''{NULL}'')'),
	('vector_combine(''{1,2}'', ''{1,2,3}'')'), ('vector_combine(''{1,1.5e308}'', ''{1,1.5e308}'')')
) t (expression);
SELECT vector_avg(array_agg(n)) FROM generate_series(1, 16002) n;
SELECT vector_dims(vector_avg(array_agg(n))) FROM generate_series(1, 16001) n;

-- a state that a query holds is not changed by what it is passed to
SELECT state, vector_accum(state, '[1]'), vector_combine(state, '{1,1}'), state FROM (SELECT '{1,5}'::float8[] AS state OFFSET 0) t;

-- parallel
CREATE TABLE vector_parallel (g int, v vector);
INSERT INTO vector_parallel SELECT i % 3, ARRAY[i % 1000, i % 7, 1]::vector FROM generate_series(1, 10000) i;
INSERT INTO vector_parallel SELECT NULL, NULL FROM generate_series(1, 100);
ALTER TABLE vector_parallel SET (parallel_workers = 2);
ANALYZE vector_parallel;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT avg(v), sum(v) FROM vector_parallel;
SELECT avg(v), sum(v) FROM vector_parallel;
SELECT g, avg(v), sum(v) FROM vector_parallel GROUP BY g ORDER BY g;
-- workers that see no value
SELECT avg(v), sum(v) FROM vector_parallel WHERE g = 1 AND v = '[500,2,1]';
SELECT avg(v), sum(v) FROM vector_parallel WHERE v < '[0]';
EXPLAIN (COSTS OFF) SELECT v <-> '[1,2,3]' FROM vector_parallel ORDER BY 1 LIMIT 2;
SELECT v, v <-> '[5,2,0]' AS distance FROM vector_parallel WHERE v IS NOT NULL ORDER BY 2, 1 LIMIT 3;
SET max_parallel_workers_per_gather = 0;
SELECT avg(v), sum(v) FROM vector_parallel;
DROP TABLE vector_parallel;
