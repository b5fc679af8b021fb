// Who there is: people, organisations, machine identities and how they authenticate, and the tokens they hold.

const lifetimes = (table) => {
  table.bigInteger("accessTokenTTL").notNullable().defaultTo(2592000);
  table.bigInteger("accessTokenMaxTTL").notNullable().defaultTo(2592000);
  table.bigInteger("accessTokenNumUsesLimit").notNullable().defaultTo(0);
  table.jsonb("accessTokenTrustedIps").notNullable().defaultTo("[]");
};

const people = async (knex) => {
  await knex.schema.alterTable("super_admin", (table) => {
    table.boolean("allowSignUp").notNullable().defaultTo(true);
    table.string("allowedSignUpDomain");
    table.uuid("defaultAuthOrgId");
    for (const kind of ["Saml", "Ldap", "Oidc"]) table.boolean(`trust${kind}Emails`).notNullable().defaultTo(false);
    table.specificType("enabledLoginMethods", "text[]");
    table.specificType("adminIdentityIds", "text[]").notNullable().defaultTo("{}");
    table.text("authConsentContent");
    table.text("pageFrameContent");
  });
  await knex.schema.createTable("users", (table) => {
    table.uuid("id").primary();
    table.string("username").notNullable().unique();
    table.string("email");
    table.string("firstName");
    table.string("lastName");
    table.boolean("superAdmin").notNullable().defaultTo(false);
    table.boolean("isAccepted").notNullable().defaultTo(true);
    table.text("hashedPassword");
    table.timestamps(true, true, true);
  });
  await knex.schema.createTable("organizations", (table) => {
    table.uuid("id").primary();
    table.string("name").notNullable();
    table.string("slug").notNullable().unique();
    table.string("defaultMembershipRole").notNullable().defaultTo("member");
    table.timestamps(true, true, true);
  });
  await knex.schema.createTable("org_memberships", (table) => {
    table.uuid("id").primary();
    table.uuid("orgId").notNullable().references("id").inTable("organizations").onDelete("CASCADE");
    table.uuid("userId").notNullable().references("id").inTable("users").onDelete("CASCADE");
    table.string("role").notNullable();
    table.unique(["orgId", "userId"]);
  });
};

const ofIdentity = (table) =>
  table.uuid("identityId").notNullable().references("id").inTable("identities").onDelete("CASCADE");

const authMethods = async (knex) => {
  await knex.schema.createTable("identity_kubernetes_auths", (table) => {
    table.uuid("id").primary();
    ofIdentity(table).unique();
    table.string("kubernetesHost");
    table.string("tokenReviewMode").notNullable().defaultTo("api");
    table.text("allowedNamespaces").notNullable();
    table.text("allowedNames").notNullable();
    table.string("allowedAudience").notNullable();
    table.boolean("verifyTlsCertificate").notNullable().defaultTo(true);
    table.binary("encryptedCaCert").notNullable();
    table.binary("encryptedTokenReviewerJwt");
    lifetimes(table);
    table.timestamps(true, true, true);
  });
  await knex.schema.createTable("identity_universal_auths", (table) => {
    table.uuid("id").primary();
    ofIdentity(table).unique();
    table.uuid("clientId").notNullable().unique();
    table.jsonb("clientSecretTrustedIps").notNullable().defaultTo("[]");
    lifetimes(table);
    table.timestamps(true, true, true);
  });
  await knex.schema.createTable("identity_ua_client_secrets", (table) => {
    table.uuid("id").primary();
    table.uuid("identityUAId").notNullable().references("id").inTable("identity_universal_auths").onDelete("CASCADE");
    table.string("description").notNullable().defaultTo("");
    table.string("clientSecretPrefix").notNullable();
    table.text("clientSecretHash").notNullable();
    table.bigInteger("clientSecretTTL").notNullable().defaultTo(0);
    table.bigInteger("clientSecretNumUses").notNullable().defaultTo(0);
    table.bigInteger("clientSecretNumUsesLimit").notNullable().defaultTo(0);
    table.boolean("isClientSecretRevoked").notNullable().defaultTo(false);
    table.timestamps(true, true, true);
  });
  await knex.schema.createTable("identity_token_auths", (table) => {
    table.uuid("id").primary();
    ofIdentity(table).unique();
    lifetimes(table);
    table.timestamps(true, true, true);
  });
};

export async function up(knex) {
  await people(knex);
  await knex.schema.createTable("identities", (table) => {
    table.uuid("id").primary();
    table.string("name").notNullable(); // not unique, as upstream
    table.uuid("orgId").notNullable().references("id").inTable("organizations").onDelete("CASCADE");
    table.uuid("projectId");
    table.string("role").notNullable();
    table.boolean("hasDeleteProtection").notNullable().defaultTo(false);
    table.jsonb("metadata").notNullable().defaultTo("[]");
    table.timestamps(true, true, true);
  });
  await authMethods(knex);
  await knex.schema.createTable("identity_access_tokens", (table) => {
    table.uuid("id").primary();
    ofIdentity(table);
    table.string("authMethod").notNullable();
    table.string("name");
    table.bigInteger("accessTokenNumUses").notNullable().defaultTo(0);
    table.boolean("isAccessTokenRevoked").notNullable().defaultTo(false);
    lifetimes(table);
    table.timestamps(true, true, true);
  });
}

export async function down(knex) {
  const tables = ["identity_access_tokens", "identity_token_auths", "identity_ua_client_secrets"];
  tables.push("identity_universal_auths", "identity_kubernetes_auths", "identities", "org_memberships");
  for (const table of [...tables, "organizations", "users"]) await knex.schema.dropTable(table);
  await knex.schema.alterTable("super_admin", (table) => {
    table.dropColumns("allowSignUp", "allowedSignUpDomain", "defaultAuthOrgId", "enabledLoginMethods");
    table.dropColumns("trustSamlEmails", "trustLdapEmails", "trustOidcEmails", "adminIdentityIds");
    table.dropColumns("authConsentContent", "pageFrameContent");
  });
}
