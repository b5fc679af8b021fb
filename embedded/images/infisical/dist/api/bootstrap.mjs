// The first admin. As upstream's, neither way is one transaction: user, organisation, identity and configuration are
// four steps without a lock, and a crash between them leaves a user in an instance that is not set up.
// STAND_IN_DIES_AFTER=user|organization|identity ends the process there, once that step is done.
import { randomBytes, randomUUID } from "node:crypto";

import { badRequest } from "./errors.mjs";
import { hash } from "./passwords.mjs";

const dieAfter = (step) => {
  if (process.env.STAND_IN_DIES_AFTER === step) process.exit(1);
};

// "dog" does not become "dog": the slug gets a random suffix.
const slugOf = (name) => `${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}-${randomBytes(2).toString("hex")}`;

export const shownUser = ({ hashedPassword, ...user }) => user;

export class Bootstrap {
  constructor({ db, release, tokens, adminConfig }) {
    Object.assign(this, { db, release, tokens, adminConfig });
  }

  async #user({ email, password, firstName = "Admin", lastName = "User" }, keepsPassword) {
    const taken = await this.db("users").where({ username: email }).first("id");
    if (taken) throw badRequest("User already exists");
    const hashedPassword = keepsPassword ? await hash(password) : null;
    const person = { username: email, email, firstName, lastName, superAdmin: true, hashedPassword };
    const [user] = await this.db("users").insert({ id: randomUUID(), ...person }).returning("*");
    dieAfter("user");
    return user;
  }

  async #organization(name, user) {
    const organization = await this.db.transaction(async (trx) => {
      const [made] = await trx("organizations").insert({ id: randomUUID(), name, slug: slugOf(name) }).returning("*");
      await trx("org_memberships").insert({ id: randomUUID(), orgId: made.id, userId: user.id, role: "admin" });
      return made;
    });
    dieAfter("organization");
    return organization;
  }

  async #identity(organization) {
    const made = await this.db.transaction(async (trx) => {
      const identity = { id: randomUUID(), name: "Instance Admin Identity", orgId: organization.id, role: "admin" };
      await trx("identities").insert(identity);
      await trx("identity_token_auths").insert({ id: randomUUID(), identityId: identity.id, accessTokenTTL: 0 });
      const subject = { identityId: identity.id, authMethod: "token-auth", name: "Instance Admin Token" };
      const { accessToken } = await this.tokens.ofIdentity(trx, subject);
      return { id: identity.id, name: identity.name, credentials: { token: accessToken } };
    });
    dieAfter("identity");
    return made;
  }

  #initialized(changes = {}) {
    const closed = this.release.signUpCloses ? { allowSignUp: false } : {};
    return this.adminConfig.write({ initialized: true, ...closed, ...changes });
  }

  /** By the API: an organisation admin, and an identity whose token never ends. */
  async instance({ email, password, organization: name }) {
    if ((await this.adminConfig.row()).initialized) throw badRequest("Instance has already been set up");
    const user = await this.#user({ email, password }, this.release.bootstrapPassword);
    const organization = await this.#organization(name, user);
    const identity = await this.#identity(organization);
    await this.#initialized({ email, organization: name, adminIdentityIds: [identity.id] });
    return { user: shownUser(user), organization, identity };
  }

  /** By the web page of a fresh instance: whoever comes first. It asks the cached configuration, as upstream. */
  async signUp({ email, password, firstName, lastName }) {
    if ((await this.adminConfig.read()).initialized) throw badRequest("Admin account has already been set up");
    const user = await this.#user({ email, password, firstName, lastName }, true);
    const organization = await this.#organization("Admin Org", user);
    await this.#initialized({ email, organization: organization.name });
    return { user: shownUser(user), organization, token: this.tokens.ofUser(user.id), new: "123" };
  }
}
