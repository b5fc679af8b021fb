// Copies of the root key under other keys: one for a key that was made and not deployed, one for the key before.
export async function up(knex) {
  await knex.schema.alterTable("kms_root_config", (table) => {
    table.string("kekLabel");
    table.timestamp("activatedAt");
    table.timestamp("supersededAt");
  });
}

export async function down(knex) {
  await knex.schema.alterTable("kms_root_config", (table) => {
    table.dropColumns("kekLabel", "activatedAt", "supersededAt");
  });
}
