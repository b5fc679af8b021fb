// The API of upstream that tiers three and four use. Each file beside this one is a subject.
import { AdminConfig } from "./admin-config.mjs";
import { adminRoutes } from "./admin.mjs";
import { Bootstrap } from "./bootstrap.mjs";
import { addressOf } from "./client-address.mjs";
import { placeRoutes } from "./environments.mjs";
import { identityRoutes } from "./identities.mjs";
import { kubernetesAuthRoutes } from "./kubernetes-auth.mjs";
import { Licensed, licensedRoutes } from "./licensed.mjs";
import { Limits } from "./limits.mjs";
import { membershipRoutes } from "./memberships.mjs";
import { paidRoutes } from "./paid.mjs";
import { peopleRoutes } from "./people.mjs";
import { Permissions } from "./permissions.mjs";
import { ProjectAccess } from "./project-access.mjs";
import { projectRoutes } from "./projects.mjs";
import { releaseOf } from "./release.mjs";
import { requestOf, Router } from "./router.mjs";
import { secretRoutes } from "./secrets.mjs";
import { tokenAuthRoutes } from "./token-auth.mjs";
import { Tokens } from "./tokens.mjs";
import { universalAuthRoutes } from "./universal-auth.mjs";

const SUBJECTS = [
  adminRoutes,
  peopleRoutes,
  identityRoutes,
  universalAuthRoutes,
  kubernetesAuthRoutes,
  tokenAuthRoutes,
  projectRoutes,
  placeRoutes,
  membershipRoutes,
  secretRoutes,
  paidRoutes,
  licensedRoutes,
];

const bearer = (request) => /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];

export class Api {
  constructor({ config, db, redis, rootKey }) {
    const context = { config, db, redis, rootKey, release: releaseOf() };
    context.tokens = new Tokens(context);
    context.permissions = new Permissions(context);
    context.access = new ProjectAccess(context);
    context.licensed = new Licensed(context);
    context.adminConfig = new AdminConfig(context);
    context.bootstrap = new Bootstrap(context);
    Object.assign(this, context, { limits: new Limits(context) });
    const routes = SUBJECTS.flatMap((subject) => subject(context));
    this.router = new Router(routes);
  }

  start() {
    return this.adminConfig.forget();
  }

  /** The body of the answer. Raises what the error handler knows. */
  async answer(request, url, readBody) {
    const found = this.router.find(request.method, url.pathname);
    const { auth, limit = "read", handler, body } = found.route;
    await this.limits.count(limit, addressOf(request));
    const actor = auth ? await this.tokens.actor(bearer(request)) : undefined;
    const read = requestOf(found, url, body && (await readBody(request)));
    return handler({ actor, ...read });
  }
}
