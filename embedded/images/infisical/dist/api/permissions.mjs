// Who may do what in an organisation, in upstream's built-in roles: admin everything; member creates projects, and
// creates, edits and deletes identities; no-access nothing.
import { badRequest, denied, forbidden, notFound } from "./errors.mjs";

export const ORG_ROLES = ["admin", "member", "no-access"];
const MEMBER_MAY = new Set([
  "create workspace",
  "read identity",
  "create identity",
  "edit identity",
  "delete identity",
  "read member",
]);

export class Permissions {
  constructor({ db, config, release }) {
    Object.assign(this, { db, config, release });
  }

  /** The instance's admins: people by their row, identities by the instance's configuration. */
  async isSuperAdmin(actor) {
    if (actor.kind === "user") return Boolean((await this.db("users").where({ id: actor.id }).first())?.superAdmin);
    const { adminIdentityIds } = await this.db("super_admin").first("adminIdentityIds");
    return adminIdentityIds.includes(actor.id);
  }

  async #orgRole(actor) {
    if (actor.kind === "identity") return (await this.db("identities").where({ id: actor.id }).first("role"))?.role;
    return (await this.db("org_memberships").where({ userId: actor.id, orgId: actor.orgId }).first("role"))?.role;
  }

  /** Raises 403 unless the actor's role in its organisation allows it. */
  async inOrganization(actor, action, subject, orgId = actor.orgId) {
    if (!actor.orgId || actor.orgId !== orgId) throw forbidden("You are not logged into this organization");
    const role = await this.#orgRole(actor);
    if (role === "admin") return;
    if (role === "member" && MEMBER_MAY.has(`${action} ${subject}`)) return;
    if (role === "member" && action === "edit-auth" && !this.release.editAuth) return;
    throw denied(action, subject);
  }

  async isOrganizationAdmin(actor) {
    return (await this.#orgRole(actor)) === "admin";
  }

  /** Raises as upstream for a role that the free edition does not have. */
  checkRole(role, builtIn) {
    if (builtIn.includes(role)) return;
    if (!this.config.LICENSE_KEY) {
      throw badRequest(
        "Failed to assign custom role due to plan RBAC restriction. Upgrade plan to assign custom role to member.",
      );
    }
    throw notFound(`Role '${role}' not found`);
  }

  /** The identity, if it is of the actor's organisation. */
  async identity(actor, id) {
    const found = await this.db("identities").where({ id }).first();
    if (!found || found.orgId !== actor.orgId) throw notFound(`Failed to find identity with ID ${id}`);
    return found;
  }
}
