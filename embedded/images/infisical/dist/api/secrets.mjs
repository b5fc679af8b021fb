// Secrets over HTTP: /api/v4/secrets, and /api/v3/secrets/raw, which newer releases call deprecated and still serve.
import { approvalFor } from "./approvals.mjs";
import { badRequest, notFound } from "./errors.mjs";
import { secretPath } from "./environments.mjs";
import { refusePlainMetadata } from "./projects.mjs";
import { flag, list, matching, object, oneOf, optional, or, parse, queryFlag, text } from "./schema.mjs";
import { SecretStore } from "./secret-store.mjs";

const NAME_RULE = "Secret name cannot contain colon or forward slash.";
// What is stored is not always what was sent: blanks at the edges go, and of the newlines at the end one stays.
const stored = (value) => {
  const read = text({ trim: false })(value);
  return read.at(-1) === "\n" ? `${read.trim()}\n` : read.trim();
};
const metadata = optional(
  list(object({ key: text({ min: 1 }), value: text({ trim: false }), isEncrypted: optional(flag()) })),
);

class SecretApi {
  constructor(context) {
    Object.assign(this, context, { store: new SecretStore(context) });
  }

  async place(actor, { projectId, projectSlug, environment, secretPath: path }, action) {
    const bySlug = { slug: projectSlug ?? "", orgId: actor.orgId };
    const id = projectId ?? (await this.db("projects").where(bySlug).first("id"))?.id;
    if (!id && projectSlug) throw notFound(`Project with slug '${projectSlug}' not found`);
    if (!id || !environment) throw badRequest("Missing project id or environment");
    const project = await this.access.project(actor, id, action, "secrets");
    return { project, place: { projectId: id, environment, path } };
  }

  folder({ projectId, environment, path }) {
    return this.access.folder(projectId, environment, path);
  }

  async #under(folder, place, options, recursive) {
    const secrets = [];
    for (const row of await this.store.all(folder)) secrets.push(await this.store.shown(row, place, options));
    if (!recursive) return secrets;
    for (const child of await this.db("secret_folders").where({ parentId: folder.id }).orderBy("name")) {
      const path = `${place.path === "/" ? "" : place.path}/${child.name}`;
      secrets.push(...(await this.#under(child, { ...place, path }, options, true)));
    }
    return secrets;
  }

  async #imports(folder, place, options) {
    const imports = [];
    for (const row of await this.db("secret_imports").where({ folderId: folder.id }).orderBy("position", "desc")) {
      const environment = await this.db("project_environments").where({ id: row.importEnvId }).first();
      const source = await this.access.folderAt(environment, row.importPath);
      const from = { projectId: place.projectId, environment: environment.slug, path: row.importPath };
      const secrets = source ? await this.#under(source, from, options, false) : [];
      imports.push({ secretPath: row.importPath, environment: environment.slug, folderId: source?.id, secrets });
    }
    return imports;
  }

  async list({ actor, query }) {
    const { place } = await this.place(actor, query, "read");
    const environment = await this.access.environment(place.projectId, place.environment);
    const folder = await this.access.folderAt(environment, place.path);
    if (!folder) {
      if (!this.release.missingFolders) return { secrets: [], imports: [] };
      throw notFound(
        `Folder with path '${place.path}' in environment '${place.environment}' was not found. Please ensure the environment ` +
          "slug and secret path is correct.",
      );
    }
    const options = { expands: query.expandSecretReferences, hides: !query.viewSecretValue };
    return {
      secrets: await this.#under(folder, place, options, query.recursive),
      imports: query.includeImports ? await this.#imports(folder, place, options) : [],
    };
  }

  async read({ actor, params, query }) {
    const { place } = await this.place(actor, query, "read");
    const row = await this.store.find(await this.folder(place), params.secretName);
    if (!row) throw notFound(`Secret with name '${params.secretName}' not found`);
    const options = { expands: query.expandSecretReferences, hides: !query.viewSecretValue };
    return { secret: await this.store.shown(row, place, options) };
  }

  /** `work(trx, folder, place, secret)` for each secret, all or none; or the approval that it takes. */
  async #write(actor, body, action, secrets, work) {
    const { project, place } = await this.place(actor, body, action);
    refusePlainMetadata(project, secrets);
    const approval = approvalFor(project, place, this.licensed.binds(actor, project.id, place));
    if (approval) return { approval };
    const written = await this.db.transaction(async (trx) => {
      const done = [];
      for (const secret of secrets) {
        const at = { ...place, path: secret.secretPath ?? place.path };
        const row = await work(trx, await this.folder(at), at, secret);
        if (row) done.push([row, at]);
      }
      return done;
    });
    return { secrets: await Promise.all(written.map(([row, at]) => this.store.shown(row, at))) };
  }

  create(actor, body, secrets) {
    return this.#write(actor, body, "create", secrets, (...given) => this.store.create(...given));
  }

  async update(actor, body, secrets, mode = "failOnNotFound") {
    return this.#write(actor, body, "edit", secrets, async (trx, folder, place, secret) => {
      const known = await this.store.find(folder, secret.secretKey, trx);
      if (!known && mode === "ignore") return undefined;
      if (!known && mode === "upsert") return this.store.create(trx, folder, place, { secretValue: "", ...secret });
      if (!known && body.isBatch) throw notFound(`Secret does not exist: ${secret.secretKey}`);
      const emptied = body.isBatch && this.release.batchEmpties ? { secretValue: "" } : {};
      return this.store.update(trx, folder, place, { ...emptied, ...secret });
    });
  }

  delete(actor, body, secrets) {
    return this.#write(actor, body, "delete", secrets, (trx, folder, _, { secretKey }) =>
      this.store.delete(trx, folder, secretKey),
    );
  }
}

const single = async (work) => {
  const { secrets, approval } = await work;
  return approval ? { approval } : { secret: secrets[0] };
};

const RULES = { secretComment: optional(text()), secretMetadata: metadata };

const nameRule = (release) =>
  matching(release.blankNames ? /^[^:/]+$/ : /^[^:/\s]+$/, NAME_RULE, { min: 1 });

const version = ({ api, base, batch, keys, expandsByDefault, named, release }) => {
  const name = nameRule(release);
  const place = { ...keys, environment: optional(text()), secretPath: secretPath() };
  const switches = {
    viewSecretValue: or(queryFlag(), true),
    expandSecretReferences: or(queryFlag(), expandsByDefault),
    recursive: or(queryFlag(), false),
    includeImports: optional(queryFlag()),
    include_imports: optional(queryFlag()),
  };
  const query = { ...place, ...switches };
  const asked = (given) => {
    const { includeImports = given.include_imports ?? expandsByDefault } = given;
    return { ...named(given), includeImports };
  };
  const secrets = (shape) => ({ ...place, secrets: list(object(shape), { min: 1 }) });
  const created = { secretKey: name, secretValue: stored, ...RULES };
  const updated = { secretKey: name, secretValue: optional(stored), newSecretName: optional(name), ...RULES };
  const at = { secretPath: optional(secretPath()) };
  const { secretKey: _, ...createdOne } = created;
  const { secretKey: __, ...updatedOne } = updated;
  const one = `${base}/:secretName`;
  const common = { auth: true, limit: "secrets" };
  const withName = ({ params, body }) => [{ secretKey: params.secretName, ...body, secretPath: undefined }];
  const modes = { mode: or(oneOf(["failOnNotFound", "ignore", "upsert"]), "failOnNotFound") };
  const checked = (handler) => (request) => {
    parse({ secretName: name }, request.params);
    return handler({ ...request, body: named(request.body) });
  };
  return [
    {
      method: "POST",
      path: batch,
      ...common,
      body: secrets(created),
      handler: ({ actor, body }) => api.create(actor, named(body), body.secrets),
    },
    {
      method: "PATCH",
      path: batch,
      ...common,
      body: { ...secrets({ ...updated, ...at }), ...modes },
      handler: ({ actor, body }) => api.update(actor, { ...named(body), isBatch: true }, body.secrets, body.mode),
    },
    {
      method: "DELETE",
      path: batch,
      ...common,
      body: secrets({ secretKey: text() }),
      handler: ({ actor, body }) => api.delete(actor, named(body), body.secrets),
    },
    {
      method: "GET",
      path: base,
      ...common,
      query,
      handler: (request) => api.list({ ...request, query: asked(request.query) }),
    },
    {
      method: "GET",
      path: one,
      ...common,
      query,
      handler: (request) => api.read({ ...request, query: asked(request.query) }),
    },
    {
      method: "POST",
      path: one,
      ...common,
      body: { ...place, ...createdOne },
      handler: checked((request) => single(api.create(request.actor, request.body, withName(request)))),
    },
    {
      method: "PATCH",
      path: one,
      ...common,
      body: { ...place, ...updatedOne },
      handler: checked((request) => single(api.update(request.actor, request.body, withName(request)))),
    },
    {
      method: "DELETE",
      path: one,
      ...common,
      body: place,
      handler: checked((request) => single(api.delete(request.actor, request.body, withName(request)))),
    },
  ];
};

export const secretRoutes = (context) => {
  const api = new SecretApi(context);
  const { release } = context;
  const v4 = {
    base: "/api/v4/secrets",
    batch: "/api/v4/secrets/batch",
    keys: { projectId: optional(text()) },
    expandsByDefault: release.expandByDefault,
    named: (given) => given,
  };
  const v3 = {
    base: "/api/v3/secrets/raw",
    batch: "/api/v3/secrets/batch/raw",
    keys: { workspaceId: optional(text()), workspaceSlug: optional(text()), projectSlug: optional(text()) },
    expandsByDefault: false,
    named: (given) => ({
      ...given,
      projectId: given.workspaceId,
      projectSlug: given.workspaceSlug ?? given.projectSlug,
    }),
  };
  return [...(release.secretsV4 ? version({ api, release, ...v4 }) : []), ...version({ api, release, ...v3 })];
};
