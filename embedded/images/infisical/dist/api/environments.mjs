// Environments and folders of a project; imports of one folder into another.
import { randomUUID } from "node:crypto";

import { badRequest, notFound } from "./errors.mjs";
import { addEnvironment } from "./projects.mjs";
import { flag, integer, matching, nullable, object, optional, or, queryFlag, slug, text } from "./schema.mjs";

export const withoutTrailingSlash = (path) => (path === "/" ? path : path.replace(/\/+$/, "") || "/");

export const secretPath = (fallback = "/") => (value) => {
  const path = withoutTrailingSlash(or(text(), fallback)(value));
  return path.startsWith("/") ? path : `/${path}`;
};

const FOLDER_NAME = matching(
  /^[A-Za-z0-9_-]+$/,
  "Invalid folder name. Only alphanumeric characters, dashes, and underscores are allowed.",
);

const environmentRoutes = ({ db, access, release }) => {
  const create = async ({ actor, params, body }) => {
    const { id } = await access.project(actor, params.projectId, "create", "environments");
    if (await db("project_environments").where({ projectId: id, slug: body.slug }).first("id")) {
      throw badRequest("Environment with slug already exist");
    }
    const [{ max }] = await db("project_environments").where({ projectId: id }).max("position");
    const position = body.position ?? (max ?? 0) + 1;
    const environment = await db.transaction((trx) => addEnvironment(trx, id, { ...body, position }));
    return { message: "Successfully created new environment", environment };
  };

  const update = async ({ actor, params, body }) => {
    const { id } = await access.project(actor, params.projectId, "edit", "environments");
    const which = { projectId: id, id: params.envId };
    const [environment] = await db("project_environments").where(which).update(body).returning("*");
    if (!environment) throw notFound("Environment not found");
    return { message: "Successfully updated environment", environment };
  };

  const remove = async ({ actor, params }) => {
    const { id } = await access.project(actor, params.projectId, "delete", "environments");
    const which = { projectId: id, id: params.envId };
    const [environment] = await db("project_environments").where(which).delete().returning("*");
    if (!environment) throw notFound("Environment not found");
    return { message: "Successfully deleted environment", environment };
  };

  const wish = { name: text(), slug: slug(), position: optional(integer({ min: 1 })) };
  const change = { name: optional(text()), slug: optional(slug()), position: optional(integer({ min: 1 })) };
  const write = { auth: true, limit: "write" };
  return (release.projectsV1 ? ["projects", "workspace"] : ["workspace"]).flatMap((kind) => {
    const base = `/api/v1/${kind}/:projectId/environments`;
    return [
      { method: "POST", path: base, ...write, body: wish, handler: create },
      { method: "PATCH", path: `${base}/:envId`, ...write, body: change, handler: update },
      { method: "DELETE", path: `${base}/:envId`, ...write, handler: remove },
    ];
  });
};

const folderRoutes = ({ db, access, release }) => {
  const parentOf = async (actor, { projectId, environment, path }, action) => {
    await access.project(actor, projectId, action, "secret-folders");
    const row = await access.environment(projectId, environment);
    return { row, parent: await access.folderAt(row, path) };
  };

  const create = async ({ actor, body }) => {
    const { row, parent: found } = await parentOf(actor, body, "create");
    // As upstream, folders on the way are made too.
    let parent = found ?? (await access.folderAt(row, "/"));
    for (const name of found ? [] : body.path.split("/").filter(Boolean)) {
      const known = await db("secret_folders").where({ parentId: parent.id, name }).first();
      const wish = { id: randomUUID(), envId: row.id, parentId: parent.id, name };
      parent = known ?? (await db("secret_folders").insert(wish).returning("*"))[0];
    }
    if (await db("secret_folders").where({ parentId: parent.id, name: body.name }).first("id")) {
      throw badRequest("Folder with specified name already exists");
    }
    const { name, description } = body;
    const wish = { id: randomUUID(), envId: row.id, parentId: parent.id, name, description };
    const [folder] = await db("secret_folders").insert(wish).returning("*");
    return { folder: { ...folder, path: `${body.path === "/" ? "" : body.path}/${name}` } };
  };

  const all = async ({ actor, query }) => {
    const { parent } = await parentOf(actor, query, "read");
    if (!parent) return { folders: [] };
    if (!query.recursive) return { folders: await db("secret_folders").where({ parentId: parent.id }).orderBy("name") };
    const found = [];
    const walk = async (folder, path) => {
      for (const child of await db("secret_folders").where({ parentId: folder.id }).orderBy("name")) {
        const relativePath = path ? `${path}/${child.name}` : child.name;
        found.push({ ...child, relativePath });
        await walk(child, relativePath);
      }
    };
    await walk(parent, "");
    return { folders: found };
  };

  const remove = async ({ actor, params, body }) => {
    const { parent } = await parentOf(actor, body, "delete");
    const named = parent && (await db("secret_folders").where({ parentId: parent.id }));
    const folder = named?.find(({ id, name }) => [id, name].includes(params.folder));
    if (!folder) throw notFound(`Folder with ID or name '${params.folder}' not found`);
    await db("secret_folders").where({ id: folder.id }).delete();
    return { folder };
  };

  const place = (key) => ({ [key]: text(), environment: text(), path: secretPath() });
  const version = (base, key) => {
    const read = (handler) => (request) => {
      const given = request.body ?? request.query;
      return handler({ ...request, [request.body ? "body" : "query"]: { ...given, projectId: given[key] } });
    };
    const write = { auth: true, limit: "secrets" };
    const wish = { ...place(key), name: FOLDER_NAME, description: nullable(text()) };
    return [
      { method: "POST", path: base, ...write, body: wish, handler: read(create) },
      {
        method: "GET",
        path: base,
        auth: true,
        query: { ...place(key), recursive: or(queryFlag(), false) },
        handler: read(all),
      },
      {
        method: "DELETE",
        path: `${base}/:folder`,
        ...write,
        body: { ...place(key), forceDelete: or(flag(), false) },
        handler: read(remove),
      },
    ];
  };
  return [
    ...(release.folderCreation ? version("/api/v2/folders", "projectId") : []),
    ...version("/api/v1/folders", "workspaceId"),
  ];
};

const importRoutes = ({ db, access, release }) => {
  const create = async ({ actor, body }) => {
    await access.project(actor, body.projectId, "create", "secret-imports");
    const folder = await access.folder(body.projectId, body.environment, body.path);
    const from = await access.environment(body.projectId, body.import.environment);
    const which = { folderId: folder.id, importEnvId: from.id, importPath: body.import.path };
    if (await db("secret_imports").where(which).first("id")) throw badRequest("Import already exist");
    const [{ count }] = await db("secret_imports").where({ folderId: folder.id }).count();
    const row = { id: randomUUID(), ...which, position: Number(count) + 1 };
    const [made] = await db("secret_imports").insert(row).returning("*");
    return { message: "Successfully created secret import", secretImport: { ...made, importEnv: from } };
  };

  const all = async ({ actor, query }) => {
    await access.project(actor, query.projectId, "read", "secret-imports");
    const folder = await access.folder(query.projectId, query.environment, query.path);
    const rows = await db("secret_imports").where({ folderId: folder.id }).orderBy("position");
    const environments = await db("project_environments").where({ projectId: query.projectId });
    const importEnv = ({ importEnvId }) => environments.find(({ id }) => id === importEnvId);
    const secretImports = rows.map((row) => ({ ...row, importEnv: importEnv(row) }));
    return { message: "Successfully fetched secret imports", secretImports };
  };

  const version = (base, key) => {
    const place = { [key]: text(), environment: text(), path: secretPath() };
    const from = object({ environment: text(), path: secretPath() });
    const named = (given) => ({ ...given, projectId: given[key] });
    return [
      {
        method: "POST",
        path: base,
        auth: true,
        limit: "secrets",
        body: { ...place, import: from },
        handler: ({ actor, body }) => create({ actor, body: named(body) }),
      },
      {
        method: "GET",
        path: base,
        auth: true,
        query: place,
        handler: ({ actor, query }) => all({ actor, query: named(query) }),
      },
    ];
  };
  return [
    ...(release.folderCreation ? version("/api/v2/secret-imports", "projectId") : []),
    ...version("/api/v1/secret-imports", "workspaceId"),
  ];
};

export const placeRoutes = (context) => [
  ...environmentRoutes(context),
  ...folderRoutes(context),
  ...importRoutes(context),
];
