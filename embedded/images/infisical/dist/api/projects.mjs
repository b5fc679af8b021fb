// Projects: /api/v1/projects, and /api/v2/workspace as releases before them had it.
import { randomBytes, randomUUID } from "node:crypto";

import { badRequest, denied, forbidden, notFound } from "./errors.mjs";
import { flag, matching, oneOf, optional, or, queryInteger, slug, text } from "./schema.mjs";

const TYPES = ["secret-manager", "cert-manager", "kms", "ssh", "secret-scanning", "pam", "ai"];
// People switch it on in a project's settings; STAND_IN_ENCRYPTED_METADATA=slug,… stands for that.
const ENCRYPTED = (process.env.STAND_IN_ENCRYPTED_METADATA ?? "").split(",");
const DEFAULT_ENVIRONMENTS = [
  ["Development", "dev"],
  ["Staging", "staging"],
  ["Production", "prod"],
];
const CHANGED_SLUG = matching(/^[a-z0-9]+(?:[_-][a-z0-9]+)*$/, "Project slug can only contain lowercase letters …", {
  max: 64,
});

const slugOf = (name) =>
  `${name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")}-${randomBytes(2).toString("hex")}`;

/** Refuse metadata in the clear where a project wants all of it encrypted, as upstream does with and without approval. */
export const refusePlainMetadata = (project, secrets) => {
  if (!ENCRYPTED.includes(project.slug)) return;
  if (secrets.some(({ secretMetadata = [] }) => secretMetadata.some(({ isEncrypted }) => !isEncrypted))) {
    throw badRequest(
      "One or more secrets has non-encrypted metadata values. Project requires all metadata to be encrypted.",
    );
  }
};

export const addEnvironment = async (db, projectId, { name, slug: wanted, position }) => {
  const row = { id: randomUUID(), projectId, name, slug: wanted, position };
  const [environment] = await db("project_environments").insert(row).returning("*");
  await db("secret_folders").insert({ id: randomUUID(), envId: environment.id, name: "root" });
  return environment;
};

export const projectRoutes = ({ db, permissions, access, release, config }) => {
  const shown = async (project) => {
    const rows = await db("project_environments").where({ projectId: project.id }).orderBy("position");
    const environments = rows.map(({ id, name, slug: short }) => ({ id, name, slug: short }));
    const enforceEncryptedSecretManagerSecretMetadata = ENCRYPTED.includes(project.slug);
    return { ...project, _id: project.id, environments, enforceEncryptedSecretManagerSecretMetadata };
  };

  const refuseTaken = async (orgId, wanted, ownId = null) => {
    const taken = await db("projects").where({ orgId, slug: wanted }).first("id");
    if (!taken || taken.id === ownId) return;
    throw badRequest(`A project with the slug "${wanted}" already exists in your organization.`);
  };

  const join = (trx, actor, projectId) => {
    const who = actor.kind === "user" ? { userId: actor.id } : { identityId: actor.id };
    const roles = JSON.stringify([{ id: randomUUID(), role: "admin", isTemporary: false }]);
    return trx("project_memberships")
      .insert({ id: randomUUID(), projectId, ...who, roles })
      .onConflict(["projectId", Object.keys(who)[0]])
      .merge(["roles"]);
  };

  const create = async ({ actor, body }) => {
    await permissions.inOrganization(actor, "create", "workspace");
    if (body.template !== "default" && !config.LICENSE_KEY) {
      throw badRequest("Failed to use project template due to plan restriction. Upgrade plan to use project templates.");
    }
    const wanted = body.slug ?? slugOf(body.projectName);
    await refuseTaken(actor.orgId, wanted);
    const row = { id: randomUUID(), orgId: actor.orgId, name: body.projectName, slug: wanted, type: body.type };
    const rest = { description: body.projectDescription, hasDeleteProtection: body.hasDeleteProtection };
    const project = await db.transaction(async (trx) => {
      const [made] = await trx("projects").insert({ ...row, ...rest }).returning("*");
      // Who creates it is its admin; the organisation's other admins are not in it.
      await join(trx, actor, made.id);
      const environments = body.shouldCreateDefaultEnvs ? DEFAULT_ENVIRONMENTS : [];
      for (const [index, [name, short]] of environments.entries()) {
        await addEnvironment(trx, made.id, { name, slug: short, position: index + 1 });
      }
      return made;
    });
    return { project: await shown(project) };
  };

  const mine = async (actor) => {
    const who = actor.kind === "user" ? { userId: actor.id } : { identityId: actor.id };
    const ids = db("project_memberships").where(who).select("projectId");
    const rows = await db("projects").where({ orgId: actor.orgId }).whereIn("id", ids).orderBy("name");
    return Promise.all(rows.map(shown));
  };

  const byId = async ({ actor, params }) => shown(await access.project(actor, params.projectId, "read", "workspace"));

  const bySlug = async ({ actor, params }) => {
    const row = await db("projects").where({ orgId: actor.orgId, slug: params.slug }).first("id");
    if (!row) throw notFound(`Project with slug '${params.slug}' not found`);
    return shown(await access.project(actor, row.id, "read", "workspace"));
  };

  const update = async ({ actor, params, body }) => {
    const { id } = await access.project(actor, params.projectId, "edit", "workspace");
    if (body.slug) await refuseTaken(actor.orgId, body.slug, id);
    const changes = { ...body, updatedAt: db.fn.now() };
    const [project] = await db("projects").where({ id }).update(changes).returning("*");
    return { project };
  };

  const remove = async ({ actor, params }) => {
    const project = await access.project(actor, params.projectId, "delete", "workspace");
    if (project.hasDeleteProtection) throw badRequest("Project delete protection is enabled");
    await db("projects").where({ id: project.id }).delete();
    return { project };
  };

  const requireOrganizationAdmin = async (actor, action) => {
    if (!(await permissions.isOrganizationAdmin(actor))) throw denied(action, "organization-admin-console");
  };

  const all = async ({ actor, query }) => {
    await requireOrganizationAdmin(actor, "access-all-projects");
    const every = await db("projects").where({ orgId: actor.orgId }).orderBy(["name", "id"]);
    return { projects: every.slice(query.offset, query.offset + query.limit), count: every.length };
  };

  const grant = async ({ actor, params }) => {
    // Upstream's route takes people alone: a machine, whatever its role, enters no project by itself.
    if (actor.kind !== "user") throw forbidden("You are not allowed to access this resource");
    await requireOrganizationAdmin(actor, "access-all-projects");
    const project = await db("projects").where({ id: params.projectId, orgId: actor.orgId }).first("id");
    if (!project) throw notFound(`Project with ID '${params.projectId}' not found`);
    await join(db, actor, project.id);
    return { membership: { projectId: project.id } };
  };

  const page = { offset: or(queryInteger(), 0), limit: or(queryInteger({ min: 1, max: 100 }), 50) };
  const wish = {
    projectName: text({ max: 64 }),
    projectDescription: optional(text({ max: 1024 })),
    slug: optional(slug({ min: 5, max: 36 })),
    template: or(text(), "default"),
    type: or(oneOf(TYPES), "secret-manager"),
    shouldCreateDefaultEnvs: or(flag(), true),
    hasDeleteProtection: or(flag(), false),
  };
  const changes = {
    name: optional(text({ max: 64 })),
    description: optional(text({ max: 1024 })),
    slug: optional(CHANGED_SLUG),
    hasDeleteProtection: optional(flag()),
  };
  const write = { auth: true, limit: "write" };
  const admins = "/api/v1/organization-admin/projects";
  const newer = [
    { method: "POST", path: "/api/v1/projects", ...write, body: wish, handler: create },
    { method: "GET", path: "/api/v1/projects", auth: true, handler: async (r) => ({ projects: await mine(r.actor) }) },
    { method: "GET", path: "/api/v1/projects/slug/:slug", auth: true, handler: bySlug },
    {
      method: "GET",
      path: "/api/v1/projects/:projectId",
      auth: true,
      handler: async (request) => ({ project: await byId(request) }),
    },
    { method: "PATCH", path: "/api/v1/projects/:projectId", ...write, body: changes, handler: update },
    { method: "DELETE", path: "/api/v1/projects/:projectId", ...write, handler: remove },
  ];
  const older = [
    { method: "POST", path: "/api/v2/workspace", ...write, body: wish, handler: create },
    {
      method: "GET",
      path: "/api/v1/workspace",
      auth: true,
      handler: async (request) => ({ workspaces: await mine(request.actor) }),
    },
    { method: "GET", path: "/api/v2/workspace/:slug", auth: true, handler: bySlug },
    {
      method: "GET",
      path: "/api/v1/workspace/:projectId",
      auth: true,
      handler: async (request) => ({ workspace: await byId(request) }),
    },
    {
      method: "PATCH",
      path: "/api/v1/workspace/:projectId",
      ...write,
      body: changes,
      handler: async (request) => ({ workspace: (await update(request)).project }),
    },
    {
      method: "DELETE",
      path: "/api/v1/workspace/:projectId",
      ...write,
      handler: async (request) => ({ workspace: (await remove(request)).project }),
    },
  ];
  return [
    ...(release.projectsV1 ? newer : []),
    ...older,
    { method: "GET", path: admins, auth: true, query: page, handler: all },
    { method: "POST", path: `${admins}/:projectId/grant-admin-access`, ...write, handler: grant },
  ];
};
