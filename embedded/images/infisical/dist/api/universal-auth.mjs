// Universal auth: a client id, and secrets that are shown once.
import { randomBytes, randomUUID } from "node:crypto";

import { AuthMethod, CHANGED_LIFETIMES, LIFETIMES } from "./auth-method.mjs";
import { notFound, unauthorized } from "./errors.mjs";
import { hash, matches } from "./passwords.mjs";
import { integer, list, object, or, text } from "./schema.mjs";

const SECRET = { description: or(text(), ""), ttl: or(integer(), 0), numUsesLimit: or(integer(), 0) };
const IPS = or(list(object({ ipAddress: text() })), [{ ipAddress: "0.0.0.0/0" }, { ipAddress: "::/0" }]);

const shown = ({ clientSecretHash, ...data }) => data;

const expired = (row) =>
  Number(row.clientSecretTTL) > 0 && Date.now() > row.createdAt.getTime() + Number(row.clientSecretTTL) * 1000;

const used = (row) =>
  Number(row.clientSecretNumUsesLimit) > 0 && Number(row.clientSecretNumUses) >= Number(row.clientSecretNumUsesLimit);

export const universalAuthRoutes = ({ db, ...context }) => {
  const naming = { table: "identity_universal_auths", title: "Universal Auth", name: "universal-auth" };
  const method = new AuthMethod({ db, ...context, ...naming });
  const secrets = () => db("identity_ua_client_secrets");

  const attach = async ({ actor, params, body }) => {
    await method.admit(actor, params.identityId, body);
    const row = await method.attach(randomUUID(), params.identityId, { clientId: randomUUID(), ...body });
    return { identityUniversalAuth: row };
  };

  const createSecret = async ({ actor, params, body }) => {
    const { id } = await method.read(actor, params.identityId);
    const clientSecret = randomBytes(32).toString("hex");
    const limits = { clientSecretTTL: body.ttl, clientSecretNumUsesLimit: body.numUsesLimit };
    const hashed = { clientSecretHash: await hash(clientSecret), clientSecretPrefix: clientSecret.slice(0, 4) };
    const row = { id: randomUUID(), identityUAId: id, description: body.description, ...limits, ...hashed };
    const [made] = await secrets().insert(row).returning("*");
    return { clientSecret, clientSecretData: shown(made) };
  };

  const listSecrets = async ({ actor, params }) => {
    const { id } = await method.read(actor, params.identityId);
    const rows = await secrets().where({ identityUAId: id, isClientSecretRevoked: false });
    return { clientSecretData: rows.map(shown) };
  };

  const revokeSecret = async ({ actor, params }) => {
    const { id } = await method.read(actor, params.identityId);
    const which = { id: params.clientSecretId, identityUAId: id };
    const [row] = await secrets().where(which).update({ isClientSecretRevoked: true }).returning("*");
    if (!row) throw notFound(`Client secret with ID '${params.clientSecretId}' not found`);
    return { clientSecretData: shown(row) };
  };

  const secretOf = async (row, clientSecret) => {
    const prefix = { identityUAId: row.id, isClientSecretRevoked: false, clientSecretPrefix: clientSecret.slice(0, 4) };
    for (const each of await secrets().where(prefix)) {
      if (await matches(clientSecret, each.clientSecretHash)) return each;
    }
    throw unauthorized("Invalid credentials");
  };

  const login = async ({ body }) => {
    const known = /^[0-9a-f-]{36}$/.test(body.clientId);
    const row = known && (await db(naming.table).where({ clientId: body.clientId }).first());
    // The instance's row is asked too: without a database there is no log-in, whatever the client id.
    if (!row) await db("super_admin").first("initialized");
    if (!row) throw unauthorized("Invalid credentials");
    const secret = await secretOf(row, body.clientSecret);
    if (expired(secret)) throw unauthorized("Access denied due to expired client secret");
    if (used(secret)) throw unauthorized("Access denied due to client secret usage limit reached");
    await secrets().where({ id: secret.id }).increment("clientSecretNumUses", 1);
    return method.session(row, secret.id);
  };

  const base = "/api/v1/auth/universal-auth";
  const one = `${base}/identities/:identityId`;
  const write = { auth: true, limit: "write" };
  const credentials = { clientId: text({ min: 1 }), clientSecret: text({ min: 1 }) };
  const shownAuth = (work) => async (request) => ({ identityUniversalAuth: await work(request) });
  const ips = { clientSecretTrustedIps: IPS };
  return [
    { method: "POST", path: `${base}/login`, limit: "write", body: credentials, handler: login },
    { method: "POST", path: one, ...write, body: { ...LIFETIMES, ...ips }, handler: attach },
    {
      method: "PATCH",
      path: one,
      ...write,
      body: CHANGED_LIFETIMES,
      handler: shownAuth(({ actor, params, body }) => method.change(actor, params.identityId, body)),
    },
    {
      method: "GET",
      path: one,
      auth: true,
      handler: shownAuth(({ actor, params }) => method.read(actor, params.identityId)),
    },
    {
      method: "DELETE",
      path: one,
      ...write,
      handler: shownAuth(({ actor, params }) => method.detach(actor, params.identityId)),
    },
    { method: "POST", path: `${one}/client-secrets`, ...write, body: SECRET, handler: createSecret },
    { method: "GET", path: `${one}/client-secrets`, auth: true, handler: listSecrets },
    {
      method: "POST",
      path: `${one}/client-secrets/:clientSecretId/revoke`,
      ...write,
      handler: revokeSecret,
    },
  ];
};
