// Limits a minute and an address, as releases of 2024 have them; later ones limit in upstream's cloud only.
// STAND_IN_RATE_LIMITS=read=60,write=200,secrets=60 sets them for any release, STAND_IN_RATE_WINDOW their seconds.
import { tooManyRequests } from "./errors.mjs";

const OF_2024 = "read=60,write=200,secrets=60,auth=60";

export class Limits {
  constructor({ redis, release }, env = process.env) {
    const limits = env.STAND_IN_RATE_LIMITS ?? (release.rateLimits ? OF_2024 : "");
    this.limits = Object.fromEntries(limits.split(",").map((each) => each.split("=")));
    this.window = Number(env.STAND_IN_RATE_WINDOW ?? 60);
    this.cache = redis.client;
  }

  /** Counts a request. Raises 429, with the seconds to wait, for one too many. */
  async count(kind, address) {
    const limit = Number(this.limits[kind]);
    if (!limit) return;
    const key = `rate:${kind}:${address}`;
    const requests = await this.cache.incr(key);
    if (requests === 1) await this.cache.expire(key, this.window);
    if (requests > limit) throw tooManyRequests(Math.max(1, await this.cache.ttl(key)));
  }
}
