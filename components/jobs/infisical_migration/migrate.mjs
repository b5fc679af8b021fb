// Brings the database to the release of the image in which it runs, by the image's own files, drivers and command.
//
// Before `npm run migration:latest` it looks where the database is: the names in infisical_migrations against the
// image's files. A database that is ahead needs no migration, and the audit log's own, where it has one, is judged by
// itself. A lock that a killed migration has left is freed once
// nobody can be migrating: for CONFIG.quiet_seconds no look has found a sign of it (see SIGNS).
import { spawn } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const CONFIG = JSON.parse(process.env.CONFIG);
const MIGRATIONS = ["dist/db/migrations", "src/db/migrations"]; // the first that an image has
// Servers of images with this module compare names before they migrate, and start on a database that is ahead.
const STARTS_WHEN_AHEAD = "dist/auto-start-migrations-fns.mjs";
const OURS = "infisical-migration"; // the name of this Job's sessions, the command's among them
const COMMAND = "npm run migration:latest"; // of both databases; of one where no address of the other is given
const AUDIT_LOGS_COMMAND = "npm run auditlog-migration:latest";
const LOOK_EVERY = 1_000;
const END_WITHIN = 10_000; // of the command, after it was told to end
// Some network plugins learn of a new pod after it has started, and refuse what it opens until then:
// https://github.com/cloudnativelabs/kube-router/issues/1652. The database may fail over as well.
const REACH_WITHIN = 60_000;
const UNREACHED = ["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "EAI_AGAIN"];
const TAIL = 40;

// Who may be migrating, one row each. A server that boots holds the startup lock and renews it every 5 s, as upstream
// has it (backend/src/auto-start-migrations.ts; before November 2025 an advisory lock, held to the end). The command
// has sessions, which PostgreSQL keeps while one of their statements runs, even when the client is gone. Whatever
// changes tables under another name holds locks that nothing else takes in Infisical's schema.
const SIGNS = `
  select format('session %s (%s) from %s', pid, application_name, coalesce(host(client_addr), 'the server')) as sign
  from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()
    and application_name in ('${OURS}', 'infisical-core-migrator')
  union all
  select format('session %s has the lock of a server that boots', pid) from pg_locks
  where locktype = 'advisory' and granted and classid = 0 and objid = 2023
    and database = (select oid from pg_database where datname = current_database())
  union all
  select format('session %s builds an index', pid) from pg_stat_progress_create_index
  where datname = current_database()
  union all
  select format('session %s changes table %s', pid, relation::regclass) from pg_locks
  where locktype = 'relation' and granted and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())
    and mode in ('AccessExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
    and relation in (select oid from pg_class where relnamespace = current_schema()::regnamespace)`;
const STARTUP_SIGN = `
  select format('server %s migrates at its boot', node) as sign from infisical_migrations_startup_lock
  where is_locked = 1 and heartbeat_updated_at > now() - interval '15 s'`;

class Failed extends Error {}

const started = performance.now();
const elapsed = () => Math.round((performance.now() - started) / 1000);
const left = () => CONFIG.deadline_seconds * 1000 - (performance.now() - started);

/** A function that masks the password of every address, and what the environment holds of secrets. */
const masking = () => {
  const telling = /KEY|SECRET|PASSWORD|URI|TOKEN|CERT/;
  const values = Object.entries(process.env)
    .filter(([name, value]) => telling.test(name) && value.length >= 6)
    .flatMap(([, value]) => [value, ...value.split("\n").filter((line) => line.length >= 6)])
    .sort((one, other) => other.length - one.length);
  return (text) =>
    values
      .reduce((masked, value) => masked.replaceAll(value, "***"), text)
      .replace(/(:\/\/[^:/@\s]*:)[^@\s]+@/g, "$1***@");
};
const mask = masking();

const say = (text) => {
  const line = mask(`migration: ${text}`).replace(/\s+/g, " ");
  process.stdout.write(`${line}\n`);
  return line;
};

/** What is seen while something is waited for, whenever it changes. */
const progress = (() => {
  let last = "";
  return (seen) => {
    if (seen !== last) say(`${elapsed()} s: ${seen}`);
    last = seen;
  };
})();

const fail = (cause) => {
  const line = say(`FAILED after ${elapsed()} s: ${cause}`);
  try {
    writeFileSync(process.env.TERMINATION_LOG ?? "/dev/termination-log", line, { flag: "r+" });
  } catch {
    // Outside a pod there is none.
  }
  process.exit(1);
};

// As PID 1 a process without a handler ignores SIGTERM.
let stop = (reason) => fail(reason);
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => stop(`stopped by ${signal}`));

// --- databases -------------------------------------------------------------------------------------------------------

/** The address with a name for its sessions, by which another run of this Job knows them. */
const named = (uri) => {
  const url = new URL(uri);
  url.searchParams.set("application_name", OURS);
  return url.toString();
};

const driver = () => {
  try {
    return createRequire(`${process.cwd()}/`)("pg");
  } catch {
    throw new Failed(`${CONFIG.image} has no PostgreSQL driver in ${process.cwd()}: it is no image of Infisical's server`);
  }
};

/** A client that is connected, and what it has lost its connection by. It can't connect twice, so each try has its own. */
const reached = async (make) => {
  const until = performance.now() + Math.min(REACH_WITHIN, left() / 2);
  for (;;) {
    const client = make();
    let lost;
    client.on("error", (error) => {
      lost = error; // the next query says so, and while the command runs it has connections of its own
    });
    try {
      await client.connect();
      return { client, lost: () => lost };
    } catch (error) {
      const passes = UNREACHED.includes(error.code) || error.message === "timeout expired";
      if (!passes || performance.now() > until) throw error;
      progress(`the database is not reached: ${error.message}`);
    }
    await delay(LOOK_EVERY);
  }
};

const connected = async (uri, rootCert) => {
  const { Client } = driver();
  // As the image's knexfile has it.
  const ssl = rootCert ? { ca: Buffer.from(rootCert, "base64").toString("ascii"), rejectUnauthorized: true } : false;
  const options = { connectionString: uri, ssl, connectionTimeoutMillis: 10_000, keepAlive: true };
  const { client, lost } = await reached(() => new Client(options));
  const rows = async (statement, values) => {
    if (lost()) throw lost();
    return (await client.query(statement, values)).rows;
  };
  return { rows, close: () => client.end().catch(() => {}) };
};

const exists = async (db, table) => (await db.rows("select to_regclass($1) is not null as yes", [table]))[0].yes;

const stem = (name) => name.replace(/\.(mjs|cjs|js|ts)$/, "");

const bundled = () => {
  const folder = MIGRATIONS.find((candidate) => existsSync(candidate));
  if (!folder) {
    const places = MIGRATIONS.join(" and no ");
    throw new Failed(`${CONFIG.image} has no ${places} in ${process.cwd()}: it is no image of Infisical's server`);
  }
  return readdirSync(folder).filter((name) => /\.(mjs|cjs|js|ts)$/.test(name) && !name.endsWith(".d.ts")).map(stem);
};

const applied = async (db) => {
  if (!(await exists(db, "infisical_migrations"))) return [];
  return (await db.rows("select name from infisical_migrations order by id")).map(({ name }) => stem(name));
};

// --- locks -----------------------------------------------------------------------------------------------------------

const isLocked = async (db) =>
  (await exists(db, "infisical_migrations_lock")) &&
  (await db.rows("select 1 from infisical_migrations_lock where is_locked = 1")).length > 0;

const signs = async (db) => {
  const found = await db.rows(SIGNS);
  if (await exists(db, "infisical_migrations_startup_lock")) found.push(...(await db.rows(STARTUP_SIGN)));
  return found.map(({ sign }) => sign);
};

const wait = async (reason) => {
  progress(reason);
  if (left() < LOOK_EVERY) throw new Failed(reason);
  await delay(LOOK_EVERY);
};

/** Holds, as long as this process lives, what only one run of this Job can hold. Not in a transaction: it would be
 *  waited for by CREATE INDEX CONCURRENTLY. */
const takeTurn = async (db) => {
  const turn = "select pg_try_advisory_lock(hashtext($1)) as mine";
  while (!(await db.rows(turn, [OURS]))[0].mine) await wait("another migration Job is at work: waiting for its end");
};

/** Frees the lock of knex that a killed migration has left. Returns once it is free. */
const freeLock = async (db) => {
  let quietSince = performance.now();
  while (await isLocked(db)) {
    const found = await signs(db);
    if (found.length > 0) {
      quietSince = performance.now();
      await wait(`the database is locked for a migration, and somebody may be at it: ${found.join("; ")}`);
    } else if (performance.now() - quietSince < CONFIG.quiet_seconds * 1000) {
      await wait(`the database is locked for a migration, and nobody is seen at it: watching ${CONFIG.quiet_seconds} s`);
    } else {
      await db.rows("update infisical_migrations_lock set is_locked = 0 where is_locked = 1");
      say(`freed the lock of a migration that was killed: for ${CONFIG.quiet_seconds} s nobody was migrating`);
    }
  }
};

// --- where the database is -------------------------------------------------------------------------------------------

const listed = (names) => (names.length > 1 ? `${names[0]} to ${names.at(-1)}` : names[0]);

/** What ends the run before the command, or nothing: the same comparison as upstream's servers make. */
const verdict = (database, theirs, ours) => {
  const unknown = theirs.filter((name) => !ours.includes(name)).sort();
  const pending = ours.filter((name) => !theirs.includes(name)).sort();
  if (unknown.length === 0) return undefined;
  const newest = /^\d*/.exec([...ours].sort().at(-1) ?? "")[0];
  const what = `${database} has ${unknown.length} migrations that ${CONFIG.image} does not know (${listed(unknown)})`;
  if (pending.length > 0 || !unknown.every((name) => /^\d*/.exec(name)[0] > newest)) {
    const lacks = pending.length > 0 ? ` and lacks ${pending.length} of its own (${listed(pending)})` : "";
    throw new Failed(
      `${what}${lacks}: neither can follow the other. Set infisical.image to the release that ran last, or a later ` +
        "one, or restore the dump from before the upgrade",
    );
  }
  if (!existsSync(STARTS_WHEN_AHEAD)) {
    throw new Failed(
      `${what}, and its server does not start on a newer database. Set infisical.image to the release that ran ` +
        "last, or a later one, or restore the dump from before the upgrade",
    );
  }
  return `${what}. Its server starts on a newer database, so there is nothing to migrate`;
};

// --- the command -----------------------------------------------------------------------------------------------------

const NOISE = /^\s*$|^npm |^> |^\s+at |^Using environment|^Node\.js v/;
const TELLING = /error|fail|cannot|denied|refused|invalid|corrupt|locked/i;

const causeIn = (tail) => {
  const lines = tail.filter((line) => !NOISE.test(line));
  const telling = lines.filter((line) => TELLING.test(line));
  return (telling.length > 0 ? telling : lines).slice(-2).join(" | ").slice(-600) || "it printed nothing";
};

/** Runs the command. Raises Failed, with what it said last. */
const migrate = async (command, env) => {
  const [program, ...rest] = command.split(" ");
  const child = spawn(program, rest, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const tail = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      process.stdout.write(`${mask(line)}\n`);
      tail.push(line);
      if (tail.length > TAIL) tail.shift();
    });
  }
  const end = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended.
    }
  };
  let why;
  stop = (reason) => {
    why ??= `${reason}. The next run frees its lock`;
    end("SIGTERM");
    setTimeout(end, END_WITHIN, "SIGKILL").unref();
  };
  const minutes = Math.round(CONFIG.deadline_seconds / 60);
  const late = `not done within infisical.migration.deadlineMinutes, which is ${minutes}`;
  const timer = setTimeout(() => stop(late), Math.max(left(), 0));
  const { code, signal, error } = await new Promise((resolve) => {
    child.on("error", (error) => resolve({ error }));
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
  clearTimeout(timer);
  if (why) throw new Failed(why);
  if (error) throw new Failed(`${program}: ${error.message}`);
  if (signal === "SIGKILL" || code === 137) {
    throw new Failed(
      `${command} was killed: it needs more memory than it may have. Raise infisical.migration.memoryLimit`,
    );
  }
  if (code !== 0) throw new Failed(causeIn(tail));
};

/** Frees the lock of a database. Returns what ends its migration before it begins, or nothing. */
const judged = async ({ name, db }, ours) => {
  await takeTurn(db);
  await freeLock(db);
  return verdict(name, await applied(db), ours);
};

const main = async () => {
  const ours = bundled();
  const env = { ...process.env, DB_CONNECTION_URI: named(process.env.DB_CONNECTION_URI) };
  const databases = [{ name: "the database", db: await connected(env.DB_CONNECTION_URI, env.DB_ROOT_CERT) }];
  if (env.AUDIT_LOGS_DB_CONNECTION_URI) {
    env.AUDIT_LOGS_DB_CONNECTION_URI = named(env.AUDIT_LOGS_DB_CONNECTION_URI);
    const db = await connected(env.AUDIT_LOGS_DB_CONNECTION_URI, env.AUDIT_LOGS_DB_ROOT_CERT);
    databases.push({ name: "the audit log's database", db });
  }
  const ends = [];
  for (const database of databases) ends.push(await judged(database, ours));
  const [ahead, auditLogsAhead] = ends;
  if (auditLogsAhead) delete env.AUDIT_LOGS_DB_CONNECTION_URI;
  if (!ahead) await migrate(COMMAND, env);
  else if (env.AUDIT_LOGS_DB_CONNECTION_URI) await migrate(AUDIT_LOGS_COMMAND, env);
  await Promise.all(databases.map(({ db }) => db.close()));
  const whole = ({ name }) => `${CONFIG.image}: ${name} has all of its ${ours.length} migrations`;
  say(databases.map((database, index) => ends[index] ?? whole(database)).join(". "));
};

main().catch((error) => fail(error instanceof Failed ? error.message : `${error.name}: ${error.message}`));
