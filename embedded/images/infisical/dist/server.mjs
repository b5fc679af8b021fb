// The HTTP face: the paths of Infisical which a deployment and its tests touch, on plain node:http. The stand-in's own:
// `detail` in /api/status (what the live connections say of themselves), and PUT, GET and DELETE of
// /api/v3/secrets/raw/NAME with {"value": "..."}, under one bearer token (see bearerToken).
import { createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

import { observe } from "./db/database.mjs";
import { causeOf, log } from "./log.mjs";
import { migrationStatus } from "./auto-start-migrations.mjs";
import { observeRedis } from "./redis.mjs";

const ANSWER_WITHIN = 2_000;
const BODY_LIMIT = 1024 * 1024;
const SECRET_PATH = /^\/api\/v3\/secrets\/raw\/([A-Za-z0-9_.-]{1,255})$/;

class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The bearer token of the secrets' paths: hex HMAC-SHA256 with AUTH_SECRET as key and "stand-in" as message. */
const bearerToken = (config) => createHmac("sha256", config.AUTH_SECRET).update("stand-in").digest("hex");

/** `work`, or an HttpError 503 which names what did not answer and why. */
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
    throw new HttpError(503, `${what}: ${causeOf(error)}`);
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
    if (text.length > BODY_LIMIT) throw new HttpError(413, "Request body is too large");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, "Body is not valid JSON");
  }
};

const requireTexts = (body, names) => {
  const missing = names.filter((name) => typeof body?.[name] !== "string" || body[name] === "");
  if (missing.length > 0) throw new HttpError(422, `Required: ${missing.join(", ")}`);
};

export class Server {
  #http;

  constructor({ config, version, db, replicas, redis, secrets }) {
    Object.assign(this, { config, version, db, replicas, redis, secrets });
    this.expectedToken = Buffer.from(bearerToken(config));
    this.#http = createServer((request, response) => this.#answer(request, response));
  }

  listen() {
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
      const { status = 200, type = "application/json", body } = await this.#route(request);
      response.writeHead(status, { "content-type": type });
      response.end(type === "application/json" ? JSON.stringify(body) : body);
    } catch (error) {
      const status = error.status ?? 500;
      if (status >= 500) log.error("Request failed", { method: request.method, status, cause: causeOf(error) });
      const message = error.status ? error.message : "Something went wrong";
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ statusCode: status, message }));
    }
  }

  #route(request) {
    const { pathname } = new URL(request.url, "http://localhost");
    const [, secretName] = SECRET_PATH.exec(pathname) ?? [];
    if (secretName) return this.#secret(request, secretName);
    switch (`${request.method} ${pathname}`) {
      case "GET /api/status":
        return this.#status();
      case "POST /api/v1/auth/universal-auth/login":
        return this.#login(request);
      case "GET /api/v1/admin/config":
        return this.#adminConfig();
      case "POST /api/v1/admin/bootstrap":
        return this.#bootstrap(request);
      case "GET /":
        return { type: "text/html", body: "<!doctype html><title>Infisical</title><h1>Infisical stand-in</h1>" };
      default:
        throw new HttpError(404, "Route not found");
    }
  }

  // As upstream, 200 whatever becomes of the database.
  async #status() {
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
      detail: { version: this.version, database: { ...database, replicas }, redis, migrations },
    };
    return { body };
  }

  // Nobody can log in to the stand-in this way: it looks for the identity, and finds none.
  async #login(request) {
    requireTexts(await readBody(request), ["clientId", "clientSecret"]);
    await this.db("super_admin").first("initialized");
    throw new HttpError(401, "Invalid credentials");
  }

  async #adminConfig() {
    const row = await within("PostgreSQL", this.db("super_admin").first("initialized"));
    return { body: { config: { initialized: row.initialized } } };
  }

  async #bootstrap(request) {
    const body = await readBody(request);
    requireTexts(body, ["email", "password", "organization"]);
    const { email, organization } = body;
    const claimed = await within(
      "PostgreSQL",
      this.db("super_admin").where({ initialized: false }).update({ initialized: true, email, organization }),
    );
    if (claimed === 0) throw new HttpError(400, "Instance has already been set up");
    // As upstream, the slug gets a random suffix: "dog" does not become "dog".
    const slug = `${organization.toLowerCase().replace(/[^a-z0-9]+/g, "-")}-${randomBytes(2).toString("hex")}`;
    return {
      body: {
        message: "Successfully bootstrapped instance",
        user: { id: randomUUID(), username: email, email, superAdmin: true },
        organization: { id: randomUUID(), name: organization, slug },
        identity: {
          id: randomUUID(),
          name: "Instance Admin Identity",
          credentials: { token: this.expectedToken.toString() },
        },
      },
    };
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
        if (value === undefined) throw new HttpError(404, `Secret with name '${name}' not found`);
        return { body: { name, value } };
      }
      case "DELETE": {
        const deleted = await within(what, this.secrets.delete(name), lastError);
        if (!deleted) throw new HttpError(404, `Secret with name '${name}' not found`);
        return { body: { name } };
      }
      default:
        throw new HttpError(405, "Method not allowed");
    }
  }

  #authorise(request) {
    const token = Buffer.from(/^Bearer (.+)$/.exec(request.headers.authorization)?.[1] ?? "");
    if (token.length !== this.expectedToken.length || !timingSafeEqual(token, this.expectedToken)) {
      throw new HttpError(401, "Token missing or not valid");
    }
  }
}
