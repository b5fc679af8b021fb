// What all ways to authenticate an identity have in common: who may attach one, once; what a log-in answers.
import { badRequest, denied, notFound } from "./errors.mjs";
import { integer, list, object, optional, or, text } from "./schema.mjs";

const ANYWHERE = [{ ipAddress: "0.0.0.0/0" }, { ipAddress: "::/0" }];
const MONTH = 2_592_000;
const trustedIps = list(object({ ipAddress: text() }), { min: 1 });

export const LIFETIMES = {
  accessTokenTTL: or(integer(), MONTH),
  accessTokenMaxTTL: or(integer(), MONTH),
  accessTokenNumUsesLimit: or(integer(), 0),
  accessTokenTrustedIps: or(trustedIps, ANYWHERE),
};
export const CHANGED_LIFETIMES = {
  accessTokenTTL: optional(integer()),
  accessTokenMaxTTL: optional(integer()),
  accessTokenNumUsesLimit: optional(integer()),
  accessTokenTrustedIps: optional(trustedIps),
};

/** The columns of what a body says: lists are stored as JSON. */
export const columns = (body) =>
  Object.fromEntries(
    Object.entries(body).map(([key, value]) => [key, Array.isArray(value) ? JSON.stringify(value) : value]),
  );

const numbers = (row) =>
  Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key, /^accessToken(TTL|MaxTTL|Num)/.test(key) ? Number(value) : value]),
  );

export class AuthMethod {
  constructor({ db, config, permissions, tokens, table, title, name }) {
    Object.assign(this, { db, config, permissions, tokens, table, title, name });
  }

  async #authorise(actor, identityId) {
    await this.permissions.inOrganization(actor, "edit-auth", "identity");
    const identity = await this.permissions.identity(actor, identityId);
    const isAdmins = await this.permissions.isSuperAdmin({ kind: "identity", id: identity.id });
    // Also in older releases: what instance admins authenticate with is theirs alone.
    if (isAdmins && !(await this.permissions.isSuperAdmin(actor))) throw denied("edit-auth", "identity");
  }

  #checkTrustedIps({ accessTokenTrustedIps = ANYWHERE }) {
    const restricted = accessTokenTrustedIps.some(({ ipAddress }) => !ANYWHERE.some((any) => any.ipAddress === ipAddress));
    if (restricted && !this.config.LICENSE_KEY) {
      throw badRequest(
        "Failed to add IP access range to access token due to plan restriction. Upgrade plan to add IP access range.",
      );
    }
  }

  #checkLifetimes({ accessTokenTTL = 0, accessTokenMaxTTL = 0 }) {
    if (accessTokenMaxTTL > 0 && accessTokenTTL > accessTokenMaxTTL) {
      throw badRequest("Access token TTL cannot be greater than max TTL");
    }
  }

  /** The row, or undefined. */
  find(identityId) {
    return this.db(this.table).where({ identityId }).first();
  }

  async read(actor, identityId) {
    await this.permissions.inOrganization(actor, "read", "identity");
    await this.permissions.identity(actor, identityId);
    const row = await this.find(identityId);
    if (!row) throw badRequest(`The identity does not have ${this.title} attached`);
    return numbers(row);
  }

  /** Before anything is stored: raises when the actor may not, the plan does not, or one is there already. */
  async admit(actor, identityId, body) {
    await this.#authorise(actor, identityId);
    if (await this.find(identityId)) throw badRequest(`Failed to add ${this.title} to already configured identity`);
    this.#checkTrustedIps(body);
    this.#checkLifetimes(body);
  }

  async attach(id, identityId, body) {
    const [row] = await this.db(this.table).insert({ id, identityId, ...columns(body) }).returning("*");
    return numbers(row);
  }

  async change(actor, identityId, body) {
    await this.#authorise(actor, identityId);
    const row = await this.read(actor, identityId);
    this.#checkTrustedIps(body);
    // As upstream: what a body leaves out counts as the longest lifetime of before, for either of the two.
    const longest = row.accessTokenMaxTTL;
    const { accessTokenTTL = longest, accessTokenMaxTTL = longest } = body;
    this.#checkLifetimes({ accessTokenTTL, accessTokenMaxTTL });
    const changes = { ...columns(body), updatedAt: this.db.fn.now() };
    const [changed] = await this.db(this.table).where({ identityId }).update(changes).returning("*");
    return numbers(changed);
  }

  /** Detaches it; tokens that it gave end. */
  async detach(actor, identityId) {
    await this.#authorise(actor, identityId);
    const row = await this.read(actor, identityId);
    await this.db(this.table).where({ identityId }).delete();
    await this.db("identity_access_tokens").where({ identityId, authMethod: this.name }).delete();
    return row;
  }

  /** What a log-in answers. */
  async session(row, clientSecretId) {
    const identity = await this.db("identities").where({ id: row.identityId }).first("id");
    if (!identity) throw notFound("Identity not found");
    const lifetimes = numbers(row);
    const { accessToken } = await this.tokens.ofIdentity(this.db, {
      identityId: row.identityId,
      authMethod: this.name,
      ttl: lifetimes.accessTokenTTL,
      maxTTL: lifetimes.accessTokenMaxTTL,
      usesLimit: lifetimes.accessTokenNumUsesLimit,
      clientSecretId,
    });
    return {
      accessToken,
      tokenType: "Bearer",
      expiresIn: lifetimes.accessTokenTTL,
      accessTokenMaxTTL: lifetimes.accessTokenMaxTTL,
    };
  }
}
