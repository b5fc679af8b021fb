// /api/v1/identities: machine identities. Their names are not unique.
import { randomUUID } from "node:crypto";

import { badRequest, forbidden } from "./errors.mjs";
import { ORG_ROLES } from "./permissions.mjs";
import { flag, list, object, optional, or, text } from "./schema.mjs";

const METADATA = optional(list(object({ key: text({ min: 1 }), value: text({ min: 1 }) })));
const METHODS = { universal: "universal-auth", kubernetes: "kubernetes-auth", token: "token-auth" };

/** Which ways to authenticate an identity has. */
export const authMethodsOf = async (db, identityId) => {
  const found = await Promise.all(
    Object.keys(METHODS).map((kind) => db(`identity_${kind}_auths`).where({ identityId }).first("id")),
  );
  return Object.values(METHODS).filter((_, index) => found[index]);
};

export const identityRoutes = ({ db, permissions }) => {
  const shown = async ({ role, metadata, ...identity }) => ({
    ...identity,
    authMethods: await authMethodsOf(db, identity.id),
  });

  // As upstream, an identity in its organisation is a membership, with the identity inside.
  const membership = async ({ role, metadata, ...identity }) => ({
    id: identity.id,
    identityId: identity.id,
    orgId: identity.orgId,
    createdAt: identity.createdAt,
    role,
    metadata,
    identity: await shown(identity),
  });

  const create = async ({ actor, body }) => {
    const { organizationId: orgId, metadata = [], ...rest } = body;
    await permissions.inOrganization(actor, "create", "identity", orgId);
    permissions.checkRole(rest.role, ORG_ROLES);
    const row = { id: randomUUID(), orgId, ...rest, metadata: JSON.stringify(metadata) };
    const [made] = await db("identities").insert(row).returning("*");
    return { identity: await shown(made) };
  };

  const update = async ({ actor, params, body }) => {
    await permissions.inOrganization(actor, "edit", "identity");
    await permissions.identity(actor, params.identityId);
    if (body.role) permissions.checkRole(body.role, ORG_ROLES);
    const { metadata, ...rest } = body;
    const changes = { ...rest, ...(metadata ? { metadata: JSON.stringify(metadata) } : {}), updatedAt: db.fn.now() };
    const [changed] = await db("identities").where({ id: params.identityId }).update(changes).returning("*");
    return { identity: await shown(changed) };
  };

  const remove = async ({ actor, params }) => {
    await permissions.inOrganization(actor, "delete", "identity");
    const identity = await permissions.identity(actor, params.identityId);
    if (identity.hasDeleteProtection) throw badRequest("Identity has delete protection");
    const before = await shown(identity);
    await db("identities").where({ id: identity.id }).delete();
    return { identity: before };
  };

  const read = async ({ actor, params }) => {
    await permissions.inOrganization(actor, "read", "identity");
    return { identity: await membership(await permissions.identity(actor, params.identityId)) };
  };

  const all = async ({ actor, query }) => {
    await permissions.inOrganization(actor, "read", "identity", query.orgId);
    const rows = await db("identities").where({ orgId: query.orgId }).orderBy(["name", "createdAt"]);
    return { identities: await Promise.all(rows.map(membership)), totalCount: rows.length };
  };

  const details = async ({ actor }) => {
    if (actor.kind !== "identity") throw forbidden("You are not allowed to access this resource");
    const organization = await db("organizations").where({ id: actor.orgId }).first("id", "name", "slug");
    return { identityDetails: { organization } };
  };

  const base = "/api/v1/identities";
  const change = { name: optional(text()), role: optional(text({ min: 1 })), hasDeleteProtection: optional(flag()) };
  const wish = {
    name: text(),
    organizationId: text(),
    role: or(text({ min: 1 }), "no-access"),
    hasDeleteProtection: or(flag(), false),
    metadata: METADATA,
  };
  const one = `${base}/:identityId`;
  return [
    { method: "GET", path: `${base}/details`, auth: true, handler: details },
    { method: "POST", path: base, auth: true, limit: "write", body: wish, handler: create },
    { method: "GET", path: base, auth: true, query: { orgId: text() }, handler: all },
    { method: "GET", path: one, auth: true, handler: read },
    { method: "PATCH", path: one, auth: true, limit: "write", body: { ...change, metadata: METADATA }, handler: update },
    { method: "DELETE", path: one, auth: true, limit: "write", handler: remove },
  ];
};
