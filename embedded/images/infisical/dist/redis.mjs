// Redis with exactly the options Infisical passes (backend/src/lib/config/redis.ts). It passes no `tls`, so
// REDIS_SENTINEL_ENABLE_TLS changes nothing: both hops stay plaintext.
import { Redis } from "ioredis";

import { log } from "./log.mjs";

const START_WITHIN = Number(process.env.STAND_IN_START_WITHIN_MS ?? 60_000); // the variable is the stand-in's own

// A fail-over leaves connections to what is a replica now: the client connects anew and sends the command again.
const reconnectOnError = ({ message }) => (message.startsWith("READONLY") ? 2 : false);

const modeOf = (config) => {
  if (config.REDIS_URL) return "url";
  return config.REDIS_CLUSTER_HOSTS ? "cluster" : "sentinel";
};

const connect = {
  url: (config) => new Redis(config.REDIS_URL, { maxRetriesPerRequest: null, reconnectOnError }),
  cluster: (config) =>
    new Redis.Cluster(config.REDIS_CLUSTER_HOSTS, {
      retryDelayOnClusterDown: 300,
      redisOptions: {
        reconnectOnError,
        username: config.REDIS_USERNAME,
        password: config.REDIS_PASSWORD,
        tls: config.REDIS_CLUSTER_ENABLE_TLS ? {} : undefined,
      },
    }),
  sentinel: (config) =>
    new Redis({
      sentinels: config.REDIS_SENTINEL_HOSTS,
      name: config.REDIS_SENTINEL_MASTER_NAME,
      maxRetriesPerRequest: null,
      reconnectOnError,
      sentinelUsername: config.REDIS_SENTINEL_USERNAME,
      sentinelPassword: config.REDIS_SENTINEL_PASSWORD,
      enableTLSForSentinelMode: config.REDIS_SENTINEL_ENABLE_TLS,
      username: config.REDIS_USERNAME,
      password: config.REDIS_PASSWORD,
    }),
};

/** A client and what is wrong with it; commands wait for ever while there is no connection, as upstream. */
export const openRedis = (config) => {
  const mode = modeOf(config);
  const redis = { mode, client: connect[mode](config), lastError: undefined };
  let newAttempt = true;
  redis.client.on("connecting", () => {
    newAttempt = true;
  });
  redis.client.on("ready", () => {
    redis.lastError = undefined;
    log.info("Redis is ready", { mode });
  });
  redis.client.on("error", (error) => {
    const { message, command } = error;
    // As upstream, with all that the client knows: a wrong password stands in the log in plain text.
    if (!redis.lastError) log.error("Redis connection failed", { mode, err: { message }, command });
    // The first error of an attempt is the cause: a wrong password is WRONGPASS, and then NOAUTH.
    if (newAttempt) redis.lastError = message;
    newAttempt = false;
  });
  return redis;
};

const refused = ({ message }) => /^(WRONGPASS|NOAUTH|ERR AUTH)/.test(message);

/** Returns once Redis answers. Raises at once when it refuses the password, and after a while when nobody answers. */
export const untilReady = ({ client }) =>
  new Promise((resolve, reject) => {
    if (client.status === "ready") resolve();
    const late = setTimeout(
      () => reject(new Error("Plugin did not start in time: 'redis'. You may have forgotten to call 'done'")),
      START_WITHIN,
    );
    client.once("ready", () => {
      clearTimeout(late);
      resolve();
    });
    client.on("error", (error) => refused(error) && reject(error));
  });

const policyOf = (info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1];

/** What the connected master says of itself; waits while there is no connection. */
export const observeRedis = async ({ mode, client }) => {
  const node = mode === "cluster" ? client.nodes("master")[0] : client;
  const [[role], memory] = await Promise.all([node.role(), node.info("memory")]);
  const { remoteAddress, remotePort } = node.stream;
  return { mode, master: `${remoteAddress}:${remotePort}`, role, evictionPolicy: policyOf(memory) };
};
