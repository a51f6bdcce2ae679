-- Functions that look into an index
-- (a temporary table, so that no other session keeps vacuum from its work)
CREATE TEMP TABLE inspected (id int PRIMARY KEY, v vector(3));
INSERT INTO inspected
SELECT i, ARRAY[i % 20, i / 20 % 10, i / 200]::vector
FROM generate_series(0, 1999) i;
-- one vector many times, one twice, and one that is not indexed
INSERT INTO inspected SELECT i, '[0,0,0]' FROM generate_series(2000, 4499) i;
INSERT INTO inspected VALUES (4500, '[1,0,0]'), (4501, NULL);
CREATE INDEX inspected_packed ON inspected USING hnsw (v vector_l2_ops);
CREATE INDEX inspected_plain ON inspected USING hnsw (v vector_l1_ops)
	WITH (link_format = plain, m = 8, ef_construction = 40, seed = 7,
		  selection = simple, keep_pruned = off, quantizer = '8');

-- settings and counts
\x on
SELECT format_version, read_features, write_features, dimensions, metric,
	quantizer, link_format, m, ef_construction, selection, extend_candidates,
	keep_pruned, points, pages_per_code
FROM hnsw_index_info('inspected_packed');
SELECT format_version, read_features, write_features, dimensions, metric,
	quantizer, link_format, m, ef_construction, selection, extend_candidates,
	keep_pruned, points, pages_per_code
FROM hnsw_index_info('inspected_plain');
\x off

-- sizes follow from the counts
SELECT i, info.blocks * current_setting('block_size')::int = info.bytes AS bytes,
	info.bytes = pg_relation_size(i) AS size,
	info.levels = info.entry_level + 1 AS levels,
	info.entry_point < info.points AS entry_point,
	abs(info.bytes_per_point - info.bytes / info.points::float8) < 1e-6
		AS bytes_per_point
FROM (VALUES ('inspected_packed'::regclass), ('inspected_plain')) x(i),
	hnsw_index_info(i) info;
SELECT region, r.blocks =
	CASE region
		WHEN 'meta' THEN 1
		WHEN 'codes' THEN ceil(points / codes_per_page::float8)
		WHEN 'nodes' THEN ceil(points / nodes_per_page::float8)
		WHEN 'overflow' THEN 3
		WHEN 'upper levels' THEN ceil(upper_slots * 72 / 8160.0)
		ELSE 0
	END AS blocks,
	r.bytes = r.blocks * current_setting('block_size')::int AS bytes,
	abs(r.bytes_per_vector - r.bytes / 4501.0) < 1e-6 AS bytes_per_vector,
	links > 0 AS links, bits_per_link < 32 AS packed,
	bits_per_link <= plain_bits_per_link AS saved,
	plain_bits_per_link >= 32 AS plain
FROM hnsw_index_regions('inspected_packed') r,
	hnsw_index_info('inspected_packed');
SELECT sum(blocks) = (SELECT blocks FROM hnsw_index_info('inspected_plain'))
	AS all_blocks, sum(bytes) = pg_relation_size('inspected_plain') AS all_bytes
FROM hnsw_index_regions('inspected_plain');
SELECT region, links > 0 AS links, bits_per_link, plain_bits_per_link
FROM hnsw_index_regions('inspected_plain') WHERE region = 'nodes';

-- the graph as rows
CREATE TEMP TABLE inspected_links (index text, point bigint, level int, tid tid, neighbours bigint[]);
INSERT INTO inspected_links
SELECT 'inspected_packed', l.* FROM hnsw_index_links('inspected_packed') l
UNION ALL
SELECT 'inspected_plain', l.* FROM hnsw_index_links('inspected_plain') l;
ANALYZE inspected, inspected_links;
SELECT i, count(DISTINCT point) = info.points AS points,
	min(point) AS first, max(point) = info.points - 1 AS last,
	count(*) = info.points + info.upper_slots AS lists,
	max(level) = info.entry_level AS entry_level,
	count(*) FILTER (WHERE level = 0) = info.points AS level_0,
	sum(cardinality(neighbours)) =
		(SELECT sum(links) FROM hnsw_index_regions(i)) AS links,
	max(cardinality(neighbours)) FILTER (WHERE level = 0) <= 2 * info.m AS degree_0,
	max(cardinality(neighbours)) FILTER (WHERE level > 0) <= info.m AS degree
FROM (VALUES ('inspected_packed'::regclass), ('inspected_plain')) x(i),
	hnsw_index_info(i) info, inspected_links l
WHERE l.index = i::text
GROUP BY i, info.points, info.upper_slots, info.entry_level, info.m
ORDER BY i::text;
-- no links to oneself, no link twice, none to where the other is not
SELECT count(*) FROM inspected_links WHERE point = ANY (neighbours);
SELECT count(*) FROM inspected_links l, unnest(neighbours) n
GROUP BY index, point, level, n HAVING count(*) > 1;
SELECT count(*)
FROM (SELECT index, level, unnest(neighbours) AS point FROM inspected_links) l
WHERE NOT EXISTS (SELECT FROM inspected_links o
				  WHERE (o.index, o.level, o.point) =
						(l.index, l.level, l.point));
-- each point has its row, and a row one point
SELECT index, count(*), count(DISTINCT i.v)
FROM inspected_links l JOIN inspected i ON i.ctid = l.tid
WHERE level = 0 GROUP BY 1 ORDER BY 1;
-- neighbours are near
SELECT l.index, avg(a.v <-> b.v) < 4 AS near
FROM inspected_links l JOIN inspected a ON a.ctid = l.tid,
	unnest(neighbours) n
	JOIN inspected_links o ON o.level = 0 AND o.point = n
	JOIN inspected b ON b.ctid = o.tid
WHERE l.level = 0 AND o.index = l.index GROUP BY 1 ORDER BY 1;

-- the structure is sound
SELECT hnsw_index_check('inspected_packed');
SELECT hnsw_index_check('inspected_plain');

-- prewarm reads all but refinement and overflow
SELECT hnsw_index_prewarm('inspected_packed') =
	(SELECT sum(blocks) FROM hnsw_index_regions('inspected_packed')
	 WHERE region NOT IN ('refinement', 'overflow')) AS prewarmed;

-- vacuum leaves no points without rows, and lists that are shorter
DELETE FROM inspected WHERE id % 3 = 0 OR id > 4000;
VACUUM (INDEX_CLEANUP ON) inspected;
SELECT hnsw_index_check('inspected_packed');
SELECT count(*) FROM hnsw_index_links('inspected_packed')
WHERE level = 0 AND ctid IS NULL;
SELECT round(bytes / bytes_per_vector) AS rows,
	(SELECT count(*) FROM inspected WHERE v IS NOT NULL)
FROM hnsw_index_regions('inspected_packed') WHERE region = 'nodes';
DELETE FROM inspected WHERE v = '[0,0,0]';
VACUUM (INDEX_CLEANUP ON) inspected;
SELECT hnsw_index_check('inspected_packed');
SELECT hnsw_index_check('inspected_plain');
DELETE FROM inspected;
VACUUM (INDEX_CLEANUP ON) inspected;
SELECT hnsw_index_check('inspected_packed');
SELECT region, bytes_per_vector FROM hnsw_index_regions('inspected_packed')
WHERE region = 'nodes';

-- an empty index
REINDEX INDEX inspected_packed;
SELECT points, levels, entry_point, entry_level, upper_slots, blocks,
	bytes_per_point FROM hnsw_index_info('inspected_packed');
SELECT region, blocks, bytes_per_vector, links, bits_per_link
FROM hnsw_index_regions('inspected_packed');
SELECT * FROM hnsw_index_links('inspected_packed');
SELECT hnsw_index_check('inspected_packed');
SELECT hnsw_index_prewarm('inspected_packed');

-- a code that takes several pages; unlogged and permanent tables
CREATE UNLOGGED TABLE inspected_wide (v vector(5000));
INSERT INTO inspected_wide
SELECT array_agg(i * 1000 % 7 + j % 11 ORDER BY j)::vector
FROM generate_series(1, 20) i, generate_series(1, 5000) j GROUP BY i;
CREATE INDEX inspected_wide_index ON inspected_wide
	USING hnsw (v vector_cosine_ops) WITH (quantizer = float);
SELECT points, pages_per_code FROM hnsw_index_info('inspected_wide_index');
SELECT hnsw_index_check('inspected_wide_index');
CREATE TABLE inspected_narrow (v vector(40));
INSERT INTO inspected_narrow
SELECT array_agg(i * 1000 % 7 + j % 11 ORDER BY j)::vector
FROM generate_series(1, 20) i, generate_series(1, 40) j GROUP BY i;
CREATE INDEX inspected_narrow_index ON inspected_narrow
	USING hnsw (v vector_ip_ops) WITH (quantizer = '4');
SELECT region, blocks FROM hnsw_index_regions('inspected_narrow_index')
WHERE region <> 'upper levels';
SELECT hnsw_index_check('inspected_narrow_index');

-- what is no index of ours
SELECT hnsw_index_check('inspected');
SELECT hnsw_index_info('inspected_pkey');
SELECT hnsw_index_regions('inspected_pkey');
SELECT hnsw_index_links('inspected_pkey');
SELECT hnsw_index_check('inspected_pkey');
SELECT hnsw_index_prewarm('inspected_pkey');
CREATE TABLE inspected_parts (v vector(3)) PARTITION BY RANGE (v);
CREATE INDEX inspected_parts_index ON inspected_parts
	USING hnsw (v vector_l2_ops);
SELECT hnsw_index_check('inspected_parts_index');
UPDATE pg_index SET indisvalid = false
WHERE indexrelid = 'inspected_packed'::regclass;
SELECT hnsw_index_check('inspected_packed');
SELECT hnsw_index_check(NULL);

-- not for everybody
CREATE ROLE regress_hnsw_inspect;
SET ROLE regress_hnsw_inspect;
SELECT hnsw_index_info('inspected_plain');
SELECT hnsw_index_regions('inspected_plain');
SELECT hnsw_index_links('inspected_plain');
SELECT hnsw_index_check('inspected_plain');
SELECT hnsw_index_prewarm('inspected_plain');
RESET ROLE;
GRANT EXECUTE ON FUNCTION hnsw_index_check(regclass, boolean) TO regress_hnsw_inspect;
SET ROLE regress_hnsw_inspect;
SELECT hnsw_index_check('inspected_plain');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION hnsw_index_check(regclass, boolean) FROM regress_hnsw_inspect;
DROP ROLE regress_hnsw_inspect;

DROP TABLE inspected_links, inspected, inspected_wide, inspected_narrow, inspected_parts;
