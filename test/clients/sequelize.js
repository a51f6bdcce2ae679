// sequelize.js
//   Sequelize with the npm package pgvector: its types, the DDL of a model
//   with indexes, and the functions that make distances.

'use strict';

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const pg = require('pg');
const { Sequelize, DataTypes, QueryTypes } = require('sequelize');
const { SparseVector } = require('pgvector');
const pgvector = require('pgvector/sequelize');
const { DIMENSIONS, vectors, nearest, nearestBits, bits, nearlyEqual } =
  require('./lib');

pgvector.registerTypes(Sequelize);

const sequelize = new Sequelize({
  dialect: 'postgres',
  host: process.env.PGHOST,
  port: process.env.PGPORT,
  username: process.env.PGUSER,
  database: process.env.PGDATABASE,
  logging: false,
});
const all = vectors(300);
const query = all[7].map((x) => x + 1 / 64);
const indexes = {
  sequelize_l2: ['embedding', 'vector_l2_ops'],
  sequelize_cosine: ['embedding', 'vector_cosine_ops'],
  sequelize_half: ['half', 'halfvec_l2_ops'],
  sequelize_sparse: ['sparse', 'sparsevec_l2_ops'],
  sequelize_bits: ['bits', 'bit_hamming_ops'],
};
let Item;

// Sequelize looks for the types when it connects.
before(async () => {
  const client = new pg.Client();

  await client.connect();
  await client.query('CREATE EXTENSION vector_hnsw');
  await client.end();
});

after(() => sequelize.close());

test('a model with indexes', async () => {
  Item = sequelize.define('Item', {
    embedding: { type: DataTypes.VECTOR(DIMENSIONS), allowNull: false },
    half: { type: DataTypes.HALFVEC(DIMENSIONS) },
    sparse: { type: DataTypes.SPARSEVEC(DIMENSIONS) },
    bits: { type: `BIT(${DIMENSIONS})` },
  }, {
    tableName: 'sequelize_items',
    timestamps: false,
    indexes: Object.entries(indexes).map(([name, [column, operator]]) => ({
      name, using: 'hnsw', fields: [{ name: column, operator }],
    })),
  });
  await Item.sync({ force: true });
});

test('rows', async () => {
  await Item.bulkCreate(all.map((v) => (
    { embedding: v, half: v, sparse: new SparseVector(v), bits: bits(v) })));
  const items = await Item.findAll({ order: ['id'] });
  assert.deepEqual(items.map((item) => item.embedding), all);
  assert.deepEqual(items.map((item) => item.half), all);
  assert.deepEqual(items.map((item) => item.sparse.toArray()), all);
  assert.deepEqual(items.map((item) => item.bits), all.map(bits));
});

const functions = {
  l2Distance: '<->',
  maxInnerProduct: '<#>',
  cosineDistance: '<=>',
  l1Distance: '<+>',
};

for (const [name, operator] of Object.entries(functions)) {
  for (const column of ['embedding', 'half', 'sparse']) {
    test(`${name} of ${column}`, async () => {
      const value = column === 'sparse' ? new SparseVector(query) : query;
      const distance = pgvector[name](column, value, sequelize);
      const items = await Item.findAll({
        attributes: [[distance, 'distance']], order: distance, limit: 5,
      });

      nearlyEqual(assert, items.map((item) => item.get('distance')),
        nearest(all, query, operator, 5));
    });
  }
}

for (const [name, operator] of Object.entries(
  { hammingDistance: '<~>', jaccardDistance: '<%>' })) {
  test(`${name} of bits`, async () => {
    const distance = pgvector[name]('bits', bits(query), sequelize);
    const items = await Item.findAll({
      attributes: [[distance, 'distance']], order: distance, limit: 5,
    });

    nearlyEqual(assert, items.map((item) => item.get('distance')),
      nearestBits(all.map(bits), bits(query), operator, 5));
  });
}

const searches = {
  sequelize_l2: ['l2Distance', 'embedding', query],
  sequelize_cosine: ['cosineDistance', 'embedding', query],
  sequelize_half: ['l2Distance', 'half', query],
  sequelize_sparse: ['l2Distance', 'sparse', new SparseVector(query)],
  sequelize_bits: ['hammingDistance', 'bits', bits(all[7])],
};

for (const [index, [distance, column, value]] of Object.entries(searches)) {
  test(`${index} answers`, async () => {
    await sequelize.transaction(async (transaction) => {
      await sequelize.query('SET LOCAL enable_seqscan = off', { transaction });
      let statement;
      const [first] = await Item.findAll({
        order: pgvector[distance](column, value, sequelize),
        limit: 5,
        transaction,
        logging: (text) => {
          statement = text.replace(/^Executing.*?: /, '');
        },
      });
      const plan = await sequelize.query(`EXPLAIN ${statement}`,
        { transaction, type: QueryTypes.SELECT });

      if (index === 'sequelize_bits') {
        assert.equal(first.bits, bits(all[7]));
      } else {
        assert.equal(first.id, 8);
      }
      assert.match(plan.map((row) => row['QUERY PLAN']).join('\n'),
        new RegExp(`Index Scan using ${index}`));
    });
    await sequelize.query(`SELECT hnsw_index_check('${index}', true)`);
  });
}
