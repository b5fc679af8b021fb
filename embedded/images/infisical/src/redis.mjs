// Redis with exactly the options Infisical passes (backend/src/lib/config/redis.ts). It passes no `tls`, so
// REDIS_SENTINEL_ENABLE_TLS changes nothing: both hops stay plaintext.
import { Redis } from "ioredis";

import { log } from "./log.mjs";

const modeOf = (config) => {
  if (config.REDIS_URL) return "url";
  return config.REDIS_CLUSTER_HOSTS ? "cluster" : "sentinel";
};

const connect = {
  url: (config) => new Redis(config.REDIS_URL, { maxRetriesPerRequest: null }),
  cluster: (config) =>
    new Redis.Cluster(config.REDIS_CLUSTER_HOSTS, {
      redisOptions: {
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
      sentinelUsername: config.REDIS_SENTINEL_USERNAME,
      sentinelPassword: config.REDIS_SENTINEL_PASSWORD,
      enableTLSForSentinelMode: config.REDIS_SENTINEL_ENABLE_TLS,
      username: config.REDIS_USERNAME,
      password: config.REDIS_PASSWORD,
    }),
};

/** A client and what it last complained of; commands wait for ever while there is no connection, as upstream. */
export const openRedis = (config) => {
  const mode = modeOf(config);
  const redis = { mode, client: connect[mode](config), lastError: undefined };
  redis.client.on("ready", () => {
    redis.lastError = undefined;
    log.info("Redis is ready", { mode });
  });
  redis.client.on("error", (error) => {
    if (!redis.lastError) log.error("Redis connection failed", { mode, cause: error.message });
    redis.lastError = error.message;
  });
  return redis;
};

const policyOf = (info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1];

/** What the connected master says of itself. */
export const observeRedis = async ({ mode, client, lastError }) => {
  const node = mode === "cluster" ? client.nodes("master")[0] : client;
  if (!node) throw new Error(lastError ?? "no master is known yet");
  const [[role], memory] = await Promise.all([node.role(), node.info("memory")]);
  const { remoteAddress, remotePort } = node.stream;
  return { mode, master: `${remoteAddress}:${remotePort}`, role, evictionPolicy: policyOf(memory) };
};
