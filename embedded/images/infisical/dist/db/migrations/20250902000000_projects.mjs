// What an organisation has: projects with environments, folders, imports and sealed secrets, and who is a member.

const under = (table, column, parent) =>
  table.uuid(column).notNullable().references("id").inTable(parent).onDelete("CASCADE");

const secrets = async (knex) => {
  await knex.schema.createTable("secrets_v2", (table) => {
    table.uuid("id").primary();
    under(table, "folderId", "secret_folders");
    table.string("key", 500).notNullable();
    table.integer("version").notNullable().defaultTo(1);
    table.binary("encryptedValue").notNullable();
    table.binary("encryptedComment").notNullable();
    table.jsonb("metadata").notNullable().defaultTo("[]");
    table.timestamps(true, true, true);
    table.unique(["folderId", "key"]);
  });
  await knex.schema.createTable("secret_imports", (table) => {
    table.uuid("id").primary();
    under(table, "folderId", "secret_folders");
    under(table, "importEnvId", "project_environments");
    table.string("importPath").notNullable();
    table.integer("position").notNullable();
    table.timestamps(true, true, true);
    table.unique(["folderId", "importEnvId", "importPath"]);
  });
};

export async function up(knex) {
  await knex.schema.createTable("projects", (table) => {
    table.uuid("id").primary();
    under(table, "orgId", "organizations");
    table.string("name").notNullable();
    table.string("slug").notNullable();
    table.text("description");
    table.string("type").notNullable().defaultTo("secret-manager");
    table.boolean("hasDeleteProtection").notNullable().defaultTo(false);
    table.timestamps(true, true, true);
    table.unique(["orgId", "slug"]);
  });
  await knex.schema.createTable("project_environments", (table) => {
    table.uuid("id").primary();
    under(table, "projectId", "projects");
    table.string("name").notNullable();
    table.string("slug").notNullable();
    table.integer("position").notNullable();
    table.timestamps(true, true, true);
    table.unique(["projectId", "slug"]);
  });
  await knex.schema.createTable("secret_folders", (table) => {
    table.uuid("id").primary();
    under(table, "envId", "project_environments");
    table.uuid("parentId").references("id").inTable("secret_folders").onDelete("CASCADE");
    table.string("name").notNullable();
    table.text("description");
    table.timestamps(true, true, true);
    table.unique(["envId", "parentId", "name"]);
  });
  await knex.schema.createTable("project_memberships", (table) => {
    table.uuid("id").primary();
    under(table, "projectId", "projects");
    table.uuid("userId").references("id").inTable("users").onDelete("CASCADE");
    table.uuid("identityId").references("id").inTable("identities").onDelete("CASCADE");
    table.jsonb("roles").notNullable();
    table.timestamps(true, true, true);
    table.unique(["projectId", "userId"]);
    table.unique(["projectId", "identityId"]);
  });
  await secrets(knex);
}

export async function down(knex) {
  const tables = ["secret_imports", "secrets_v2", "project_memberships", "secret_folders", "project_environments"];
  for (const table of [...tables, "projects"]) await knex.schema.dropTable(table);
}
