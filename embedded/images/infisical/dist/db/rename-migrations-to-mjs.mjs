// Before the migration command, as upstream: images until 2025 recorded their migrations as NAME.ts.
import knex from "knex";

import { migrationSettings } from "./database.mjs";
import settings from "./knexfile.mjs";

const db = knex(settings);
if (await db.schema.hasTable(migrationSettings.tableName)) {
  await db(migrationSettings.tableName).update({ name: db.raw("replace(name, '.ts', '.mjs')") });
}
await db.destroy();
