-- The access method hnsw over halfvec: as over vector
\set ECHO none
\set helpers `echo "${PG_ABS_SRCDIR:-.}/sql/include/hnsw.sql"`
\i :helpers
\set ECHO all

CREATE TABLE halves (id int, v halfvec(100));
INSERT INTO halves SELECT i, pg_temp.vec(i, 100) FROM generate_series(1, 1000) i;
CREATE TABLE wholes AS SELECT id, v::vector(100) FROM halves;

CREATE INDEX ON halves USING hnsw (v halfvec_l2_ops);
CREATE INDEX ON wholes USING hnsw (v vector_l2_ops);

-- codes are those of the same vectors, and so are sizes
SELECT h.quantizer, h.dimensions, h.metric, h.points, h.bytes = w.bytes AS same_size
FROM hnsw_index_info('halves_v_idx') h, hnsw_index_info('wholes_v_idx') w;
DROP TABLE wholes;

SET hnsw.ef_search = 400;
SELECT searches, by_index, rows, different FROM
	pg_temp.compare('SELECT v <-> $1::halfvec FROM halves ORDER BY v <-> $1::halfvec LIMIT 20',
		pg_temp.vecs(1, 5, 100) || pg_temp.vecs(5001, 5005, 100));
SELECT hnsw_index_check('halves_v_idx', true);
DROP INDEX halves_v_idx;

CREATE INDEX ON halves USING hnsw (v halfvec_ip_ops);
SELECT searches, by_index, rows, different FROM
	pg_temp.compare('SELECT v <#> $1::halfvec FROM halves ORDER BY v <#> $1::halfvec LIMIT 20',
		pg_temp.vecs(1, 5, 100) || pg_temp.vecs(5001, 5005, 100));
SELECT hnsw_index_check('halves_v_idx', true);
DROP INDEX halves_v_idx;

CREATE INDEX ON halves USING hnsw (v halfvec_cosine_ops);
SELECT searches, by_index, rows, different FROM
	pg_temp.compare('SELECT v <=> $1::halfvec FROM halves ORDER BY v <=> $1::halfvec LIMIT 20',
		pg_temp.vecs(1, 5, 100) || pg_temp.vecs(5001, 5005, 100));
SELECT hnsw_index_check('halves_v_idx', true);
DROP INDEX halves_v_idx;

CREATE INDEX ON halves USING hnsw (v halfvec_l1_ops);
SELECT searches, by_index, rows, different FROM
	pg_temp.compare('SELECT v <+> $1::halfvec FROM halves ORDER BY v <+> $1::halfvec LIMIT 20',
		pg_temp.vecs(1, 5, 100) || pg_temp.vecs(5001, 5005, 100));

-- rows that come, change, go and come again
INSERT INTO halves SELECT i, pg_temp.vec(i, 100) FROM generate_series(1001, 1100) i;
UPDATE halves SET v = pg_temp.vec(id + 5000, 100) WHERE id % 10 = 0;
DELETE FROM halves WHERE id % 10 = 1;
VACUUM halves;
INSERT INTO halves SELECT i, pg_temp.vec(i, 100) FROM generate_series(2001, 2100) i;
SELECT searches, by_index, rows, different FROM
	pg_temp.compare('SELECT v <+> $1::halfvec FROM halves ORDER BY v <+> $1::halfvec LIMIT 20',
		pg_temp.vecs(1, 5, 100) || pg_temp.vecs(2001, 2005, 100));
SELECT hnsw_index_check('halves_v_idx', true);
DROP INDEX halves_v_idx;

-- zero vectors have no direction
INSERT INTO halves VALUES (0, array_fill(0, ARRAY[100])), (0, NULL);
CREATE INDEX ON halves USING hnsw (v halfvec_cosine_ops);
SELECT points = count(*) AS all_others FROM hnsw_index_info('halves_v_idx'), halves
WHERE v IS NOT NULL AND id > 0 GROUP BY points;
SELECT hnsw_index_check('halves_v_idx', true);

-- errors
INSERT INTO halves VALUES (0, '[1,2]');
SELECT count(*) FROM (SELECT 1 FROM halves ORDER BY v <=> '[1,2]' LIMIT 1) s;
DROP TABLE halves;
CREATE TABLE halves (v halfvec);
CREATE INDEX ON halves USING hnsw (v halfvec_l2_ops);
CREATE INDEX ON halves USING hnsw (v vector_l2_ops);
CREATE INDEX ON halves USING hnsw ((v::halfvec(16000)) halfvec_l2_ops);
DROP TABLE halves;
