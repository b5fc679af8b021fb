// Stands in for Infisical's server image, which no package registry serves. It honours the contract a deployment
// relies on (environment, TLS to PostgreSQL, Redis under Sentinel, migrations, health path), so that a wrong value
// fails here as it fails there. It is no secret manager: never run it outside the embedded cluster.
import { readFileSync } from "node:fs";

import { openDatabase, openReplicas } from "./db/database.mjs";
import { orExit, readEnvironment } from "./environment.mjs";
import { openRootKey } from "./keystore.mjs";
import { causeOf, log } from "./log.mjs";
import { runMigrations } from "./auto-start-migrations.mjs";
import { verifyMail } from "./mail.mjs";
import { openRedis, untilReady } from "./redis.mjs";
import { Server } from "./server.mjs";

const STOP_WITHIN = 5_000;

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

// As PID 1 there is no default action: without a handler a boot that waits for the startup lock could not be stopped.
let stop = () => process.exit(0);
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => stop());

const orRefuse = async (message, work) => {
  try {
    return await work;
  } catch (error) {
    log.error(message, { cause: causeOf(error), stack: error.stack });
    return process.exit(1);
  }
};

const run = async () => {
  const config = orExit(readEnvironment);
  const db = openDatabase(config);
  const replicas = openReplicas(config);
  await orRefuse("Boot up migration failed", runMigrations(db));
  const rootKey = await orRefuse(
    "This database was initialised under another ENCRYPTION_KEY or ROOT_ENCRYPTION_KEY: refusing to start",
    openRootKey(db, config),
  );
  const redis = openRedis(config);
  await orRefuse("Redis could not be used", untilReady(redis));
  await verifyMail(config);
  const server = new Server({ config, version, db, replicas, redis, rootKey });
  const address = await server.listen();
  log.info("Server listening", address);

  stop = async () => {
    stop = () => {};
    log.info("Stopping");
    setTimeout(() => process.exit(1), STOP_WITHIN).unref();
    await server.close();
    redis.client.disconnect();
    await Promise.all([db, ...replicas].map((each) => each.destroy()));
    log.info("Stopped");
    process.exit(0);
  };
};

// node:url keeps the whole address in its error, password included, and Node would print it with the stack.
run().catch((error) => {
  delete error.input;
  throw error;
});
