// sequelize.js
//   Sequelize with the npm package pgvector: its types, the DDL of a model
//   with indexes, and the functions that make distances.

'use strict';

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const pg = require('pg');
const { Sequelize, DataTypes, QueryTypes } = require('sequelize');
const pgvector = require('pgvector/sequelize');
const { DIMENSIONS, vectors, nearest, nearlyEqual } = require('./lib');

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
  }, {
    tableName: 'sequelize_items',
    timestamps: false,
    indexes: [
      {
        name: 'sequelize_l2', using: 'hnsw',
        fields: [{ name: 'embedding', operator: 'vector_l2_ops' }],
      },
      {
        name: 'sequelize_cosine', using: 'hnsw',
        fields: [{ name: 'embedding', operator: 'vector_cosine_ops' }],
      },
    ],
  });
  await Item.sync({ force: true });
});

test('rows', async () => {
  await Item.bulkCreate(all.map((v) => ({ embedding: v, half: v })));
  const items = await Item.findAll({ order: ['id'] });
  assert.deepEqual(items.map((item) => item.embedding), all);
  assert.deepEqual(items.map((item) => item.half), all);
});

const functions = {
  l2Distance: '<->',
  maxInnerProduct: '<#>',
  cosineDistance: '<=>',
  l1Distance: '<+>',
};

for (const [name, operator] of Object.entries(functions)) {
  for (const column of ['embedding', 'half']) {
    test(`${name} of ${column}`, async () => {
      const distance = pgvector[name](column, query, sequelize);
      const items = await Item.findAll({
        attributes: [[distance, 'distance']], order: distance, limit: 5,
      });

      nearlyEqual(assert, items.map((item) => item.get('distance')),
        nearest(all, query, operator, 5));
    });
  }
}

test('the index answers', async () => {
  await sequelize.transaction(async (transaction) => {
    await sequelize.query('SET LOCAL enable_seqscan = off', { transaction });
    let statement;
    const items = await Item.findAll({
      order: pgvector.l2Distance('embedding', query, sequelize),
      limit: 5,
      transaction,
      logging: (text) => { statement = text.replace(/^Executing.*?: /, ''); },
    });
    const plan = await sequelize.query(`EXPLAIN ${statement}`,
      { transaction, type: QueryTypes.SELECT });

    assert.equal(items[0].id, 8);
    assert.match(plan.map((row) => row['QUERY PLAN']).join('\n'),
      /Index Scan using sequelize_l2/);
  });
  await sequelize.query("SELECT hnsw_index_check('sequelize_l2', true)");
  await sequelize.query("SELECT hnsw_index_check('sequelize_cosine', true)");
});
