// As upstream's recent migrations: session settings outside a transaction, which a transaction pooler does not keep.

const INDEX = "secrets_updated_at_index";

const withTimeouts = async (knex, work) => {
  const statement = (await knex.raw("show statement_timeout")).rows[0].statement_timeout;
  const lock = (await knex.raw("show lock_timeout")).rows[0].lock_timeout;
  await knex.raw("set statement_timeout = '60min'");
  await knex.raw("set lock_timeout = '30s'");
  try {
    await work();
  } finally {
    await knex.raw(`set statement_timeout = '${statement}'`);
    await knex.raw(`set lock_timeout = '${lock}'`);
  }
};

export async function up(knex) {
  await withTimeouts(knex, () =>
    knex.raw(`create index concurrently if not exists ${INDEX} on secrets ("updatedAt")`),
  );
}

export async function down(knex) {
  await withTimeouts(knex, () => knex.raw(`drop index concurrently if exists ${INDEX}`));
}

export const config = { transaction: false };
