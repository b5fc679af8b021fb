// Where a database is, by the names of its migrations and of this image's. The module's name is upstream's: an image
// that has it starts on a database that is ahead; an older image runs its migrations there, and they fail.
import { readdir } from "node:fs/promises";

import { migrationSettings } from "./db/database.mjs";

const bundledMigrations = async () =>
  (await readdir(migrationSettings.directory)).filter((name) => name.endsWith(".mjs")).sort();

export const appliedMigrations = async (db) => {
  if (!(await db.schema.hasTable(migrationSettings.tableName))) return [];
  return db(migrationSettings.tableName).orderBy("id").pluck("name");
};

const timestamp = (name) => /^\d*/.exec(name)[0];

const directionOf = (unknown, pending, newest) => {
  if (unknown.length === 0) return pending.length > 0 ? "behind" : "current";
  const newer = unknown.every((name) => timestamp(name) > newest);
  return newer && pending.length === 0 ? "ahead" : "invalid";
};

export const bootDirection = async (db) => {
  const [applied, bundled] = await Promise.all([appliedMigrations(db), bundledMigrations()]);
  const unknown = applied.filter((name) => !bundled.includes(name));
  const pending = bundled.filter((name) => !applied.includes(name));
  return { direction: directionOf(unknown, pending, timestamp(bundled.at(-1) ?? "")), unknown, pending };
};
