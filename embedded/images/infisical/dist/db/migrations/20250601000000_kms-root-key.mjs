// A data migration: it needs ENCRYPTION_KEY, and a key of the wrong length ends the first boot here (issue #5520).
import { orExit, readMigrationEnvironment } from "../../environment.mjs";
import { newSealedRootKey } from "../../keystore.mjs";

export async function up(knex) {
  const encryptedRootKey = newSealedRootKey(orExit(readMigrationEnvironment));
  await knex.schema.createTable("kms_root_config", (table) => {
    table.uuid("id").primary();
    table.binary("encryptedRootKey").notNullable();
  });
  await knex("kms_root_config").insert({ id: "00000000-0000-0000-0000-000000000000", encryptedRootKey });
}

export async function down(knex) {
  await knex.schema.dropTable("kms_root_config");
}
