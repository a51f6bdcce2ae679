SELECT region, blocks, pg_size_pretty(bytes) AS size,
       round(bytes_per_vector::numeric, 1) AS "bytes per vector"
FROM hnsw_index_regions('items_embedding_idx')
UNION ALL
SELECT 'the whole index', bytes / current_setting('block_size')::int,
       pg_size_pretty(bytes), round(bytes / 10000.0, 1)
FROM pg_relation_size('items_embedding_idx') AS bytes
UNION ALL
SELECT 'the raw vectors', NULL, pg_size_pretty(sum(4 * vector_dims(embedding))),
       round(avg(4 * vector_dims(embedding)), 1)
FROM items;
