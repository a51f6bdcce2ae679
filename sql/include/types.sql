--
-- Common to the tests of the types
--

-- what an SQL expression yields, as text: its value or its error
CREATE FUNCTION pg_temp.outcome(expression text) RETURNS text AS $$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE 'SELECT (' || expression || ')::text' INTO result;
	RETURN coalesce(left(result, 100), 'NULL');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE || ':', left(SQLERRM, 100), '(' || nullif(detail, '') || ')');
END
$$ LANGUAGE plpgsql;

-- the same for a text that is to become a value
CREATE FUNCTION pg_temp.parse(input text, type text) RETURNS text AS $$
	SELECT pg_temp.outcome(format('%L::%s', input, type))
$$ LANGUAGE sql;

-- the error of such a text, softly where the server can
CREATE FUNCTION pg_temp.soft_error(input text, type text) RETURNS text AS $$
DECLARE
	message text;
BEGIN
	IF current_setting('server_version_num')::int >= 160000 THEN
		EXECUTE 'SELECT message FROM pg_input_error_info($1, $2)' INTO message USING input, type;
	ELSE
		EXECUTE format('SELECT %L::%s', input, type);
	END IF;
	RETURN coalesce(message, 'valid');
EXCEPTION WHEN OTHERS THEN
	RETURN CASE WHEN current_setting('server_version_num')::int < 160000
		THEN SQLERRM ELSE 'hard error: ' || SQLERRM END;
END
$$ LANGUAGE plpgsql;

-- gives the bytes to the type's receive function, by way of COPY
CREATE FUNCTION pg_temp.receive(message bytea, type text) RETURNS text AS $$
DECLARE
	file bytea;
	result text;
BEGIN
	file := '\x5047434f50590aff0d0a00'::bytea || int4send(0) || int4send(0) ||
		int2send(1::int2) || int4send(length(message)) || message || int2send(-1::int2);
	EXECUTE format('CREATE TEMP TABLE received (v %s)', type);
	EXECUTE format('COPY received FROM PROGRAM %L (FORMAT binary)', (
		SELECT 'printf ''' || string_agg('\' || lpad((b / 64)::text, 1, '0') || (b / 8 % 8)::text || (b % 8)::text, '' ORDER BY i) || ''''
		FROM (SELECT i, get_byte(file, i) AS b FROM generate_series(0, length(file) - 1) i) bytes));
	SELECT v::text INTO result FROM received;
	DROP TABLE received;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END
$$ LANGUAGE plpgsql;
