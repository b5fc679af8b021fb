// Access tokens as upstream's: JWTs signed with AUTH_SECRET (a changed secret ends them all), whose row can be revoked.
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";

import { tokenError, unauthorized } from "./errors.mjs";

const USER_TOKEN_SECONDS = 10 * 24 * 3600;
const MALFORMED =
  "The provided access token is malformed. Please use a valid token or generate a new one and try again.";

const encoded = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");

const signature = (secret, signed) => createHmac("sha256", secret).update(signed).digest();

const now = () => Math.floor(Date.now() / 1000);

export class Tokens {
  constructor({ db, config }) {
    Object.assign(this, { db, secret: config.AUTH_SECRET });
  }

  #sign(claims, ttl) {
    const issued = { ...claims, iat: now(), ...(ttl > 0 ? { exp: now() + ttl } : {}) };
    const signed = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(issued)}`;
    return `${signed}.${signature(this.secret, signed).toString("base64url")}`;
  }

  /** The claims. Raises 403 TokenError with upstream's sentences. */
  verify(token) {
    const parts = token.split(".");
    if (parts.length !== 3) throw tokenError(MALFORMED);
    const given = Buffer.from(parts[2], "base64url");
    const expected = signature(this.secret, parts.slice(0, 2).join("."));
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw tokenError("invalid signature");
    const claims = JSON.parse(Buffer.from(parts[1], "base64url").toString());
    if (claims.exp !== undefined && claims.exp <= now()) {
      throw tokenError("Your token has expired. Please re-authenticate.");
    }
    return claims;
  }

  /** A token of a person, in an organisation once one was selected. */
  ofUser(userId, organizationId) {
    return this.#sign({ authTokenType: "accessToken", userId, organizationId }, USER_TOKEN_SECONDS);
  }

  /** A token of a machine identity; `ttl` 0 never expires. */
  async ofIdentity(db, { identityId, authMethod, ttl = 0, maxTTL = 0, usesLimit = 0, name = null, clientSecretId }) {
    const id = randomUUID();
    const uses = { accessTokenTTL: ttl, accessTokenMaxTTL: maxTTL, accessTokenNumUsesLimit: usesLimit };
    await db("identity_access_tokens").insert({ id, identityId, authMethod, name, ...uses });
    const claims = { identityId, identityAccessTokenId: id, clientSecretId, authTokenType: "identityAccessToken" };
    return { id, accessToken: this.#sign(claims, ttl) };
  }

  /** Who shows this token: `{kind, id, orgId, tokenId}`. Raises for one that is malformed, expired or revoked. */
  async actor(token) {
    if (!token) throw unauthorized("Token missing");
    const claims = this.verify(token);
    if (claims.authTokenType === "accessToken") {
      return { kind: "user", id: claims.userId, orgId: claims.organizationId };
    }
    const row = await this.db("identity_access_tokens as token")
      .join("identities", "identities.id", "token.identityId")
      .where({ "token.id": claims.identityAccessTokenId, isAccessTokenRevoked: false })
      .first("identities.orgId", "accessTokenNumUses", "accessTokenNumUsesLimit");
    if (!row) throw unauthorized();
    if (row.accessTokenNumUsesLimit > 0 && row.accessTokenNumUses >= row.accessTokenNumUsesLimit) throw unauthorized();
    await this.db("identity_access_tokens")
      .where({ id: claims.identityAccessTokenId })
      .increment("accessTokenNumUses", 1);
    return { kind: "identity", id: claims.identityId, orgId: row.orgId, tokenId: claims.identityAccessTokenId };
  }
}
