--
-- Common to the tests of the access method: vectors that are the same on
-- every machine, and a comparison of index scans with exact answers
--

-- loads the library, so that settings are known for what they are
DO $$ BEGIN PERFORM '[0]'::vector; END $$;

-- a plan that could not do without a sequential scan would look expensive
SET jit = off;

-- the i-th vector: whole numbers, so that sums of squares are exact
CREATE FUNCTION pg_temp.vec(i int, dimensions int) RETURNS vector
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint4(i * 16384 + j) & 127) - 64)::vector
	FROM generate_series(1, dimensions) j
$$;

CREATE FUNCTION pg_temp.vecs(first int, last int, dimensions int) RETURNS vector[]
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(pg_temp.vec(i, dimensions)) FROM generate_series(first, last) i
$$;

-- what a query gives for a vector $1, with or without indexes
CREATE FUNCTION pg_temp.distances(query text, v vector, by_index boolean) RETURNS float8[]
LANGUAGE plpgsql SET enable_seqscan = on SET enable_sort = on SET enable_indexscan = on AS $$
DECLARE
	result float8[];
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
		set_config('enable_sort', (NOT by_index)::text, true),
		set_config('enable_indexscan', by_index::text, true);
	EXECUTE format('SELECT ARRAY(%s)', query) INTO result USING v;
	RETURN result;
END
$$;

CREATE FUNCTION pg_temp.uses_index(query text, v vector) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN SELECT ARRAY(%s)', query) USING v LOOP
		IF line LIKE '%Index Scan using%' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;

-- Runs a query for each vector by index and exactly.  It must give distances
-- in order.  by_index: searches that used an index; different: places at
-- which the two answers differ; recall: share of the exact answer's distances
-- that the index found as well.
CREATE FUNCTION pg_temp.compare(query text, vectors vector[],
	OUT searches int, OUT by_index int, OUT rows bigint, OUT different bigint, OUT recall float8)
LANGUAGE plpgsql AS $$
DECLARE
	v vector;
	expected float8[];
	found float8[];
	wanted bigint := 0;
	hits bigint := 0;
BEGIN
	searches := 0;
	by_index := 0;
	rows := 0;
	different := 0;
	FOREACH v IN ARRAY vectors LOOP
		expected := pg_temp.distances(query, v, false);
		found := pg_temp.distances(query, v, true);
		searches := searches + 1;
		by_index := by_index + pg_temp.uses_index(query, v)::int;
		rows := rows + cardinality(found);
		different := different + (SELECT count(*) FROM unnest(expected, found) p (e, f) WHERE e IS DISTINCT FROM f);
		wanted := wanted + cardinality(expected);
		hits := hits + (SELECT count(*) FROM unnest(found) f WHERE f <= expected[cardinality(expected)]);
	END LOOP;
	recall := hits::float8 / nullif(wanted, 0);
END
$$;
