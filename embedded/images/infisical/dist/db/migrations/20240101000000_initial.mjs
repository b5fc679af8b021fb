// Tables of the stand-in: the instance's one row and the sealed secrets.

export async function up(knex) {
  await knex.schema.createTable("super_admin", (table) => {
    table.uuid("id").primary();
    table.boolean("initialized").notNullable().defaultTo(false);
    table.string("email");
    table.string("organization");
  });
  await knex("super_admin").insert({ id: "00000000-0000-0000-0000-000000000000" });
  await knex.schema.createTable("secrets", (table) => {
    table.string("name").primary();
    table.binary("sealed").notNullable();
    table.timestamp("updatedAt").notNullable().defaultTo(knex.fn.now());
  });
}

export async function down(knex) {
  await knex.schema.dropTable("secrets");
  await knex.schema.dropTable("super_admin");
}
