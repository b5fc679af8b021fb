// Who may do what in a project, in upstream's built-in roles. Without a membership even an organisation's admin may not.
import { denied, forbidden, notFound } from "./errors.mjs";

export const PROJECT_ROLES = ["admin", "member", "viewer", "no-access"];

const MAY = {
  admin: () => true,
  member: (action, subject) => action === "read" || ["secrets", "secret-folders", "secret-imports"].includes(subject),
  viewer: (action, subject) => action === "read" && subject !== "member" && subject !== "identity",
  "no-access": () => false,
};

export class ProjectAccess {
  constructor({ db }) {
    this.db = db;
  }

  /** The project, if the actor may do that in it. Raises 404 or 403. */
  async project(actor, id, action, subject) {
    const project = /^[0-9a-f-]{36}$/.test(id) && (await this.db("projects").where({ id, orgId: actor.orgId }).first());
    if (!project) throw notFound(`Project with ID '${id}' not found`);
    const who = actor.kind === "user" ? { userId: actor.id } : { identityId: actor.id };
    const membership = await this.db("project_memberships").where({ projectId: id, ...who }).first("roles");
    if (!membership) throw forbidden("You are not a member of this project");
    if (!membership.roles.some(({ role }) => MAY[role]?.(action, subject))) throw denied(action, subject);
    return project;
  }

  /** The environment of that slug. */
  async environment(projectId, slug) {
    const environment = await this.db("project_environments").where({ projectId, slug }).first();
    if (!environment) throw notFound(`Environment with slug '${slug}' in project with ID ${projectId} not found`);
    return environment;
  }

  /** The folder at `path`; undefined where there is none. */
  async folderAt(environment, path) {
    let folder = await this.db("secret_folders").where({ envId: environment.id, parentId: null }).first();
    for (const name of path.split("/").filter(Boolean)) {
      folder = folder && (await this.db("secret_folders").where({ parentId: folder.id, name }).first());
    }
    return folder;
  }

  /** The folder at `path`. Raises 404. */
  async folder(projectId, slug, path) {
    const environment = await this.db("project_environments").where({ projectId, slug }).first();
    const folder = environment && (await this.folderAt(environment, path));
    if (!folder) throw notFound(`Folder with path '${path}' in environment with slug '${slug}' not found`);
    return folder;
  }
}
