// The instance's one row, as anybody reads it: from Redis for up to a minute, so an answer may be that old.
const CACHE_KEY = "infisical-admin-cfg";
const CACHE_SECONDS = 60;

export class AdminConfig {
  constructor({ db, redis }) {
    Object.assign(this, { db, cache: redis.client });
  }

  /** As upstream, a server that starts forgets what was cached. */
  forget() {
    return this.cache.del(CACHE_KEY);
  }

  /** The row itself; what bootstrap asks. */
  row(db = this.db) {
    return db("super_admin").first();
  }

  async read() {
    const cached = await this.cache.get(CACHE_KEY);
    if (cached) return JSON.parse(cached);
    const row = await this.row();
    await this.cache.set(CACHE_KEY, JSON.stringify(row), "EX", CACHE_SECONDS);
    return row;
  }

  async write(changes) {
    const [row] = await this.db("super_admin").update(changes).returning("*");
    await this.cache.set(CACHE_KEY, JSON.stringify(row), "EX", CACHE_SECONDS);
    return row;
  }
}
