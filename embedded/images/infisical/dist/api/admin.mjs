// /api/v1/admin: the instance's configuration, its first admin, and which identities are its admins.
import { denied, forbidden, notFound } from "./errors.mjs";
import { email, flag, list, nullable, oneOf, optional, text } from "./schema.mjs";

const LOGIN_METHODS = ["email", "google", "github", "gitlab", "saml", "ldap", "oidc"];
const CHANGES = {
  allowSignUp: optional(flag()),
  allowedSignUpDomain: nullable(text()),
  trustSamlEmails: optional(flag()),
  trustLdapEmails: optional(flag()),
  trustOidcEmails: optional(flag()),
  defaultAuthOrgId: nullable(text()),
  enabledLoginMethods: optional(list(oneOf(LOGIN_METHODS), { min: 1 })),
  authConsentContent: optional(text()),
  pageFrameContent: optional(text()),
};

const shown = ({ email: _, organization: __, ...config }) => ({
  ...config,
  isMigrationModeOn: false,
  isSecretScanningDisabled: false,
});

export const adminRoutes = ({ adminConfig, bootstrap, permissions, release }) => {
  const requireAdmin = async (actor) => {
    if (actor.kind === "identity" && !release.configByIdentity) throw forbidden("You are not allowed to access this");
    if (!(await permissions.isSuperAdmin(actor))) throw denied("access", "server admin console");
  };

  const change = async ({ actor, body }) => {
    await requireAdmin(actor);
    // As upstream: the identity's id is looked up among the people.
    if (body.enabledLoginMethods && actor.kind === "identity") throw new TypeError("superAdminUser is undefined");
    return { config: shown(await adminConfig.write(body)) };
  };

  const removeAdmin = async ({ actor, params }) => {
    await requireAdmin(actor);
    const { adminIdentityIds } = await adminConfig.row();
    if (!adminIdentityIds.includes(params.identityId)) throw notFound("Identity not found");
    await adminConfig.write({ adminIdentityIds: adminIdentityIds.filter((each) => each !== params.identityId) });
    return { identity: { id: params.identityId } };
  };

  const first = { email: email(), password: text({ min: 1 }) };
  return [
    {
      method: "GET",
      path: "/api/v1/admin/config",
      handler: async () => ({ config: shown(await adminConfig.read()) }),
    },
    { method: "PATCH", path: "/api/v1/admin/config", auth: true, limit: "write", body: CHANGES, handler: change },
    release.bootstrap && {
      method: "POST",
      path: "/api/v1/admin/bootstrap",
      limit: "write",
      body: { ...first, organization: text({ min: 1 }) },
      handler: async ({ body }) => ({
        message: "Successfully bootstrapped instance",
        ...(await bootstrap.instance(body)),
      }),
    },
    {
      method: "POST",
      path: "/api/v1/admin/signup",
      limit: "write",
      body: { ...first, firstName: text(), lastName: optional(text()) },
      handler: async ({ body }) => ({
        message: "Successfully set up admin account",
        ...(await bootstrap.signUp(body)),
      }),
    },
    {
      method: "DELETE",
      path: "/api/v1/admin/identity-management/identities/:identityId/super-admin-access",
      auth: true,
      limit: "write",
      handler: removeAdmin,
    },
  ];
};
