// The HTTP face, on plain node:http: /api/status, the API of upstream (api/), and what is the stand-in's own: `detail` in
// /api/status (what the live connections say of themselves), and PUT, GET and DELETE of /api/v3/secrets/raw/NAME
// without a project, with {"value": "..."}, under one bearer token (see bearerToken).
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

import { addressOf } from "./api/client-address.mjs";
import { ApiError, badRequest, notFound, unauthorized, ValidationError } from "./api/errors.mjs";
import { Api } from "./api/index.mjs";
import { observe } from "./db/database.mjs";
import { causeOf, log } from "./log.mjs";
import { migrationStatus } from "./auto-start-migrations.mjs";
import { observeRedis } from "./redis.mjs";
import { Secrets } from "./secrets.mjs";

const ANSWER_WITHIN = 2_000;
const BODY_LIMIT = 1024 * 1024;
const SECRET_PATH = /^\/api\/v3\/secrets\/raw\/([A-Za-z0-9_.-]{1,255})$/;

/** The bearer token of the secrets' paths: hex HMAC-SHA256 with AUTH_SECRET as key and "stand-in" as message. */
const bearerToken = (config) => createHmac("sha256", config.AUTH_SECRET).update("stand-in").digest("hex");

/** `work`, or a 503 which names what did not answer and why. */
const within = async (what, work, lastError = () => undefined) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(lastError() ?? `no answer within ${ANSWER_WITHIN} ms`)),
      ANSWER_WITHIN,
    );
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    throw new ApiError(503, "ServiceUnavailable", `${what}: ${causeOf(error)}`);
  } finally {
    clearTimeout(timer);
  }
};

/** What was seen, or what is wrong. */
const shown = (work) => within("PostgreSQL", work).catch(({ message }) => ({ error: message }));

const readBody = async (request) => {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > BODY_LIMIT) throw new ApiError(413, "PayloadTooLarge", "Request body is too large");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest("Body is not valid JSON");
  }
};

const requireTexts = (body, names) => {
  const missing = names.filter((name) => typeof body?.[name] !== "string" || body[name] === "");
  if (missing.length > 0) throw new ValidationError(missing.map((name) => ({ path: [name], message: "Required" })));
};

export class Server {
  #http;

  constructor({ config, version, db, replicas, redis, rootKey }) {
    Object.assign(this, { config, version, db, replicas, redis });
    this.secrets = new Secrets({ db, replicas, redis, rootKey });
    this.api = new Api({ config, db, redis, rootKey });
    this.expectedToken = Buffer.from(bearerToken(config));
    this.#http = createServer((request, response) => this.#answer(request, response));
  }

  async listen() {
    await this.api.start();
    return new Promise((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(this.config.PORT, this.config.HOST, () => resolve(this.#http.address()));
    });
  }

  /** No new request; those under way end first. */
  close() {
    return new Promise((resolve) => {
      this.#http.close(resolve);
      this.#http.closeIdleConnections();
    });
  }

  async #answer(request, response) {
    try {
      // Every request is counted in Redis: as upstream, all of them hang while nobody answers there.
      await this.redis.client.incr("requests");
      const { type = "application/json", body } = await this.#route(request);
      response.writeHead(200, { "content-type": type });
      response.end(type === "application/json" ? JSON.stringify(body) : body);
    } catch (error) {
      this.#refuse(request, response, error);
    }
  }

  #refuse(request, response, error) {
    const known = error instanceof ApiError || error instanceof ValidationError;
    const statusCode = known ? error.status : 500;
    if (statusCode >= 500) log.error("Request failed", { method: request.method, statusCode, cause: causeOf(error) });
    const message = known ? (error.issues ?? error.message) : "Something went wrong";
    const name = known ? error.name : "InternalServerError";
    response.writeHead(statusCode, { "content-type": "application/json", ...error.headers });
    response.end(JSON.stringify({ reqId: randomUUID(), statusCode, message, error: name }));
  }

  async #route(request) {
    const url = new URL(request.url, "http://localhost");
    const [, secretName] = SECRET_PATH.exec(url.pathname) ?? [];
    if (secretName && this.#isOwn(request, url)) return this.#secret(request, secretName);
    switch (`${request.method} ${url.pathname}`) {
      case "GET /api/status":
        return this.#status(request);
      case "GET /":
        return { type: "text/html", body: "<!doctype html><title>Infisical</title><h1>Infisical stand-in</h1>" };
      default:
        return { body: await this.api.answer(request, url, readBody) };
    }
  }

  // Upstream's path of the same name takes a project, and a token of three parts.
  #isOwn(request, url) {
    return request.method === "PUT" || !(url.search || /\./.test(request.headers.authorization));
  }

  // As upstream, 200 whatever becomes of the database.
  async #status(request) {
    const { config } = this;
    const scanning = ["GIT_APP_ID", "PRIVATE_KEY", "WEBHOOK_SECRET"].map((key) => config[`SECRET_SCANNING_${key}`]);
    const [database, replicas, redis, migrations] = await Promise.all([
      shown(observe(this.db, ANSWER_WITHIN)),
      Promise.all(this.replicas.map((each) => shown(observe(each, ANSWER_WITHIN)))),
      observeRedis(this.redis),
      shown(migrationStatus(this.db)),
    ]);
    const body = {
      date: new Date(),
      message: "Ok",
      emailConfigured: Boolean(config.SMTP_HOST),
      inviteOnlySignup: true,
      redisConfigured: true,
      secretScanningConfigured: scanning.every(Boolean),
      samlDefaultOrgSlug: config.DEFAULT_SAML_ORG_SLUG,
      detail: {
        version: this.version,
        client: addressOf(request),
        database: { ...database, replicas },
        redis,
        migrations,
      },
    };
    return { body };
  }

  async #secret(request, name) {
    this.#authorise(request);
    const what = "PostgreSQL or Redis";
    const lastError = () => this.redis.lastError && `Redis: ${this.redis.lastError}`;
    switch (request.method) {
      case "PUT": {
        const body = await readBody(request);
        requireTexts(body, ["value"]);
        const { value } = body;
        await within(what, this.secrets.write(name, value), lastError);
        return { body: { name, value } };
      }
      case "GET": {
        const value = await within(what, this.secrets.read(name), lastError);
        if (value === undefined) throw notFound(`Secret with name '${name}' not found`);
        return { body: { name, value } };
      }
      case "DELETE": {
        const deleted = await within(what, this.secrets.delete(name), lastError);
        if (!deleted) throw notFound(`Secret with name '${name}' not found`);
        return { body: { name } };
      }
      default:
        throw notFound("Route not found");
    }
  }

  #authorise(request) {
    const token = Buffer.from(/^Bearer (.+)$/.exec(request.headers.authorization)?.[1] ?? "");
    if (token.length !== this.expectedToken.length || !timingSafeEqual(token, this.expectedToken)) {
      throw unauthorized("Token missing or not valid");
    }
  }
}
