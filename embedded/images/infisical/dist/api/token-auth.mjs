// Token auth: tokens that are made and revoked one by one; what the first admin identity has.
import { randomUUID } from "node:crypto";

import { AuthMethod, LIFETIMES } from "./auth-method.mjs";
import { notFound } from "./errors.mjs";
import { optional, text } from "./schema.mjs";

export const tokenAuthRoutes = ({ db, tokens, permissions, ...context }) => {
  const naming = { table: "identity_token_auths", title: "Token Auth", name: "token-auth" };
  const method = new AuthMethod({ db, tokens, permissions, ...context, ...naming });

  const attach = async ({ actor, params, body }) => {
    await method.admit(actor, params.identityId, body);
    return { identityTokenAuth: await method.attach(randomUUID(), params.identityId, body) };
  };

  const createToken = async ({ actor, params, body }) => {
    const row = await method.read(actor, params.identityId);
    const { id, accessToken } = await tokens.ofIdentity(db, {
      identityId: row.identityId,
      authMethod: naming.name,
      ttl: row.accessTokenTTL,
      maxTTL: row.accessTokenMaxTTL,
      usesLimit: row.accessTokenNumUsesLimit,
      name: body.name,
    });
    const lifetimes = { expiresIn: row.accessTokenTTL, accessTokenMaxTTL: row.accessTokenMaxTTL };
    return { accessToken, ...lifetimes, tokenType: "Bearer", tokenData: { id, identityId: row.identityId } };
  };

  const revoke = async ({ actor, params }) => {
    const row = await db("identity_access_tokens").where({ id: params.tokenId, authMethod: naming.name }).first();
    if (!row) throw notFound(`Token with ID ${params.tokenId} not found`);
    await permissions.inOrganization(actor, "edit", "identity");
    await permissions.identity(actor, row.identityId);
    await db("identity_access_tokens").where({ id: row.id }).update({ isAccessTokenRevoked: true });
    return { message: "Successfully revoked access token" };
  };

  const base = "/api/v1/auth/token-auth";
  const one = `${base}/identities/:identityId`;
  const write = { auth: true, limit: "write" };
  return [
    { method: "POST", path: one, ...write, body: LIFETIMES, handler: attach },
    {
      method: "DELETE",
      path: one,
      ...write,
      handler: async ({ actor, params }) => ({ identityTokenAuth: await method.detach(actor, params.identityId) }),
    },
    { method: "POST", path: `${one}/tokens`, ...write, body: { name: optional(text()) }, handler: createToken },
    { method: "POST", path: `${base}/tokens/:tokenId/revoke`, ...write, handler: revoke },
  ];
};
