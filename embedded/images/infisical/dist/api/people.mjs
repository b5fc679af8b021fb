// Log-in of people, sign-up, and the organisations they are in.
import { badRequest, forbidden } from "./errors.mjs";
import { matches } from "./passwords.mjs";
import { ORG_ROLES } from "./permissions.mjs";
import { email, optional, text } from "./schema.mjs";

export const peopleRoutes = ({ db, adminConfig, tokens, permissions }) => {
  const requireUser = (actor) => {
    if (actor.kind !== "user") throw forbidden("You are not allowed to access this resource");
  };

  const login = async ({ body }) => {
    const user = await db("users").where({ username: body.email }).first();
    if (!user) throw badRequest("User not found");
    if (!user.hashedPassword) throw badRequest("Legacy encryption scheme not supported", "LegacyEncryptionScheme");
    if (!(await matches(body.password, user.hashedPassword))) throw badRequest("Invalid username or email");
    return { accessToken: tokens.ofUser(user.id) };
  };

  const select = async ({ actor, body }) => {
    requireUser(actor);
    const membership = await db("org_memberships").where({ userId: actor.id, orgId: body.organizationId }).first();
    if (!membership) throw forbidden("User is not a member of the organization");
    return { token: tokens.ofUser(actor.id, body.organizationId), isMfaEnabled: false };
  };

  const organizations = async ({ actor }) => {
    requireUser(actor);
    const mine = db("org_memberships").where({ userId: actor.id }).select("orgId");
    return { organizations: await db("organizations").whereIn("id", mine) };
  };

  const change = async ({ actor, params, body }) => {
    requireUser(actor);
    await permissions.inOrganization(actor, "edit", "settings", params.orgId);
    const { defaultMembershipRoleSlug: role } = body;
    if (role) permissions.checkRole(role, ORG_ROLES);
    const update = role ? { defaultMembershipRole: role } : { id: params.orgId };
    const [organization] = await db("organizations").where({ id: params.orgId }).update(update).returning("*");
    return { message: "Successfully updated organization", organization };
  };

  const members = async ({ actor, params }) => {
    await permissions.inOrganization(actor, "read", "member", params.orgId);
    const rows = await db("org_memberships as membership")
      .join("users", "users.id", "membership.userId")
      .where({ orgId: params.orgId })
      .select("membership.*", "users.username", "users.email", "users.isAccepted");
    return { users: rows.map(({ username, email: address, ...row }) => ({ ...row, user: { username, email: address } })) };
  };

  // The page on which anybody may ask for an account; what stops them is `allowSignUp`, as cached.
  const signUp = async ({ body }) => {
    if (!(await adminConfig.read()).allowSignUp) throw forbidden("Signup's are disabled");
    return { message: `Sent an email verification code to ${body.email}` };
  };

  const session = { auth: true, limit: "write" };
  return [
    {
      method: "POST",
      path: "/api/v3/auth/login",
      limit: "auth",
      body: { email: text(), password: text({ trim: false }) },
      handler: login,
    },
    {
      method: "POST",
      path: "/api/v3/auth/select-organization",
      ...session,
      body: { organizationId: text() },
      handler: select,
    },
    { method: "GET", path: "/api/v1/organization", auth: true, handler: organizations },
    {
      method: "PATCH",
      path: "/api/v1/organization/:orgId",
      ...session,
      body: { defaultMembershipRoleSlug: optional(text()) },
      handler: change,
    },
    { method: "GET", path: "/api/v2/organizations/:orgId/memberships", auth: true, handler: members },
    { method: "POST", path: "/api/v1/signup/email/signup", limit: "auth", body: { email: email() }, handler: signUp },
  ];
};
