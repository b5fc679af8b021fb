// Migrations at boot, with the locks of upstream (backend/src/auto-start-migrations.ts): a transaction-scoped advisory
// lock for the very first boot, then a row with a heartbeat, because CREATE INDEX CONCURRENTLY would deadlock with a
// transaction held open as a lock.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

import { appliedMigrations, bootDirection } from "./auto-start-migrations-fns.mjs";
import { migrationSettings } from "./db/database.mjs";
import { causeOf, log } from "./log.mjs";

const LOCK_TABLE = `${migrationSettings.tableName}_lock`;
const STARTUP_LOCK_TABLE = `${migrationSettings.tableName}_startup_lock`;
const BOOT_MIGRATION_LOCK = 2023;
const HEARTBEAT = 5_000;
const STALE_AFTER = 3 * HEARTBEAT;
const RETRY_AFTER = 2_000;
const GIVE_UP_AFTER = 5 * 60_000;

/** "current", "behind", or "ahead" (a newer release ran here; older code may go on). Raises on a mixed history. */
const bootState = async (db) => {
  const { direction, unknown, pending } = await bootDirection(db);
  if (direction === "invalid") {
    throw new Error(
      `Invalid migration history detected. Unknown applied migrations: ${unknown.join(", ")}. ` +
        `Pending bundled migrations: ${pending.join(", ") || "none"}.`,
    );
  }
  if (direction === "ahead") {
    log.warn("Database has migrations newer than this image. Skipping startup migrations.", { unknown });
  }
  return direction;
};

const ensureStartupLock = async (db) => {
  if (!(await db.schema.hasTable(STARTUP_LOCK_TABLE))) {
    await db.schema.createTable(STARTUP_LOCK_TABLE, (table) => {
      table.increments("index").primary();
      table.integer("is_locked");
      table.string("session_id");
      table.string("node");
      table.timestamp("heartbeat_updated_at");
    });
  }
  if (!(await db(STARTUP_LOCK_TABLE).first())) await db(STARTUP_LOCK_TABLE).insert({ is_locked: 0 });
};

const isInitialised = async (db) => {
  for (const table of [LOCK_TABLE, STARTUP_LOCK_TABLE]) {
    if (!(await db.schema.hasTable(table)) || !(await db(table).first())) return false;
  }
  return true;
};

const initialise = async (db) => {
  if (await isInitialised(db)) return;
  await db.transaction(async (trx) => {
    await trx.raw("select pg_advisory_xact_lock(?)", [BOOT_MIGRATION_LOCK]);
    if (await isInitialised(trx)) return;
    await trx.migrate.currentVersion(migrationSettings); // creates knex's own two tables
    await ensureStartupLock(trx);
    log.info("Migration tables initialized");
  });
};

const takeStartupLock = (db, holder) =>
  db(STARTUP_LOCK_TABLE)
    .where({ is_locked: 0 })
    .orWhereNull("heartbeat_updated_at")
    .orWhere("heartbeat_updated_at", "<", db.raw("now() - ? * interval '1 millisecond'", [STALE_AFTER]))
    .update({ ...holder, is_locked: 1, heartbeat_updated_at: db.fn.now() });

const waitForStartupLock = async (db, holder) => {
  const deadline = Date.now() + GIVE_UP_AFTER;
  while ((await takeStartupLock(db, holder)) === 0) {
    if (Date.now() > deadline) {
      throw new Error(`Failed to acquire startup lock within ${GIVE_UP_AFTER}ms timeout.`);
    }
    await delay(RETRY_AFTER * (0.75 + Math.random() / 2));
  }
  log.info("Startup lock acquired", { node: holder.node });
};

const withStartupLock = async (db, work) => {
  const holder = { session_id: randomUUID(), node: `${hostname()}-${process.pid}` };
  await waitForStartupLock(db, holder);
  const heartbeat = setInterval(() => {
    db(STARTUP_LOCK_TABLE)
      .where(holder)
      .update({ heartbeat_updated_at: db.fn.now() })
      .catch((error) => log.error("Failed to update heartbeat", { cause: causeOf(error) }));
  }, HEARTBEAT);
  try {
    await work();
  } finally {
    clearInterval(heartbeat);
    await db(STARTUP_LOCK_TABLE)
      .where(holder)
      .update({ is_locked: 0, session_id: null, node: null, heartbeat_updated_at: null });
    log.info("Startup lock released", { node: holder.node });
  }
};

/** Brings the database to this release. Raises what the failing migration raised. */
export const runMigrations = async (db) => {
  if ((await bootState(db)) !== "behind") {
    log.info("No migrations pending: Skipping migration process.");
    return;
  }
  await initialise(db);
  await withStartupLock(db, async () => {
    if ((await bootState(db)) !== "behind") {
      log.info("No migrations pending: Applied by previous instance.");
      return;
    }
    const [, names] = await db.migrate.latest(migrationSettings);
    log.info("Finished application migrations.", { applied: names });
  });
};

export const migrationStatus = async (db) => {
  const names = await appliedMigrations(db);
  return { applied: names.length, latest: names.at(-1) };
};
