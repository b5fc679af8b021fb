// Secrets sealed by the root key in PostgreSQL, with their sealed form cached in Redis: both have to work.
import { seal, unseal } from "./keystore.mjs";

const CACHE_SECONDS = 60;
const cacheKey = (name) => `secret:${name}`;

export class Secrets {
  constructor({ db, replicas, redis, rootKey }) {
    Object.assign(this, { db, replicas, cache: redis.client, rootKey });
  }

  async write(name, value) {
    const sealed = seal(this.rootKey, value);
    await this.db("secrets").insert({ name, sealed, updatedAt: this.db.fn.now() }).onConflict("name").merge();
    await this.cache.del(cacheKey(name));
  }

  /** The value, or undefined. */
  async read(name) {
    const sealed = (await this.cache.getBuffer(cacheKey(name))) ?? (await this.#load(name));
    return sealed && unseal(this.rootKey, sealed).toString("utf8");
  }

  async delete(name) {
    const deleted = await this.db("secrets").where({ name }).delete();
    await this.cache.del(cacheKey(name));
    return deleted > 0;
  }

  async #load(name) {
    const row = await this.#reader()("secrets").where({ name }).first("sealed");
    if (row) await this.cache.set(cacheKey(name), row.sealed, "EX", CACHE_SECONDS);
    return row?.sealed;
  }

  // As upstream: any replica, at random, and nobody looks at how far it lags.
  #reader() {
    return this.replicas[Math.floor(Math.random() * this.replicas.length)] ?? this.db;
  }
}
