// Secrets of a folder, sealed by the root key. Every write is a new version, also of the same value.
import { randomUUID } from "node:crypto";

import { seal, unseal } from "../keystore.mjs";
import { badRequest, notFound } from "./errors.mjs";
import { expand, referencesIn } from "./references.mjs";

const HIDDEN = "<hidden-by-infisical>";

export class SecretStore {
  constructor({ db, rootKey, access, release }) {
    Object.assign(this, { db, rootKey, access, release });
  }

  #open(sealed) {
    return unseal(this.rootKey, sealed).toString("utf8");
  }

  /** As the API shows it. `place` is `{projectId, environment, path}`. */
  async shown(row, place, { expands = false, hides = false } = {}) {
    const raw = this.#open(row.encryptedValue);
    const value = expands ? await expand(raw, place, (reference) => this.#value(place.projectId, reference)) : raw;
    return {
      id: row.id,
      _id: row.id,
      workspace: place.projectId,
      environment: place.environment,
      secretPath: place.path,
      version: row.version,
      type: "shared",
      secretKey: row.key,
      secretValue: hides ? HIDDEN : value,
      secretValueHidden: hides,
      secretComment: this.#open(row.encryptedComment),
      secretMetadata: row.metadata,
      skipMultilineEncoding: false,
      tags: [],
      createdAt: row.createdAt,
      updatedAt: row.updatedAt,
    };
  }

  async #value(projectId, { environment, path, key }) {
    const slug = { projectId, slug: environment };
    const row = await this.db("project_environments").where(slug).first();
    const folder = row && (await this.access.folderAt(row, path));
    const secret = folder && (await this.find(folder, key));
    return secret && this.#open(secret.encryptedValue);
  }

  find(folder, key, db = this.db) {
    return db("secrets_v2").where({ folderId: folder.id, key }).first();
  }

  all(folder) {
    return this.db("secrets_v2").where({ folderId: folder.id }).orderBy("key");
  }

  async #checkReferences(value, place) {
    if (!this.release.checksReferences) return;
    const missing = [];
    for (const reference of referencesIn(value, place)) {
      if ((await this.#value(place.projectId, reference)) === undefined) missing.push(reference.key);
    }
    if (missing.length > 0) throw badRequest(`Referenced secret(s) not found: ${missing.join(",")}`);
  }

  #columns({ secretValue, secretComment, secretMetadata }) {
    return {
      ...(secretValue === undefined ? {} : { encryptedValue: seal(this.rootKey, secretValue) }),
      ...(secretComment === undefined ? {} : { encryptedComment: seal(this.rootKey, secretComment) }),
      ...(secretMetadata === undefined ? {} : { metadata: JSON.stringify(secretMetadata) }),
    };
  }

  async create(trx, folder, place, { secretKey: key, ...wish }) {
    if (await this.find(folder, key, trx)) throw badRequest("Secret already exist");
    await this.#checkReferences(wish.secretValue, place);
    const row = { id: randomUUID(), folderId: folder.id, key, ...this.#columns({ secretComment: "", ...wish }) };
    return (await trx("secrets_v2").insert(row).returning("*"))[0];
  }

  async update(trx, folder, place, { secretKey: key, newSecretName, ...wish }) {
    const row = await this.find(folder, key, trx);
    if (!row) throw notFound(`Secret with name ${key} not found`);
    if (newSecretName && (await this.find(folder, newSecretName, trx))) {
      throw badRequest("Secret with the new name already exist");
    }
    if (wish.secretValue !== undefined) await this.#checkReferences(wish.secretValue, place);
    const changes = { ...this.#columns(wish), version: row.version + 1, updatedAt: this.db.fn.now() };
    const named = newSecretName ? { key: newSecretName } : {};
    return (await trx("secrets_v2").where({ id: row.id }).update({ ...changes, ...named }).returning("*"))[0];
  }

  async delete(trx, folder, key) {
    const [row] = await trx("secrets_v2").where({ folderId: folder.id, key }).delete().returning("*");
    if (!row) throw notFound(`Secret with name ${key} not found`);
    return row;
  }
}
