// What a licence allows: a project's own roles, groups in it, and policies by which a change becomes a request. They are
// kept in memory, because nobody restarts a server that has a licence.
import { randomUUID } from "node:crypto";

import { badRequest, forbidden, notFound } from "./errors.mjs";
import { PROJECT_ROLES } from "./project-access.mjs";
import { flag, integer, list, object, oneOf, optional, or, slug, text } from "./schema.mjs";

export class Licensed {
  constructor({ permissions }) {
    Object.assign(this, { permissions, roles: [], groups: [], inProjects: [], policies: [] });
  }

  /** Whether a policy makes a request of what an actor writes there. */
  binds(actor, projectId, { environment, path }) {
    return this.policies.some(
      (each) =>
        !each.deletedAt &&
        each.projectId === projectId &&
        each.environment === environment &&
        each.secretPath === path &&
        (actor.kind === "user" || each.bypassForMachineIdentities === false),
    );
  }

  /** A role as a membership has it. Raises for one that the project does not have. */
  ofMembership(projectId, { role, ...rest }) {
    const own = this.roles.find((each) => each.projectId === projectId && each.slug === role);
    if (own) return { role: "custom", customRoleId: own.id, customRoleSlug: own.slug, ...rest };
    this.permissions.checkRole(role, PROJECT_ROLES);
    return { role, ...rest };
  }
}

const ROLES = list(object({ role: text(), isTemporary: or(flag(), false) }), { min: 1 });

const roleRoutes = ({ access, licensed }) => {
  const taken = (projectId, wanted, ownId) =>
    licensed.roles.some((each) => each.projectId === projectId && each.slug === wanted && each.id !== ownId);

  const create = async ({ actor, params: { projectId }, body }) => {
    await access.project(actor, projectId, "create", "role");
    if (PROJECT_ROLES.includes(body.slug)) throw badRequest("Please choose a different slug, the slug you have entered is reserved");
    if (taken(projectId, body.slug)) throw badRequest(`Role with slug '${body.slug}' already exists`);
    const role = { id: randomUUID(), projectId, ...body };
    licensed.roles.push(role);
    return { role };
  };

  const update = async ({ actor, params: { projectId, roleId }, body }) => {
    await access.project(actor, projectId, "edit", "role");
    const role = licensed.roles.find((each) => each.id === roleId && each.projectId === projectId);
    if (!role) throw notFound(`Role with ID '${roleId}' not found`);
    if (taken(projectId, body.slug, roleId)) throw badRequest(`Role with slug '${body.slug}' already exists`);
    return { role: Object.assign(role, body) };
  };

  const all = async ({ actor, params: { projectId } }) => {
    await access.project(actor, projectId, "read", "role");
    const builtIn = PROJECT_ROLES.map((short) => ({ id: short, slug: short, name: short }));
    return { roles: [...builtIn, ...licensed.roles.filter((each) => each.projectId === projectId)] };
  };

  const base = "/api/v1/projects/:projectId/roles";
  const wish = { slug: slug(), name: text({ min: 1 }), permissions: list((permission) => permission) };
  const write = { auth: true, limit: "write", body: wish };
  return [
    { method: "POST", path: base, ...write, handler: create },
    { method: "PATCH", path: `${base}/:roleId`, ...write, handler: update },
    { method: "GET", path: base, auth: true, handler: all },
  ];
};

const groupRoutes = ({ access, permissions, licensed }) => {
  const create = async ({ actor, body }) => {
    await permissions.inOrganization(actor, "create", "groups");
    const group = { id: randomUUID(), orgId: actor.orgId, ...body };
    licensed.groups.push(group);
    return group;
  };

  const all = async ({ actor }) => {
    await permissions.inOrganization(actor, "read", "groups");
    return licensed.groups.filter(({ orgId }) => orgId === actor.orgId); // a list, with no name around it
  };

  // As upstream, a group is named by its id or its name, and its slug is nobody's business.
  const groupOf = (actor, wanted) => {
    const ours = licensed.groups.filter(({ orgId }) => orgId === actor.orgId);
    const found = ours.find(({ id, name }) => [id, name].includes(wanted));
    if (!found) throw notFound(`Failed to find group with name ${wanted}`);
    return found;
  };

  const shown = ({ groupId, ...membership }) => {
    const { id, name, slug: short } = licensed.groups.find((each) => each.id === groupId);
    return { groupId, ...membership, group: { id, name, slug: short } };
  };

  const add = async ({ actor, params: { projectId, groupId: wanted }, body }) => {
    await access.project(actor, projectId, "create", "groups");
    const { id: groupId } = groupOf(actor, wanted);
    if (licensed.inProjects.some((each) => each.projectId === projectId && each.groupId === groupId)) {
      throw badRequest("Group is already a member");
    }
    const roles = body.roles.map((role) => licensed.ofMembership(projectId, role));
    licensed.inProjects.push({ id: randomUUID(), projectId, groupId, roles });
    return { groupMembership: licensed.inProjects.at(-1) };
  };

  const change = async ({ actor, params: { projectId, groupId }, body }) => {
    await access.project(actor, projectId, "edit", "groups");
    const found = licensed.inProjects.find((each) => each.projectId === projectId && each.groupId === groupId);
    if (!found) throw badRequest("Group doesn't have membership");
    found.roles = body.roles.map((role) => licensed.ofMembership(projectId, role));
    return { roles: found.roles };
  };

  const inProject = async ({ actor, params: { projectId } }) => {
    await access.project(actor, projectId, "read", "groups");
    return { groupMemberships: licensed.inProjects.filter((each) => each.projectId === projectId).map(shown) };
  };

  const base = "/api/v1/projects/:projectId/groups";
  const wish = { name: text({ min: 1 }), slug: slug({ min: 5, max: 36 }) };
  const write = { auth: true, limit: "write" };
  return [
    { method: "POST", path: "/api/v1/groups", ...write, body: wish, handler: create },
    { method: "GET", path: "/api/v1/groups", auth: true, handler: all },
    { method: "POST", path: `${base}/:groupId`, ...write, body: { roles: ROLES }, handler: add },
    { method: "PATCH", path: `${base}/:groupId`, ...write, body: { roles: ROLES }, handler: change },
    { method: "GET", path: base, auth: true, handler: inProject },
  ];
};

const policyRoutes = ({ db, access, licensed, release }) => {
  const checkApprovers = async (projectId, approvers) => {
    for (const { username } of approvers) {
      const user = await db("users").where({ username }).first("id");
      if (!user) throw badRequest(`Invalid approver user: ${username}`);
      const member = await db("project_memberships").where({ projectId, userId: user.id }).first("id");
      if (!member) throw badRequest(`Some users are not members of the project: ${user.id}`);
    }
  };

  const create = async ({ actor, body }) => {
    const { projectId, environment, secretPath } = body;
    await access.project(actor, projectId, "create", "secret-approval");
    await access.environment(projectId, environment);
    const same = (each) => each.projectId === projectId && each.environment === environment && each.secretPath === secretPath;
    if (licensed.policies.some((each) => same(each) && !each.deletedAt)) {
      throw badRequest(`A policy for secret path '${secretPath}' already exists in environment '${environment}'`);
    }
    await checkApprovers(projectId, body.approvers);
    licensed.policies.push({ id: randomUUID(), deletedAt: null, ...body });
    return { approval: licensed.policies.at(-1) };
  };

  // As upstream, a policy that was deleted is found by its id, and changed without any effect.
  const policyOf = async (actor, id, action) => {
    const policy = licensed.policies.find((each) => each.id === id);
    if (!policy) throw notFound(`Secret approval policy with ID '${id}' not found`);
    await access.project(actor, policy.projectId, action, "secret-approval");
    return policy;
  };

  const update = async ({ actor, params, body }) => {
    const policy = await policyOf(actor, params.policyId, "edit");
    await checkApprovers(policy.projectId, body.approvers);
    return { approval: Object.assign(policy, body) };
  };

  const remove = async ({ actor, params }) => {
    const policy = await policyOf(actor, params.policyId, "delete");
    return { approval: Object.assign(policy, { deletedAt: new Date() }) };
  };

  // Upstream's route takes people alone.
  const all = async ({ actor, query }) => {
    if (actor.kind !== "user") throw forbidden("You are not allowed to access this resource");
    await access.project(actor, query.projectId, "read", "secret-approval");
    return { approvals: licensed.policies.filter((each) => each.projectId === query.projectId && !each.deletedAt) };
  };

  const base = "/api/v1/secret-approvals";
  const one = `${base}/:policyId`;
  const approver = object({ type: oneOf(["user"]), username: text() });
  const common = { name: text(), approvers: list(approver, { min: 1 }), approvals: or(integer({ min: 1 }), 1) };
  const place = { projectId: text(), environment: text(), secretPath: text({ min: 1 }) };
  // An older release drops what it doesn't know.
  const machines = (rule) => (release.policiesBindMachines ? { bypassForMachineIdentities: rule } : {});
  const level = or(oneOf(["hard", "soft"]), "hard");
  const write = { auth: true, limit: "write" };
  const read = async ({ actor, params }) => ({ approval: await policyOf(actor, params.policyId, "read") });
  return [
    {
      method: "POST",
      path: base,
      ...write,
      body: { ...common, ...place, enforcementLevel: level, ...machines(or(flag(), false)) },
      handler: create,
    },
    { method: "GET", path: base, auth: true, query: { projectId: text() }, handler: all },
    { method: "GET", path: one, auth: true, handler: read },
    { method: "PATCH", path: one, ...write, body: { ...common, secretPath: optional(text()), ...machines(optional(flag())) }, handler: update },
    { method: "DELETE", path: one, ...write, handler: remove },
  ];
};

export const licensedRoutes = (context) =>
  context.config.LICENSE_KEY ? [roleRoutes, groupRoutes, policyRoutes].flatMap((subject) => subject(context)) : [];
