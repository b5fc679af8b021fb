// Who is in a project: people, by name and also before they have an account, and machine identities.
import { randomUUID } from "node:crypto";

import { badRequest, notFound } from "./errors.mjs";
import { authMethodsOf } from "./identities.mjs";
import { flag, list, matching, object, optional, or, text } from "./schema.mjs";

const ROLES = list(object({ role: text(), isTemporary: or(flag(), false) }), { min: 1 });
const LOWERCASE = matching(/^[^A-Z]*$/, "Username must be lowercase");

export const membershipRoutes = ({ db, access, permissions, licensed, release }) => {
  const rows = () => db("project_memberships");

  const columnOf = (projectId, roles) =>
    JSON.stringify(roles.map((role) => ({ id: randomUUID(), ...licensed.ofMembership(projectId, role) })));

  const shownIdentity = async ({ userId, ...membership }) => {
    const identity = await db("identities").where({ id: membership.identityId }).first("id", "name");
    return { ...membership, identity: { ...identity, authMethods: await authMethodsOf(db, identity.id) } };
  };

  const shownUser = async ({ identityId, ...membership }) => {
    const columns = ["id", "email", "username", "firstName", "lastName"];
    return { ...membership, user: await db("users").where({ id: membership.userId }).first(...columns) };
  };

  const addIdentity = async ({ actor, params, body }) => {
    await access.project(actor, params.projectId, "create", "identity");
    await permissions.identity(actor, params.identityId);
    const { projectId, identityId } = params;
    const roles = columnOf(projectId, body.roles ?? [{ role: body.role, isTemporary: false }]);
    if (await rows().where({ projectId, identityId }).first("id")) {
      throw badRequest(`Identity with ID ${identityId} already exists in project with ID ${projectId}`);
    }
    const row = { id: randomUUID(), projectId, identityId, roles };
    const [made] = await rows().insert(row).returning("*");
    return { identityMembership: made };
  };

  const identityMembership = async (actor, { projectId, identityId }, action) => {
    await access.project(actor, projectId, action, "identity");
    const row = await rows().where({ projectId, identityId }).first();
    if (!row) throw notFound(`Project identity with ID ${identityId} not found in project with ID ${projectId}`);
    return row;
  };

  const changeIdentity = async ({ actor, params, body }) => {
    const { id } = await identityMembership(actor, params, "edit");
    const roles = columnOf(params.projectId, body.roles);
    const [changed] = await rows().where({ id }).update({ roles }).returning("*");
    return { roles: changed.roles.map((role) => ({ ...role, projectMembershipId: id })) };
  };

  const removeIdentity = async ({ actor, params }) => {
    const row = await identityMembership(actor, params, "delete");
    await rows().where({ id: row.id }).delete();
    return { identityMembership: row };
  };

  const readIdentity = async ({ actor, params }) => ({
    identityMembership: await shownIdentity(await identityMembership(actor, params, "read")),
  });

  const identities = async ({ actor, params }) => {
    await access.project(actor, params.projectId, "read", "identity");
    const found = await rows().where({ projectId: params.projectId }).whereNotNull("identityId");
    return { identityMemberships: await Promise.all(found.map(shownIdentity)), totalCount: found.length };
  };

  // Upstream's PR 3741 (June 2025): an account that single sign-on has made may have a name that is no address.
  const account = async (trx, username) => {
    const named = await trx("users").whereRaw("lower(username) = ?", [username]).first();
    const addressed = named ? [named] : await trx("users").whereRaw("lower(email) = ?", [username]);
    return addressed.length === 1 ? addressed[0] : undefined;
  };

  // As upstream, whoever is not known yet gets an account that waits for them.
  const person = async (trx, orgId, username) => {
    const known = await account(trx, username);
    const wish = { id: randomUUID(), username, email: username, isAccepted: false };
    const user = known ?? (await trx("users").insert(wish).returning("*"))[0];
    const { defaultMembershipRole } = await trx("organizations").where({ id: orgId }).first();
    const role = release.invitesByDefaultRole ? defaultMembershipRole : "no-access";
    const membership = { id: randomUUID(), orgId, userId: user.id, role };
    await trx("org_memberships").insert(membership).onConflict(["orgId", "userId"]).ignore();
    return user;
  };

  // Upstream has a list of a hundred thousand domains. It says that one is among them, and not whose.
  const refuseDisposable = (usernames) => {
    if (release.disposableRefused && usernames.some((name) => name.endsWith("@mailinator.com"))) {
      throw badRequest("Disposable emails are not allowed");
    }
  };

  const invite = async ({ actor, params, body }) => {
    const { id: projectId, orgId } = await access.project(actor, params.projectId, "create", "member");
    refuseDisposable([...body.emails, ...body.usernames]);
    const roles = columnOf(projectId, (body.roleSlugs ?? ["member"]).map((role) => ({ role, isTemporary: false })));
    const memberships = await db.transaction(async (trx) => {
      const made = [];
      for (const username of [...body.emails, ...body.usernames]) {
        const { id: userId } = await person(trx, orgId, username);
        const row = { id: randomUUID(), projectId, userId, roles };
        made.push(...(await trx("project_memberships").insert(row).onConflict(["projectId", "userId"]).ignore().returning("*")));
      }
      return made;
    });
    return { memberships };
  };

  const people = async ({ actor, params }) => {
    await access.project(actor, params.projectId, "read", "member");
    const found = await rows().where({ projectId: params.projectId }).whereNotNull("userId");
    return { memberships: await Promise.all(found.map(shownUser)) };
  };

  const changePerson = async ({ actor, params, body }) => {
    await access.project(actor, params.projectId, "edit", "member");
    const roles = columnOf(params.projectId, body.roles);
    const which = { id: params.membershipId, projectId: params.projectId };
    const [changed] = await rows().where(which).update({ roles }).returning("*");
    if (!changed) throw notFound("Project membership not found");
    return { roles: changed.roles };
  };

  const removePeople = async ({ actor, params, body }) => {
    await access.project(actor, params.projectId, "delete", "member");
    const who = db("users").whereIn("username", [...body.emails, ...body.usernames]).select("id");
    const gone = await rows().where({ projectId: params.projectId }).whereIn("userId", who).delete().returning("*");
    return { memberships: gone };
  };

  const write = { auth: true, limit: "write" };
  const names = { emails: or(list(LOWERCASE), []), usernames: or(list(LOWERCASE), []) };
  const wish = { role: or(text(), "no-access"), roles: optional(ROLES) };
  const ofIdentities = (base) => [
    { method: "POST", path: `${base}/:identityId`, ...write, body: wish, handler: addIdentity },
    { method: "PATCH", path: `${base}/:identityId`, ...write, body: { roles: ROLES }, handler: changeIdentity },
    { method: "DELETE", path: `${base}/:identityId`, ...write, handler: removeIdentity },
    { method: "GET", path: `${base}/:identityId`, auth: true, handler: readIdentity },
    { method: "GET", path: base, auth: true, handler: identities },
  ];
  const invitations = (base) => [
    {
      method: "POST",
      path: base,
      ...write,
      body: { ...names, roleSlugs: optional(list(text(), { min: 1 })) },
      handler: invite,
    },
    { method: "DELETE", path: base, ...write, body: names, handler: removePeople },
  ];
  const members = (base) => [
    { method: "GET", path: base, auth: true, handler: people },
    { method: "PATCH", path: `${base}/:membershipId`, ...write, body: { roles: ROLES }, handler: changePerson },
  ];
  return [
    ...(release.projectIdentities ? ofIdentities("/api/v1/projects/:projectId/memberships/identities") : []),
    ...(release.projectsV1
      ? [
          ...ofIdentities("/api/v1/projects/:projectId/identity-memberships"),
          ...invitations("/api/v1/projects/:projectId/memberships"),
          ...members("/api/v1/projects/:projectId/memberships"),
        ]
      : []),
    ...ofIdentities("/api/v2/workspace/:projectId/identity-memberships"),
    // As upstream, the older API is divided over two versions.
    ...invitations("/api/v2/workspace/:projectId/memberships"),
    ...members("/api/v1/workspace/:projectId/memberships"),
  ];
};
